"""Each account of a lab has a second token, for whoever only looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from lab.client import Lab, MachineSpot
    from tests.machines.ordering import Customer

pytestmark = pytest.mark.lab


def answer(lab: Lab, token: str, method: str, path: str) -> httpx.Response:
    """Return what the API says to a token."""
    return httpx.request(method, lab.endpoint + path, headers={"Authorization": f"Bearer {token}"}, json={})


def test_a_reader_sees_everything_and_changes_nothing(lab: Lab, somebody: Customer, grown: MachineSpot) -> None:
    """The same list for both tokens; a write is 403 for the one and done for the other."""
    assert set(lab.readers) == set(lab.tokens)
    reader = next(iter(lab.readers.values()))
    assert reader != somebody.token
    assert len(reader) == len(somebody.token)
    for path in ("/servers", f"/servers/{grown.name}", "/volumes", "/images", "/ssh_keys"):
        seen = answer(lab, reader, "GET", path)
        assert (seen.status_code, seen.json()) == (200, answer(lab, somebody.token, "GET", path).json())
    writes = [("DELETE", f"/servers/{grown.name}"), ("POST", f"/servers/{grown.name}/actions/reboot")]
    for method, path in [*writes, ("PUT", f"/servers/{grown.name}")]:
        refused = answer(lab, reader, method, path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "token_readonly")
    assert grown.leader_pid is not None
    assert answer(lab, somebody.token, "PUT", f"/servers/{grown.name}").status_code == 200
