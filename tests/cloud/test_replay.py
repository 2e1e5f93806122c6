"""The requests of the real provider, as recorded: the lab answers them as the recording did.

Ids and addresses differ between runs, so each recorded one is bound to the lab's at first sight and must stay
bound to it. What the lab does not model must be answered with 501.
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
UNMODELLED = re.compile(r"/(networks|zones)\b|/servers/\d+/actions/(attach_to|detach_from)_network\b")
OBJECT_IDS = range(1001, 3000)  # account a counts from 1001, b from 2001; the catalogue's ids are the real ones
# Made up by the recording, or left out by the lab on purpose.
PASSED_OVER = frozenset({"fingerprint", "description", "root_password", "private_net", "message"})


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
    foreign_actions: set[int] = field(default_factory=set)
    compared: int = 0
    skipped: list[str] = field(default_factory=list)
    passed_by: int = 0  # looks at actions of what the lab does not model

    def step(self, request: dict[str, Any]) -> None:
        """Send one request and compare what comes back."""
        method, path, recorded = request["method"], request["path"], request["answer"]
        if UNMODELLED.search(path):
            self._skip(request)
            return
        asked = {int(number) for number in re.findall(r"[?&]id=(\d+)", path)}
        if asked & self.foreign_actions:
            self.passed_by += 1
            return
        bare, _, query = path.partition("?")
        bare = "/".join(str(self._ours(int(p))) if p.isdecimal() else p for p in bare.split("/"))
        pairs = [pair.partition("=") for pair in query.split("&") if pair]
        mapped = tuple((n, str(self.actions.ours[int(v)]) if n == "id" else v) for n, _, v in pairs)
        reply = self.cloud.handle(TOKENS[request["account"]], method, bare, mapped, self._body(request["body"]))
        assert reply.status == request["status"], (method, path, reply.body)
        wrong = list(self._differences(recorded, reply.body, ""))
        assert wrong == [], (method, path)
        self.compared += 1

    def _skip(self, request: dict[str, Any]) -> None:
        path = request["path"].partition("?")[0]
        reply = self.cloud.handle(TOKENS[request["account"]], request["method"], path, (), request["body"])
        assert reply.status == 501, (request["method"], path)
        self.skipped.append(f"{request['method']} {path}")
        action = (request["answer"] or {}).get("action")
        if action:
            self.foreign_actions.add(action["id"])

    def _ours(self, recorded: int) -> int:
        return int(self.objects.ours[recorded]) if recorded in OBJECT_IDS else recorded

    def _body(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._body(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._body(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return self._ours(value)
        return self.addresses.ours.get(value, value) if isinstance(value, str) else value

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
        if isinstance(recorded, str) and re.fullmatch(r"[\d.]+\.\d+|2001:db8:[0-9a-f:]*/64", recorded):
            return self.addresses.bind(recorded, answered)
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
    ("name", "compared", "unmodelled", "servers_left"),
    [
        ("01-create-all", 78, 27, {}),
        ("03-labels", 49, 14, {"a": ["edge"], "b": ["origin"]}),
        ("05-firewall", 83, 0, {}),
        ("08-image", 60, 0, {}),
        ("10-protected-addresses", 44, 0, {}),
        ("15-server-switches", 53, 0, {}),
        ("29-address-stuck", 62, 0, {}),
    ],
)
def test_the_provider_is_answered_as_recorded(
    clock: Clock, name: str, compared: int, unmodelled: int, servers_left: dict[str, list[str]]
) -> None:
    """Status and every field that the provider reads, request by request; at the end nothing is left over."""
    replay = replayed(name, clock)
    assert replay.cloud.unmodelled == replay.skipped
    assert (replay.compared, len(replay.skipped)) == (compared, unmodelled)
    assert replay.compared + len(replay.skipped) + replay.passed_by == len(recorded_requests(name))
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
