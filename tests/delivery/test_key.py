"""What the key that tells hosts their changes opens, and what it does not."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.delivery.standing import Live

pytestmark = pytest.mark.lab
LAPTOP = base64.b64encode(bytes([23]) * 32).decode()


def ssh(
    live: Live, key: Path, *words: str, place: str = "operator", given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Connect to the shield from a place, with one key and nothing of the caller's own."""
    plain = ["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    plain += ["-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR"]
    command = ["ssh", *plain, "-i", str(key), *words]
    return live.lab.place(place).run(command, given=given, within_s=60)


@pytest.fixture
def shield(live: Live) -> str:
    """Where the shield is dialled."""
    return f"root@{live.host('falkenstein').ipv4}"


def test_it_runs_the_hosts_program_and_nothing_else(live: Live, shield: str, tmp_path: Path) -> None:
    """A word of delivery is done; any other command, a shell and a terminal are refused."""
    key = live.delivery_key("falkenstein", tmp_path)
    assert '"host": "falkenstein"' in ssh(live, key, shield, "status").stdout
    for words in (["id"], ["status; id"], ["sh", "-c", "id"], ["apply;id"], []):
        done = ssh(live, key, shield, *words)
        assert done.returncode == 2, words
        assert "uid=0" not in done.stdout + done.stderr
        assert "this key is for delivery alone" in done.stderr
    assert "PTY allocation request failed" in ssh(live, key, "-tt", shield, "status").stderr


def test_it_is_let_through_to_the_origins_ssh_and_to_nothing_else(live: Live, shield: str, tmp_path: Path) -> None:
    """The tunnel address and port 22 of the origin; no other port, host, socket or listening port."""
    key = live.delivery_key("falkenstein", tmp_path)
    banner = ssh(live, key, "-W", "10.0.0.2:22", shield)
    assert banner.stdout.startswith("SSH-2.0-")
    for target in ("10.0.0.2:8080", "127.0.0.1:22", "10.0.0.1:22", "192.0.2.7:80", "169.254.169.254:80"):
        refused = ssh(live, key, "-W", target, shield)
        assert (refused.stdout, refused.returncode != 0) == ("", True), target
        assert refused.stderr == "stdio forwarding failed\n"
    listening = ssh(live, key, "-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22", shield)
    assert "remote port forwarding failed" in listening.stderr


def test_it_opens_no_other_host(live: Live, shield: str, tmp_path: Path) -> None:
    """Each host has a key of its own: the origin's is refused by the shield."""
    assert "Permission denied" in ssh(live, live.delivery_key("press", tmp_path), shield, "status").stderr


def test_it_opens_nothing_from_elsewhere(live: Live, shield: str, tmp_path: Path) -> None:
    """A stolen key is of no use to somebody whose network the stack file does not name."""
    key = live.delivery_key("falkenstein", tmp_path)
    assert "timed out" in ssh(live, key, shield, "status", place="attacker").stderr


@pytest.mark.parametrize("host", ["edge.falkenstein", "vault.press"])
def test_who_the_host_is_was_born_on_it_and_is_nowhere_else(live: Live, host: str) -> None:
    """Only the first contact believes the key of user data; the private half of the other is in no state and no file."""
    name = host.partition(".")[2]
    own = live.says(name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
    believed = {role: live.believed(f"farshore-delivery-{host}-{role}") for role in ("wait", "apply", "confirm")}
    assert believed["apply"].split() == believed["confirm"].split() == own
    born = live.says(name, "cat", "/etc/ssh/ssh_host_ecdsa_key.pub").split()[:2]
    assert believed["wait"].split() == born != own
    state = live.exported()
    private, told = (
        live.says(name, "sed", "-n", "3p", f"/etc/ssh/ssh_host_{kind}_key").strip() for kind in ("ed25519", "ecdsa")
    )
    assert len(private) == 70
    assert private not in state
    assert told in state


def test_what_the_provider_left_in_roots_home_opens_nothing(live: Live) -> None:
    """The server reads root's keys from the bundle alone; another user's stay where they were."""
    for name in ("falkenstein", "press"):
        said = live.says(name, "sshd", "-T", "-C", "user=root,host=x,addr=192.0.2.20")
        assert "authorizedkeysfile /etc/farshore/root-keys\n" in said
        other = live.says(name, "sshd", "-T", "-C", "user=nobody,host=x,addr=192.0.2.20")
        assert "authorizedkeysfile .ssh/authorized_keys" in other
        for setting in ("allowtcpforwarding local", "allowstreamlocalforwarding no", "permittunnel no"):
            assert setting in said


@pytest.mark.long
def test_a_confirmation_that_comes_too_late_applies_again_and_asks_for_another(
    live: Live, shield: str, tmp_path: Path
) -> None:
    """Taken back meanwhile, a bundle is applied anew by whoever would confirm it, and kept by the next connection."""
    key, peers = live.delivery_key("falkenstein", tmp_path), set(live.peers("falkenstein"))
    document = live.document("farshore-delivery-edge.falkenstein-confirm")
    digest = json.loads(document)["digest"]
    live.changed(operators__laptop={"slot": 200, "public_key": LAPTOP, "reach": ["press/web"]})
    assert set(live.peers("falkenstein")) == {*peers, LAPTOP}
    first = ssh(live, key, shield, f"confirm {digest}", given=document)
    assert (first.returncode, "applied again just now" in first.stderr) == (2, True)
    assert json.loads(ssh(live, key, shield, "status").stdout)["state"] == "pending"
    second = ssh(live, key, shield, f"confirm {digest}", given=document)
    assert (second.returncode, second.stdout) == (0, f"confirmed {digest}\n")
    assert set(live.peers("falkenstein")) == peers
    live.changed(operators__laptop=None)
    assert set(live.peers("falkenstein")) == peers
