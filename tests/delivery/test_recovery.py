"""The state and its passphrase are gone while everything runs: a new state is made of what the hosts know.

```text
  operator 192.0.2.20 ──ssh, break-glass──► falkenstein ──ssh in the tunnel, break-glass──► press
  visitor  192.0.2.7  ──http──────────────► falkenstein ──────────────────────────────────► press   all the time
```
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.delivery.test_key import ssh
from tests.first_light.deployed import UP_WITHIN_S, farshore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.delivery.standing import Live

pytestmark = [pytest.mark.lab, pytest.mark.long]  # tests/recover shows the same without machines
HOSTS = ("falkenstein", "press")
RECOVER_WITHIN_S = 2 * UP_WITHIN_S


def lose_state(live: Live) -> None:
    """Remove state, history, passphrase, and the stack file's copy with the tokens that only the passphrase opens."""
    shutil.rmtree(live.lab.folder / "pulumi")


def recover(live: Live, identity: Path, host_keys: Path) -> subprocess.CompletedProcess[str]:
    """Recover as a person does who has kept the hosts' keys."""
    where = ("--lab", live.name, "--config-file", str(live.file))
    flags = ("--identity", str(identity), "--yes-host-keys", str(host_keys), "--yes")
    return farshore("recover", *where, *flags, within_s=RECOVER_WITHIN_S)


def tunnel_keys(live: Live) -> dict[str, list[str]]:
    """Return WireGuard's keys of each host."""
    return {name: sorted(live.says(name, "sh", "-c", "cat /etc/farshore/keys/*").split()) for name in HOSTS}


def test_a_lost_state_is_recovered_from_what_runs_and_nobody_notices(live: Live, glass: Path, tmp_path: Path) -> None:
    """No server and no address is another, no tunnel has another key, and every request is answered meanwhile.

    Delivery's keys are new: those that were in the lost state open nothing any more. What the next `up` meets a host by
    was put there by the break-glass key, and its provider has never seen it.
    """
    kept = tmp_path / "hosts.keys"
    where = ("--lab", live.name, "--config-file", str(live.file))
    kept.write_text(farshore("host-keys", *where).stdout, encoding="ascii")
    assert [line.split()[0] for line in kept.read_text(encoding="ascii").splitlines()] == list(HOSTS)
    servers, keys, boots = live.servers(), tunnel_keys(live), {name: live.machine(name).leader_pid for name in HOSTS}
    former = live.delivery_key("falkenstein", tmp_path)
    born = live.says("falkenstein", "cat", "/etc/ssh/ssh_host_ecdsa_key.pub")
    shield = f"root@{live.host('falkenstein').ipv4}"
    assert ssh(live, former, shield, "status").returncode == 0
    lose_state(live)

    stranger = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)], check=True)
    refused = recover(live, stranger, kept)
    assert refused.returncode == 2
    assert "Permission denied" in refused.stderr
    wrong = tmp_path / "wrong.keys"
    lines = kept.read_text(encoding="ascii").splitlines()
    wrong.write_text(f"falkenstein {lines[1].partition(' ')[2]}\n{lines[1]}\n", encoding="ascii")
    refused = recover(live, glass, wrong)
    assert refused.returncode == 2
    assert "host falkenstein: host key SHA256:" in refused.stderr
    assert "do not go on" in refused.stderr
    assert ssh(live, former, shield, "status").returncode == 0

    with live.visited(tmp_path) as answers:
        done = recover(live, glass, kept)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        again = recover(live, glass, kept)
        assert again.returncode == 2
        assert "resources of the accounts, allowed: none" in again.stderr
        told = live.up()
        assert told.returncode == 0, told.stdout + told.stderr
    assert set(answers) == {"200"}
    assert live.servers() == servers
    assert tunnel_keys(live) == keys
    assert {name: live.machine(name).leader_pid for name in HOSTS} == boots
    assert "Permission denied" in ssh(live, former, shield, "status").stderr
    assert ssh(live, live.delivery_key("falkenstein", tmp_path), shield, "status").returncode == 0
    assert live.says("falkenstein", "cat", "/etc/ssh/ssh_host_ecdsa_key.pub") != born
    for name in HOSTS:
        found = json.loads(live.says(name, "farshore-host", "status"))
        assert (found["drift"], found["state"]) == ([], "confirmed")
        assert not [key for key in keys[name] if key in said]
        account = {"falkenstein": "edge", "press": "vault"}[name]
        believed = live.believed(f"farshore-delivery-{account}.{name}-apply")
        assert f"{name} {believed}" in kept.read_text(encoding="ascii").splitlines()
    assert live.host("press").ipv4 not in said
    live.work.run(["preview", "--expect-no-changes", *live.work.where])
    assert live.page()
