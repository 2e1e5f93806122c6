"""Every rendered file is read by the program that it is for, in the version that a host has.

The parsers run on a host of the deployment: Debian's own, with a host's own kernel and users. One that is missing
fails the run. Those that ask the kernel nothing are long on virtual machines: Debian's programs are the same there.
"""

from __future__ import annotations

import base64
import io
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.first_light.deployed import EACH
from tests.trees import cases, tree

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from lab.client import MachineSpot
    from tests.first_light.deployed import Deployed

pytestmark = pytest.mark.lab

WHERE = "/run/rendered"
RICHEST = {"connected", "two-shields"}
FILES = sorted(f"{case}/{path}" for case, plan in cases().items() for path in tree(plan))


@pytest.fixture(scope="module", params=EACH)
def machine(request: pytest.FixtureRequest) -> Iterator[MachineSpot]:
    """A shield of each release, with all rendered trees below /run/rendered."""
    deployed: Deployed = request.getfixturevalue(request.param)
    spot = deployed.machine("falkenstein")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for case, plan in cases().items():
            for path, content in tree(plan).items():
                entry = tarfile.TarInfo(f"{case}/{path}")
                entry.size, entry.mode = len(content), 0o600 if "wireguard" in path else 0o644
                archive.addfile(entry, io.BytesIO(content))
    script = f"mkdir -p {WHERE} && base64 -d | tar -x --no-same-owner -C {WHERE}"
    spot.run(["sh", "-c", script], given=base64.b64encode(packed.getvalue()).decode(), check=True)
    # On Ubuntu ssh.socket starts it when somebody comes; before that, its folder in /run is not there.
    spot.run(["systemctl", "start", "ssh.service"], check=True)
    yield spot
    spot.run(["rm", "-rf", WHERE], check=True)


def those(part: str) -> list[str]:
    """Return the rendered files whose path has a part."""
    found = [path for path in FILES if part in path]
    assert found, part
    return found


def marked(paths: list[str]) -> list[Any]:
    """Return paths as parameters; those of smaller trees, which have nothing of their own, are long on a slow kernel."""
    return [
        path if path.split("/")[0] in RICHEST else pytest.param(path, marks=pytest.mark.long_on_vm) for path in paths
    ]


@pytest.mark.parametrize("path", marked(those("/etc/wireguard/")))
def test_wg_quick_takes_every_interface(machine: MachineSpot, path: str) -> None:
    """`wg-quick strip` reads it, and leaves what `wg setconf` reads."""
    done = machine.run(["wg-quick", "strip", f"{WHERE}/{path}"])
    assert done.returncode == 0, done.stderr
    assert "[Peer]" in done.stdout
    done = set_interface(machine, done.stdout)
    assert done.returncode == 0, done.stderr


def set_interface(machine: MachineSpot, configuration: str) -> subprocess.CompletedProcess[str]:
    """Give wg(8) a configuration for an interface in a namespace of its own, where no port is taken."""
    script = (
        "ip link add probe type wireguard 2>/dev/null || wireguard-go probe >/dev/null 2>&1;"
        " wg setconf probe /dev/stdin; code=$?; ip link del probe; exit $code"
    )
    return machine.run(["unshare", "--net", "sh", "-c", script], given=configuration)


def test_wg_refuses_a_key_of_another_length(machine: MachineSpot) -> None:
    """The twin: the parser does say no."""
    done = set_interface(machine, "[Interface]\nListenPort = 1\n[Peer]\nPublicKey = c2hvcnQ=\n")
    assert done.returncode != 0
    assert "Key is not the correct length or format" in done.stderr


@pytest.mark.parametrize("path", marked(those(".nft")))
def test_nft_takes_every_table(machine: MachineSpot, path: str) -> None:
    """`nft -c` reads it against the kernel."""
    done = machine.run(["nft", "-c", "-f", f"{WHERE}/{path}"])
    assert done.returncode == 0, done.stderr


@pytest.mark.long_on_vm
@pytest.mark.parametrize("path", those("haproxy.cfg"))
def test_haproxy_takes_every_configuration(machine: MachineSpot, path: str) -> None:
    """`haproxy -c` reads it without a warning."""
    done = machine.run(["haproxy", "-c", "-f", f"{WHERE}/{path}"])
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr + done.stdout


@pytest.mark.long_on_vm
@pytest.mark.parametrize("path", those("cloud-config.yaml"))
def test_cloud_init_takes_every_cloud_config(machine: MachineSpot, path: str) -> None:
    """`cloud-init schema` finds nothing to say."""
    done = machine.run(["cloud-init", "schema", "--config-file", f"{WHERE}/{path}"])
    assert done.returncode == 0, done.stdout + done.stderr
    # The one line of Debian 12's version, or of Debian 13's.
    assert done.stdout.strip() in {f"Valid cloud-config: {WHERE}/{path}", f"Valid schema {WHERE}/{path}"}


@pytest.mark.long_on_vm
@pytest.mark.parametrize("path", those("sshd_config.d"))
def test_sshd_takes_every_configuration(machine: MachineSpot, path: str) -> None:
    """`sshd -t` reads it, and the effective configuration knows no password."""
    done = machine.run(["/usr/sbin/sshd", "-t", "-f", f"{WHERE}/{path}"])
    assert done.returncode == 0, done.stderr
    said = machine.run(["/usr/sbin/sshd", "-T", "-f", f"{WHERE}/{path}"], check=True).stdout.splitlines()
    assert {"passwordauthentication no", "permitrootlogin without-password", "authenticationmethods publickey"} <= set(
        said
    )


def test_sshd_uses_it_on_a_host(machine: MachineSpot) -> None:
    """No other file of the host wins: passwords are off, and the one host key is ours."""
    said = machine.run(["/usr/sbin/sshd", "-T"], check=True).stdout.splitlines()
    assert {"passwordauthentication no", "kbdinteractiveauthentication no"} <= set(said)
    assert [line for line in said if line.startswith("hostkey ")] == [
        "hostkey /etc/ssh/ssh_host_ed25519_key",
        "hostkey /etc/ssh/ssh_host_ecdsa_key",
    ]


@pytest.mark.long_on_vm
@pytest.mark.parametrize("case", cases())
def test_systemd_takes_every_unit(machine: MachineSpot, case: str) -> None:
    """`systemd-analyze verify` reads units and drop-ins as they will lie there, without a word."""
    script = f"""
        set -eu
        for root in {WHERE}/{case}/*/root; do
          rm -rf /run/verify && mkdir -p /run/verify
          cp -r /lib/systemd/system/. /run/verify/
          cp -r $root/etc/systemd/system/. /run/verify/
          units=$(cd $root/etc/systemd/system && ls -d *.service *.service.d *.mount 2>/dev/null | sed 's/\\.d$//' | sort -u)
          for unit in $units; do
            case $unit in *@*.service) [ -e /run/verify/$unit ] || cp /run/verify/wg-quick@.service /run/verify/$unit;; esac
          done
          made=
          for program in $(cd $root && find usr -type f 2>/dev/null); do
            [ -e /$program ] || {{ install -D -m 0755 $root/$program /$program; made="$made /$program"; }}
          done
          cd /run/verify && SYSTEMD_UNIT_PATH=/run/verify systemd-analyze verify --man=no $units
          rm -f $made
        done
        rm -rf /run/verify
    """
    done = machine.run(["bash", "-c", script], within_s=240)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""


def test_sysctl_takes_every_setting(machine: MachineSpot) -> None:
    """Each key exists and has the value that we wrote."""
    said = machine.run(["sysctl", "-p", f"{WHERE}/smallest/press/root/etc/sysctl.d/60-farshore.conf"])
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize(
    ("command", "broken"),
    [
        (["nft", "-c", "-f", "/run/broken.conf"], "table inet x { chain y { accept drop } }"),
        pytest.param(
            ["haproxy", "-c", "-f", "/run/broken.conf"], "frontend x\n  bind nowhere:x\n", marks=pytest.mark.long_on_vm
        ),
        pytest.param(
            ["/usr/sbin/sshd", "-t", "-f", "/run/broken.conf"],
            "PasswordAuthentication perhaps\n",
            marks=pytest.mark.long_on_vm,
        ),
        pytest.param(
            ["cloud-init", "schema", "--config-file", "/run/broken.conf"],
            "#cloud-config\npackages: 3\n",
            marks=pytest.mark.long_on_vm,
        ),
        pytest.param(
            ["systemd-analyze", "verify", "/run/broken.service"],
            "[Service]\nType=nonsense\n",
            marks=pytest.mark.long_on_vm,
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_the_parsers_refuse_what_is_broken(machine: MachineSpot, command: list[str], broken: str) -> None:
    """The twin: each of them does say no."""
    machine.run(["tee", command[-1]], given=broken, check=True)
    done = machine.run(command)
    machine.run(["rm", command[-1]], check=True)
    assert done.returncode != 0 or "Failed to parse" in done.stderr, done
