"""`farshore status` of hosts that run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.first_light.deployed import farshore

if TYPE_CHECKING:
    from tests.delivery.standing import Live

pytestmark = pytest.mark.lab
KEYS = "/etc/farshore/keys"


def told(live: Live) -> tuple[int, dict[str, Any]]:
    """Return the command's exit code and what it says to machines."""
    done = farshore("status", "--lab", live.name, "--config-file", str(live.file), "--json")
    assert done.stderr == "", done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_key_that_is_too_old_is_named_and_a_new_one_is_not(live: Live) -> None:
    """By the age of its file on the host, through the tunnel for the origin; no key is shown."""
    code, found = told(live)
    assert (code, found["findings"]) == (0, []), found
    assert {name: host["state"] for name, host in found["hosts"].items()} == {
        "falkenstein": "confirmed",
        "press": "confirmed",
    }
    ages = found["hosts"]["falkenstein"]["key_age_days"]
    assert set(ages.values()) == {0}
    name = min(name for name in ages if name.endswith(".key"))  # fs0.key, until a rotation makes another generation
    key = f"{KEYS}/{name}"
    machine = live.machine("falkenstein")
    date = machine.run(["stat", "-c", "%y", key], check=True).stdout.strip()
    try:
        machine.run(["touch", "-d", "400 days ago", key], check=True)
        code, found = told(live)
        assert code == 1
        assert "falkenstein: a key is 400 days old, allowed: 365; farshore rotate" in found["findings"]
        assert found["hosts"]["falkenstein"]["key_age_days"][name] == 400
        assert not any(line.startswith("press") for line in found["findings"])
    finally:
        machine.run(["touch", "-d", date, key], check=True)
    code, found = told(live)
    assert (code, found["findings"]) == (0, [])
    shown = farshore("status", "--lab", live.name, "--config-file", str(live.file))
    assert (shown.returncode, shown.stdout.count("confirmed")) == (0, 2), shown.stdout + shown.stderr
    assert machine.run(["cat", key], check=True).stdout.strip() not in shown.stdout
