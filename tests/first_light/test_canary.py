"""The run's real secrets stand nowhere but where they must."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import TYPE_CHECKING

import pytest

from lab.client import Lab
from tests.first_light.deployed import ROOT, Deployed
from tests.first_light.watching import Watcher, finds, packed
from tools.repair_state import plain

if TYPE_CHECKING:
    from pathlib import Path

    from tools.lab import Machines

pytestmark = pytest.mark.lab

STASH = "pulumi:index:Stash"
ADDRESS = "hcloud:index/primaryIp:PrimaryIp"


@cache
def secrets_of(folder: Path) -> dict[str, bytes]:
    """Return every secret of a deployment from its decrypted state: keys, psks, tokens, the origin's addresses."""
    deployed = Deployed(folder.name, "")
    state = json.loads(deployed.work.run(["stack", "export", "--show-secrets", "--stack", deployed.work.stack]))
    assert not (ROOT / f"Pulumi.{deployed.work.stack}.yaml").exists(), "reading a state wrote a stack file"
    rows = state["deployment"]["resources"]
    shields, origins = (
        sum(row["type"] == f"farshore:components:{kind}" for row in rows) for kind in ("Shield", "Origin")
    )
    found: dict[str, bytes] = {f"token {name}": token.encode() for name, token in Lab.open(folder).tokens.items()}
    for row in rows:
        name = row["urn"].rsplit("::", 1)[1]
        if row["type"] == STASH:
            private = plain(row["outputs"]["output"])["private"]
            # Of an SSH key the first line is the same for all.
            found[name] = private.split("\n")[2].encode() if "\n" in private else private.encode()
        if row["type"] == ADDRESS and (".press-" in name or ".drop-" in name):
            found[name] = str(plain(row["outputs"]["ipAddress"])).encode()
    tunnels = shields * origins  # every origin stands behind every shield
    keys = shields + 2 * tunnels + 2 * (shields + origins)
    assert len(found) == 2 + keys + 2 * origins, sorted(found)
    return found


@pytest.fixture(scope="module")
def secrets(deployed: Deployed) -> dict[str, bytes]:
    """The secrets of the deployment."""
    return secrets_of(deployed.lab.folder)


def test_the_search_finds_a_secret_however_it_is_wrapped(secrets: dict[str, bytes]) -> None:
    """The twin of all below: as it is, in base64 at any offset, in user data, and in base64 of that."""
    for name, secret in secrets.items():
        one = {name: secret}
        assert finds(one, b"xx" + secret + b"yy") == [name]
        for offset in range(3):
            assert finds(one, packed(b"-" * offset + secret + b"...")) == [name]
            assert finds(one, base64.b64encode(b"-" * offset + secret + b"....")) == [name]
        assert finds(one, b"nothing of it " * 100) == []


def test_no_argument_list_and_no_environment_had_one(
    watched: tuple[Deployed, Watcher], secrets: dict[str, bytes], machines: Machines
) -> None:
    """Every process of this machine, all through `up`; Pulumi's program and plugins may have what Pulumi gives them."""
    _, watcher = watched
    assert len(watcher.arguments) > 20
    driver = {"nspawn": b"systemd-nspawn", "vm": b"qemu-system-x86_64"}[machines]
    assert any(driver in arguments for arguments in watcher.arguments)
    # The lab is a cloud and an internet: DHCP and routes must name the addresses. They are hidden from the product's
    # side, so the lab's own programs are left out for addresses, and for nothing else.
    keys = {name: secret for name, secret in secrets.items() if "-ipv" not in name}
    assert finds(keys, b"\n".join(watcher.arguments)) == []
    assert finds(keys, b"\n".join(watcher.environments)) == []
    ours = [line for line in watcher.arguments if b"pulumi" in line or b"tools" in line or b"lab.engine" in line]
    assert ours
    assert finds(secrets, b"\n".join(ours)) == []


def test_nothing_printed_has_one(deployed: Deployed, secrets: dict[str, bytes]) -> None:
    """Neither what `up` said, nor a preview, nor the outputs, nor the engine's own log."""
    work = deployed.work
    said = {
        "up": deployed.said,
        "preview": work.run(
            ["preview", "--stack", deployed.work.stack, "--config-file", str(work.stack_file), "--diff"]
        ),
        "preview --json": work.run(
            ["preview", "--stack", deployed.work.stack, "--config-file", str(work.stack_file), "--json"]
        ),
        "outputs": work.run(["stack", "output", "--json", "--stack", deployed.work.stack]),
        "export": work.run(["stack", "export", "--stack", deployed.work.stack]),
        "lab": (deployed.lab.folder / "serve.log").read_text(encoding="utf-8"),
    }
    assert {name: finds(secrets, text.encode()) for name, text in said.items()} == {key: [] for key in said}


def test_no_secret_is_an_output_even_when_secrets_are_shown(deployed: Deployed, secrets: dict[str, bytes]) -> None:
    """Outputs are for everybody."""
    shown = deployed.work.run(["stack", "output", "--json", "--show-secrets", "--stack", deployed.work.stack])
    assert finds(secrets, shown.encode()) == []


def test_the_state_on_disk_is_encrypted(deployed: Deployed, secrets: dict[str, bytes]) -> None:
    """State, its backups and its history hold none in clear; the folder is for its owner alone."""
    folder = deployed.work.folder
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len([path for path in files if path.suffix == ".json"]) > 2
    assert {str(path): found for path in files if (found := finds(secrets, path.read_bytes()))} == {}
    assert folder.stat().st_mode & 0o077 == 0


def test_no_world_readable_file_of_the_lab_has_one(deployed: Deployed, secrets: dict[str, bytes]) -> None:
    """What the lab keeps beside it: consoles, papers, logs."""
    keys = {name: secret for name, secret in secrets.items() if "-ipv" not in name}
    folder = deployed.lab.folder
    reached = [p for p in folder.rglob("*") if p.is_file() and "root" not in p.relative_to(folder).parts]
    assert len(reached) > 5
    open_to_all = [path for path in reached if path.stat().st_mode & 0o004]
    assert {str(path): found for path in open_to_all if (found := finds(keys, path.read_bytes()))} == {}


@pytest.mark.parametrize("name", ["falkenstein", "press"])
def test_on_a_host_no_log_and_no_world_readable_file_has_one(either: Deployed, name: str) -> None:
    """Journal, logs, arguments, environments, and every file that a service's user could read."""
    machine = either.machine(name)
    keys = {key: secret for key, secret in secrets_of(either.lab.folder).items() if "-ipv" not in key}
    script = (
        "journalctl --no-pager -o cat; cat /var/log/*.log /var/log/*/*.log;"
        " cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; find / -xdev -type f -perm -o+r"
        " \\( -newer /etc/hostname -o -path '/etc/*' -o -path '/run/*' -o -path '/var/lib/cloud/*' \\)"
        " -size -256k -exec cat {} +; find /run /tmp -type f -perm -o+r -exec cat {} +"
    )
    said = base64.b64decode(machine.run(["sh", "-c", f"({script}) 2>/dev/null | base64"], within_s=240).stdout)
    assert len(said) > 10_000
    assert finds(keys, said) == []
    # The twin: what root alone can read does hold them, so the search looks in the right place.
    own = machine.run(["sh", "-c", "cat /etc/farshore/keys/*"], check=True).stdout.encode()
    assert len(finds(keys, own)) == len(own.splitlines()) >= 2
