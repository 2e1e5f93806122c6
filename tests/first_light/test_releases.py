"""Hosts of two releases in one deployment: each shield before each origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import until
from tests.first_light.deployed import EACH, PAGE, ROOT, both_releases, farshore
from tools.lab import images_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.first_light.deployed import Deployed

pytestmark = pytest.mark.lab

RELEASES = {"falkenstein": "trixie", "nuremberg": "bookworm", "press": "trixie", "drop": "bookworm"}


@pytest.fixture(params=EACH[1:])
def pair(request: pytest.FixtureRequest) -> Deployed:
    """Each deployment of two releases."""
    found: Deployed = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def newer(request: pytest.FixtureRequest) -> str:
    """The code name of the release that stands beside Debian 12 in `pair`."""
    return "noble" if "ubuntu-24.04" in request.node.callspec.id else "trixie"


def test_only_what_a_stack_file_names_is_made_ready(tmp_path: Path) -> None:
    """Debian 12 alone for the lab's own file, which names no image; what the lab has not is the program's to refuse."""
    file = tmp_path / "Pulumi.x.yaml"
    text = both_releases()
    for written, images in (
        ((ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8"), ("debian-12",)),
        (text, ("debian-12", "debian-13")),
        (
            text.replace("image: debian-12", "image: debian-13").replace("slot: 3", "slot: 3\n      image: debian-13"),
            ("debian-13",),
        ),
        (text.replace("image: debian-13", "image: ubuntu-22.04"), ("debian-12",)),
        ("config: 3\n", ("debian-12",)),
    ):
        file.write_text(written, encoding="utf-8")
        assert images_of(file) == images
    assert images_of(tmp_path / "nowhere") == ("debian-12",)


@pytest.mark.parametrize("name", RELEASES)
def test_each_host_has_the_release_that_its_image_names(pair: Deployed, newer: str, name: str) -> None:
    """By name at the API, the default where the stack file names none."""
    said = pair.machine(name).run(["cat", "/etc/os-release"], check=True).stdout
    assert f"VERSION_CODENAME={RELEASES[name].replace('trixie', newer)}\n" in said


@pytest.mark.parametrize("shield", ["falkenstein", "nuremberg"])
@pytest.mark.parametrize(
    ("domain", "scheme", "port"),
    [("www.example.com", "http", 80), ("secure.example.com", "https", 443), ("drop.example.com", "http", 80)],
)
def test_either_release_stands_before_either(pair: Deployed, shield: str, domain: str, scheme: str, port: int) -> None:
    """The page of each origin arrives through each shield, of the same release or the other."""
    through = ["--resolve", f"{domain}:{port}:{pair.host(shield).ipv4}"]
    url = f"{scheme}://{domain}/"
    # `up` ends with the first page; the other shield's first handshake may be repeated after 5 s (wg(8)).
    until(lambda: True if PAGE in pair.fetch(url, *through) else None, 30.0, f"the page at {url} through {shield}")


@pytest.mark.long_on_vm
def test_a_host_of_one_release_is_told_nothing_of_the_other(mixed: Deployed) -> None:
    """Masked on Debian 13 are the sockets that it offers SSH on; Debian 12 has no such units, and is told of none."""
    asked = ["systemctl", "is-enabled", "sshd-unix-local.socket"]
    for name, codename in RELEASES.items():
        told = "masked" if codename == "trixie" else ""
        assert mixed.machine(name).run(asked).stdout.strip() == told, name


@pytest.mark.long_on_vm
@pytest.mark.parametrize("name", ["falkenstein", "press"])
def test_on_debian_13_sshd_listens_on_its_port_alone(mixed: Deployed, name: str) -> None:
    """No socket of systemd's generator leads past nftables; the twin: the generator is there and makes one."""
    machine = mixed.machine(name)
    listening = machine.run(["ss", "-H", "-l", "-x", "--vsock"], check=True).stdout
    assert "/run/dbus/system_bus_socket" in listening
    assert "ssh" not in listening
    made = machine.run(["cat", "/run/systemd/generator/sshd-unix-local.socket"], check=True).stdout
    assert "/run/ssh-unix-local/socket" in made


@pytest.mark.long
def test_on_ubuntu_the_ssh_server_that_a_socket_starts_has_our_settings(noble: Deployed) -> None:
    """ssh.socket is its own, on port 22 behind nftables; whom it starts takes keys alone, and ufw is off."""
    machine = noble.machine("press")
    assert machine.run(["systemctl", "is-enabled", "ssh.socket"]).stdout.strip() == "enabled"
    listening = machine.run(["ss", "-H", "-l", "-t", "-n", "sport", "=", "22"], check=True).stdout.split("\n")
    assert sorted(line.split()[3] for line in listening if line) == ["0.0.0.0:22", "[::]:22"]
    asked = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@127.0.0.1"
    refused = machine.run(["sh", "-c", asked])
    assert "Permission denied (publickey)." in refused.stderr
    assert "ED25519" in refused.stderr
    said = machine.run(["/usr/sbin/sshd", "-T"], check=True).stdout.splitlines()
    assert {"passwordauthentication no", "hostkey /etc/ssh/ssh_host_ed25519_key"} <= set(said)
    assert "inactive" in machine.run(["ufw", "status"], check=True).stdout


@pytest.mark.long
def test_up_again_with_two_releases_touches_nothing(pair: Deployed) -> None:
    """Nothing is left to change, and every machine goes on."""
    leaders = {name: pair.machine(name).leader_pid for name in RELEASES}
    stack_file = str(pair.work.stack_file)
    done = farshore("lab", "up", "--name", pair.name, "--stack-file", stack_file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "created" not in done.stdout
    assert {name: pair.machine(name).leader_pid for name in RELEASES} == leaders
