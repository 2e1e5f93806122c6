"""The hcloud package does what the real provider did: recordings, played request by request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine_plugins.replay import VECTORS, Api, Player, accounts, recording, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine_plugins.driver import Driven

pytestmark = pytest.mark.lab

SECOND = frozenset({"net", "subnet", "origin", "nic", "zone", "www"})
PLAYED = sorted(path.stem for path in VECTORS.glob("*.json"))


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """Serve the API's half for all recordings."""
    with serving(Api()) as served:
        yield served


@pytest.fixture(scope="module")
def plugins(api: Api) -> Iterator[dict[str, Driven]]:
    """Run one plugin for each account."""
    with accounts(api) as running:
        yield running


def test_there_are_recordings() -> None:
    """A folder that was moved away would play nothing and fail nothing."""
    assert {"01-create-all", "07-user-data", "24-all-at-once"} <= set(PLAYED)


@pytest.mark.parametrize("name", PLAYED)
def test_the_plugin_does_what_the_real_provider_did(name: str, api: Api, plugins: dict[str, Driven]) -> None:
    """Requests with bodies and order, differences, replacements, outputs and failures are the recorded ones."""
    api.strange.clear()
    Player(recording(name), plugins, api, SECOND).play()


def test_a_request_that_was_not_recorded_fails_the_replay(api: Api, plugins: dict[str, Driven]) -> None:
    """The negative twin: another body is another request, so a recording that asks for it is not met."""
    api.strange.clear()
    steps = recording("28-small-resources")[:1]
    for exchange in steps[0]["http"]:
        if exchange["path"] == "/networks":
            exchange["body"]["ip_range"] = "192.0.2.0/24"
    with pytest.raises(AssertionError, match="not_recorded"):
        Player(steps, plugins, api).play()
    assert [line.split()[:3] for line in api.strange] == [["a", "POST", "/networks"]]


def test_other_outputs_than_recorded_fail_the_replay(api: Api, plugins: dict[str, Driven]) -> None:
    """The negative twin: the state is compared value by value."""
    api.strange.clear()
    steps = recording("28-small-resources")[:1]
    for row in steps[0]["state"]:
        row["outputs"]["name"] = "another"
    with pytest.raises(AssertionError, match="outputs"):
        Player(steps, plugins, api).play()


@pytest.mark.parametrize("name", ["01-create-all", "03-labels", "10-protected-addresses", "30-fault-401"])
def test_previews_ask_nobody(name: str, api: Api, plugins: dict[str, Driven]) -> None:
    """Every creation of a recording, asked for as a preview first, sends nothing, whatever the token is worth."""
    api.strange.clear()
    api.expect([])
    rows = [row for step in recording(name) for row in step.get("state", []) if "inputs" in row]
    assert rows
    for row in rows:
        kind, _, resource = row["resource"].partition("::")
        news, failures = plugins["a"].check(kind, row["inputs"], name=resource)
        assert failures == []
        assert plugins["a"].create(kind, news, preview=True, name=resource).id == ""
    assert api.strange == []
