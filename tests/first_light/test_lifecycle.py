"""Up again, interrupted, from the stock image, destroyed: what a person does with a deployment."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab.client import Lab, until
from lab.ledger import start_time
from tests.first_light.deployed import FARSHORE, PAGE, ROOT, Deployed, farshore
from tests.first_light.provided import provide, up
from tests.labs import lab_name
from tools.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.lab import Machines

pytestmark = pytest.mark.lab


def existing(deployed: Deployed) -> dict[str, Any]:
    """Return the names of everything that the cloud has."""
    found: dict[str, Any] = deployed.control("objects")
    return found


def traces(name: str) -> dict[str, list[str]]:
    """Return what this machine has of a lab: processes, namespaces, mounts, cgroups, folders."""
    mark = f"fs-{name}"
    processes = [
        process.name
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and process.name != str(os.getpid()) and _mentions(process, name)
    ]
    return {
        "processes": processes,
        "namespaces": [path.name for path in Path("/run/netns").glob(f"{mark}-*")],
        "mounts": [line for line in Path("/proc/self/mounts").read_text().splitlines() if f".lab/{name}" in line],
        # Other labs' groups come and go meanwhile, which a walk does not mind.
        "cgroups": [folder for folder, *_ in os.walk("/sys/fs/cgroup") if Path(folder).name.startswith(mark)],
        "folders": [str(path) for path in (ROOT / ".lab").glob(name)],
    }


def _mentions(process: Path, name: str) -> bool:
    try:
        return f".lab/{name}".encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False


def test_up_again_says_that_nothing_changes_and_touches_nothing(deployed: Deployed) -> None:
    """A second `up` counts everything as unchanged, asks the cloud for nothing that changes, and boots nobody."""
    leaders = {name: deployed.machine(name).leader_pid for name in ("falkenstein", "press")}
    before = existing(deployed)
    count = deployed.control("requests/count")["count"]
    done = farshore("lab", "up", "--name", deployed.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "40 unchanged" in done.stdout
    assert "created" not in done.stdout
    # The summary lists the servers of each of the two accounts; the engine itself asks for nothing.
    assert deployed.control("requests/count")["count"] - count == 2
    assert existing(deployed) == before
    assert {name: deployed.machine(name).leader_pid for name in leaders} == leaders
    assert deployed.control("unmodelled") == []


def test_a_preview_of_a_new_stack_makes_no_request(deployed: Deployed, tmp_path: Path) -> None:
    """The cloud hears nothing of a preview, and the preview names what would be made."""
    work = Workspace(folder=tmp_path / "pulumi", stack="fresh", endpoint=deployed.lab.endpoint)
    work.prepare(ROOT / "Pulumi.lab.yaml", deployed.lab.tokens)
    before = deployed.control("requests/count")
    said = work.run(["preview", "--stack", "fresh", "--config-file", str(work.stack_file)])
    assert "40 to create" in said
    assert deployed.control("requests/count") == before


def test_production_previews_cleanly_once_tokens_are_set(tmp_path: Path) -> None:
    """`Pulumi.prod.yaml` needs no API for its preview, and `up` with the stand-in refuses the real cloud."""
    work = Workspace(folder=tmp_path / "pulumi", stack="prod", endpoint="https://api.hetzner.cloud/v1")
    work.prepare(ROOT / "Pulumi.prod.yaml", {"edge": "e" * 64, "vault": "v" * 64})
    where = ["--stack", "prod", "--config-file", str(work.stack_file)]
    assert "29 to create" in work.run(["preview", *where])
    if work.engine.endswith("bin/pulumi") and Path(work.engine).is_relative_to(ROOT):
        refused = subprocess.run(
            [work.engine, "up", "--yes", "--skip-preview", *where],
            cwd=ROOT,
            env=work.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == 1
        assert (
            "allowed: a lab's API on a loopback address; use Pulumi itself for a real cloud"
            in refused.stderr + refused.stdout
        )
        assert "hcloud:index" not in (work.folder / "state/.pulumi/stacks/farshore/prod.json").read_text()


@pytest.mark.long_on_vm
@pytest.mark.long
def test_stock_machines_end_as_the_fast_ones_do(deployed: Deployed, machines: Machines) -> None:
    """A provider's image gets its packages by cloud-init, and has the same files and units in the end."""
    name = lab_name("fs")
    try:
        stock = Deployed(name, up(name, machines, "--image", "stock"))
        assert PAGE in stock.page()
        for host in ("falkenstein", "press"):
            assert "wireguard-tools" in stock.machine(host).run(["cat", "/var/log/apt/history.log"], check=True).stdout
            assert _shape(stock, host) == _shape(deployed, host)
    finally:
        farshore("lab", "down", "--name", name)


def _shape(deployed: Deployed, host: str) -> str:
    """Return the files that Farshore wrote, with their rights, and the state of its units."""
    script = (
        "find /etc/farshore /etc/wireguard /etc/haproxy/haproxy.cfg /etc/ssh/sshd_config.d /etc/sysctl.d/60-farshore.conf"
        " /etc/systemd/system -name '*.dpkg*' -prune -o -type f -printf '%m %p\\n' 2>/dev/null | sort;"
        " for u in farshore-nftables 'wg-quick@fs0' 'wg-quick@fs0g0' haproxy ssh nftables; do"
        ' echo "$u $(systemctl is-enabled $u 2>&1) $(systemctl is-active $u)"; done;'
        " nft -s -t list table inet farshore | sed -E 's/[0-9.]+|fd[0-9a-f:]+|2001:[0-9a-f:]+/N/g' | sort"
    )
    said = deployed.machine(host).run(["sh", "-c", script]).stdout
    # The fast image carries haproxy for every host, the stock one for those that asked for it.
    return said if host == "falkenstein" else "\n".join(line for line in said.splitlines() if "haproxy" not in line)


@pytest.fixture
def another() -> Iterator[str]:
    """A lab's name; whatever was started under it is removed."""
    name = lab_name("fi")
    yield name
    farshore("lab", "down", "--name", name)


@pytest.mark.long_on_vm
@pytest.mark.long
def test_an_interrupted_up_is_cleaned_by_the_next(another: str, machines: Machines) -> None:
    """Killed in the middle, with servers half made: the next `up` removes what is left and finishes."""
    with subprocess.Popen(
        [str(FARSHORE), "lab", "up", "--name", another, "--machines", machines],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    ) as cut_short:
        until(lambda: True if traces(another)["namespaces"] and _servers(another) else None, 60, "a server")
        os.killpg(cut_short.pid, signal.SIGKILL)
    lab = Lab.open(ROOT / ".lab" / another)
    assert start_time(lab.pid) is not None
    assert "an earlier `up` was interrupted" in up(another, machines)
    assert PAGE in Deployed(another, "").page()


def _servers(name: str) -> bool:
    try:
        deployed = Deployed(name, "")
        return any("server" in str(kind) and found for kind, found in _flat(existing(deployed)))
    except Exception:  # noqa: BLE001 - the lab is coming up: any answer but a server is no answer yet
        return False


def _flat(objects: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings with their path."""
    if isinstance(objects, dict):
        for key, value in objects.items():
            yield from _flat(value, f"{path}/{key}")
    else:
        yield path, objects


def test_destroy_empties_the_cloud_and_down_leaves_nothing(another: str, machines: Machines) -> None:
    """Addresses are released, both accounts are empty; then no process, namespace, mount or folder is left."""
    deployed = Deployed(another, provide(another, machines))
    assert any(found for _, found in _flat(existing(deployed)))
    assert deployed.work.show("destroy", "--yes", "--skip-preview") == 0
    assert [path for path, found in _flat(existing(deployed)) if found] == []
    until(lambda: True if deployed.lab.world()["machines"] == [] else None, 30, "no machine")
    assert traces(another)["processes"]
    assert farshore("lab", "down", "--name", another).returncode == 0
    assert traces(another) == {"processes": [], "namespaces": [], "mounts": [], "cgroups": [], "folders": []}


def test_the_clouds_api_answers_where_the_operator_stands_and_nowhere_else(deployed: Deployed) -> None:
    """The engine has the operator's network, and finds the API where this machine has it; no other place does."""
    ask = [
        "curl",
        "-sS",
        "--max-time",
        "5",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        f"{deployed.lab.endpoint}/servers",
    ]
    assert deployed.lab.place("operator").run(ask).stdout == "401"
    assert deployed.lab.place("visitor").run(ask).stdout == "000"
    inside = deployed.work.command("version")[: len(deployed.work.enter)]
    said = subprocess.run([*inside, "ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    assert "192.0.2.20/32" in said
