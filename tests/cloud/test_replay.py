"""The requests of the real provider, as recorded: the lab answers them as the recording did.

Ids and addresses differ between runs, so each recorded one is bound to the lab's at first sight and must stay
bound to it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab.cloud.cloud import Cloud
from tests.cloud.driver import TOKEN_A, TOKEN_B

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.cloud.driver import Clock

VECTORS = Path(__file__).parents[1] / "vectors" / "cloud"
TOKENS = {"a": TOKEN_A, "b": TOKEN_B}
OBJECT_IDS = range(1001, 3000)  # account a counts from 1001, b from 2001; the catalogue's ids are the real ones
# Given out by the API, so they differ between runs. Private addresses are the program's own choice.
PUBLIC_OR_MAC = re.compile(r"(203\.0\.113|198\.51\.100|192\.0\.2)\.\d+|2001:db8:[0-9a-f:]*/64|(86:00)(:[0-9a-f]{2}){4}")
# Made up by the recording, or left out by the lab on purpose.
PASSED_OVER = frozenset(
    {"fingerprint", "description", "root_password", "message", "record_count", "delegation_last_check"}
)


@dataclass
class Binding:
    """Which of the lab's values stands for a recorded one, either way."""

    ours: dict[Any, Any] = field(default_factory=dict)
    theirs: dict[Any, Any] = field(default_factory=dict)

    def bind(self, recorded: Any, answered: Any) -> bool:
        """Tell whether two values stand for each other, binding them if both are new."""
        if recorded not in self.ours and answered not in self.theirs:
            self.ours[recorded], self.theirs[answered] = answered, recorded
        return bool(self.ours.get(recorded) == answered)


@dataclass
class Replay:
    """One recording on its way through a cloud."""

    cloud: Cloud
    objects: Binding = field(default_factory=Binding)
    actions: Binding = field(default_factory=Binding)
    addresses: Binding = field(default_factory=Binding)
    compared: int = 0

    def step(self, request: dict[str, Any]) -> None:
        """Send one request and compare what comes back."""
        method, path, recorded = request["method"], request["path"], request["answer"]
        bare, _, query = path.partition("?")
        bare = "/".join(str(self._ours(int(p))) if p.isdecimal() else p for p in bare.split("/"))
        pairs = [pair.partition("=") for pair in query.split("&") if pair]
        mapped = tuple((n, str(self.actions.ours[int(v)]) if n == "id" else v) for n, _, v in pairs)
        reply = self.cloud.handle(TOKENS[request["account"]], method, bare, mapped, self._body(request["body"]))
        assert reply.status == request["status"], (method, path, reply.body)
        wrong = list(self._differences(recorded, reply.body, ""))
        assert wrong == [], (method, path)
        self.compared += 1

    def _ours(self, recorded: int) -> int:
        return int(self.objects.ours[recorded]) if recorded in OBJECT_IDS else recorded

    def _body(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._body(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._body(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return self._ours(value)
        return self._our_address(value) if isinstance(value, str) else value

    def _our_address(self, recorded: str) -> str:
        """Return the lab's address for a recorded one; a host of an IPv6 prefix goes with its prefix."""
        prefix, found, host = recorded.partition("::")
        ours: str | None = self.addresses.ours.get(f"{prefix}::/64") if found else None
        if ours is not None and host != "/64":
            return ours.removesuffix("/64") + host
        mapped: str = self.addresses.ours.get(recorded, recorded)
        return mapped

    def _differences(self, recorded: Any, answered: Any, where: str) -> Iterable[str]:
        if isinstance(recorded, dict):
            if not isinstance(answered, dict):
                yield f"{where}: {answered!r}, recorded {recorded!r}"
                return
            for key, value in recorded.items():
                if key in PASSED_OVER or (key == "locations" and value and isinstance(value[0], str)):
                    continue
                if key not in answered:
                    yield f"{where}.{key}: missing"
                elif key == "id" and "command" in recorded:
                    if not self.actions.bind(value, answered[key]):
                        yield f"{where}.{key}: action {answered[key]}, recorded {value}"
                elif key == "resources":
                    # The recording names the first resource alone.
                    yield from self._differences(value[:1], answered[key][:1], f"{where}.{key}")
                else:
                    yield from self._differences(value, answered[key], f"{where}.{key}")
        elif isinstance(recorded, list):
            if not isinstance(answered, list) or len(answered) != len(recorded):
                yield f"{where}: {answered!r}, recorded {recorded!r}"
                return
            for index, (one, other) in enumerate(zip(recorded, answered, strict=True)):
                yield from self._differences(one, other, f"{where}.{index}")
        elif not self._same(recorded, answered):
            yield f"{where}: {answered!r}, recorded {recorded!r}"

    def _same(self, recorded: Any, answered: Any) -> bool:
        if isinstance(recorded, int) and not isinstance(recorded, bool) and recorded in OBJECT_IDS:
            return self.objects.bind(recorded, answered)
        if isinstance(recorded, str) and PUBLIC_OR_MAC.fullmatch(recorded):
            return self.addresses.bind(recorded, answered)
        if isinstance(recorded, str) and recorded.startswith("2001:db8:"):
            return bool(self._our_address(recorded) == answered)
        if isinstance(recorded, str) and recorded.startswith("static."):
            return isinstance(answered, str) and answered.startswith("static.")
        return type(recorded) is type(answered) and bool(recorded == answered)


def recorded_requests(name: str) -> list[dict[str, Any]]:
    """Return the requests of a recording, all steps in a row."""
    steps = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return [request for step in steps for request in step["http"]]


def replayed(name: str, clock: Clock) -> Replay:
    """Replay a recording through a fresh cloud."""
    replay = Replay(Cloud({"a": [TOKEN_A], "b": [TOKEN_B]}, clock=clock))
    replay.cloud.settings.action_polls = 2  # as the recording's stand-in
    for request in recorded_requests(name):
        replay.step(request)
    return replay


@pytest.mark.parametrize(
    ("name", "compared", "servers_left"),
    [
        ("01-create-all", 121, {}),
        ("03-labels", 71, {"a": ["edge"], "b": ["origin"]}),
        ("05-firewall", 83, {}),
        ("08-image", 60, {}),
        ("10-protected-addresses", 44, {}),
        ("15-server-switches", 53, {}),
        ("16-network", 76, {}),
        ("17-network-inline", 48, {}),
        ("18-dns", 121, {}),
        ("19-primary-ip-rdns", 48, {}),
        ("24-all-at-once", 68, {"a": ["edge-2"]}),
        ("29-address-stuck", 62, {}),
    ],
)
def test_the_provider_is_answered_as_recorded(
    clock: Clock, name: str, compared: int, servers_left: dict[str, list[str]]
) -> None:
    """Status and every field that the provider reads, request by request; at the end nothing is left over."""
    replay = replayed(name, clock)
    assert replay.cloud.unmodelled == []
    assert replay.compared == len(recorded_requests(name)) == compared
    left = {account: kinds["servers"] for account, kinds in replay.cloud.objects().items() if "servers" in kinds}
    assert left == servers_left


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("status",), 200),
        (("answer", "primary_ip", "assignee_type"), "server"),
        (("answer", "primary_ip", "labels"), {"env": "two"}),
        (("answer", "primary_ip", "location", "id"), 2),
        (("answer", "primary_ip", "surprise"), None),
    ],
)
def test_a_deviation_is_found(clock: Clock, where: tuple[str, ...], value: Any) -> None:
    """The comparison sees a wrong status, a wrong value deep down, and a field that is missing."""
    first = recorded_requests("01-create-all")[0]
    inner = first
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    replay = Replay(Cloud({"a": [TOKEN_A], "b": [TOKEN_B]}, clock=clock))
    with pytest.raises(AssertionError):
        replay.step(first)
