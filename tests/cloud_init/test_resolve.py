"""A host that dials a name looks it up again; one that dials addresses has nothing to look up."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from cloud_init import placeholder, render_bundle
from cloud_init.resolve import ENDPOINTS_PATH, SCRIPT, SCRIPT_PATH, SERVICE, TIMER
from tests.stacks import SMALLEST, changed, planned

if TYPE_CHECKING:
    from pathlib import Path

NAMED = {"wireguard": {"endpoint": {"host": "vpn.example.com", "port": 4500}}}


def files(config: dict[str, Any] | None = None) -> dict[str, str]:
    """Return the files of the origin."""
    origin = planned(config).origins[0]
    return {file.path: file.content for file in render_bundle(origin, placeholder(origin)).files}


def test_a_name_is_looked_up_by_a_timer() -> None:
    """The list has interface, key and endpoint; the timer is enabled."""
    config = changed(shields__falkenstein={**SMALLEST["shields"]["falkenstein"], **NAMED})
    interface, public_key, endpoint = files(config)[ENDPOINTS_PATH].split()
    assert (interface, endpoint) == ("fs0g0", "vpn.example.com:4500")
    conf = files(config)["/etc/wireguard/fs0g0.conf"]
    assert f"PublicKey = {public_key}\n" in conf
    assert "\nEndpoint" not in conf
    assert f"PostUp = systemctl start --no-block {SERVICE}\n" in conf
    origin = planned(config).origins[0]
    assert TIMER in render_bundle(origin, placeholder(origin)).units
    assert not {ENDPOINTS_PATH, SCRIPT_PATH} & files().keys()
    plain = files()["/etc/wireguard/fs0g0.conf"]
    assert "\nEndpoint = " in plain
    assert SERVICE not in plain


@pytest.mark.lab
@pytest.mark.parametrize(("age_s", "asked"), [(1000, True), (10, False), (None, True)])
def test_only_a_stale_handshake_is_looked_up(tmp_path: Path, age_s: int | None, asked: bool) -> None:  # noqa: FBT001
    """An old handshake and none at all are; one of ten seconds ago is left alone."""
    last = "0" if age_s is None else f"$(($(date +%s) - {age_s}))"
    (tmp_path / "wg").write_text(
        f'#!/bin/sh\ncase $1 in show) printf "KEY\\t%s\\n" "{last}";; set) echo "$@" >>{tmp_path}/asked;; esac\n',
        encoding="ascii",
    )
    (tmp_path / "wg").chmod(0o755)
    (tmp_path / "endpoints").write_text("fs0g0 KEY vpn.example.com:4500\n", encoding="ascii")
    script = SCRIPT.replace(ENDPOINTS_PATH, str(tmp_path / "endpoints"))
    subprocess.run(["sh", "-c", script], check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    said = tmp_path / "asked"
    assert (said.read_text(encoding="ascii") if said.exists() else "") == (
        "set fs0g0 peer KEY endpoint vpn.example.com:4500\n" if asked else ""
    )
