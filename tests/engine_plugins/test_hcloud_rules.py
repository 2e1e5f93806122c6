"""Rules of the hcloud package that need no process: pauses, retries, orders, paths of differences."""

from __future__ import annotations

import pytest

from lab.engine.plugins.contract import Kind
from lab.engine.plugins.differences import property_differences
from lab.engine.plugins.hcloud.api import ApiError, Polling, retried
from lab.engine.plugins.hcloud.order import request_order, state_order
from lab.engine.plugins.hcloud.plan import details, planned
from lab.engine.plugins.hcloud.resources import TYPES
from lab.engine.plugins.hcloud.resources.firewall import RULES, rule_bodies
from lab.engine.plugins.hcloud.schema import Family, Shape
from lab.engine.values import UNKNOWN

SDK_S = 60.0
FRAMEWORK_S = 10.0


def rule(port: str, *sources: str, protocol: str = "tcp", description: str = "") -> dict[str, object]:
    """Return a rule for packets that come in, filled as a plan fills it."""
    return {
        "direction": "in",
        "protocol": protocol,
        "port": port,
        "description": description,
        "sourceIps": list(sources),
        "destinationIps": [],
    }


def test_pauses_between_polls_double_up_to_the_familys_limit() -> None:
    """0.5 s, 1, 2, 4 … by default; 60 s at most for SDK types, 10 s for framework types."""
    polling = Polling()
    assert [polling.pause_s(number, SDK_S) for number in range(4)] == [0.5, 1.0, 2.0, 4.0]
    assert polling.pause_s(20, SDK_S) == 60.0
    assert polling.pause_s(20, FRAMEWORK_S) == 10.0


def test_constant_pauses_stay_as_they_are() -> None:
    """The negative twin: what a lab uses, so that no test waits."""
    polling = Polling(interval_s=0.01, constant=True)
    assert {polling.pause_s(number, SDK_S) for number in range(20)} == {0.01}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note pauses instead of taking them."""
    noted: list[float] = []
    monkeypatch.setattr("lab.engine.plugins.hcloud.api.time.sleep", noted.append)
    return noted


def test_a_refusal_that_may_pass_is_tried_again(pauses: list[float]) -> None:
    """Pauses double; the first success ends it."""
    answers = [ApiError("busy", "conflict"), ApiError("busy", "locked"), None]

    def call() -> str:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return "done"

    assert retried(5, call, lambda failure: failure.code in {"conflict", "locked"}) == "done"
    assert pauses == [1.0, 2.0]


def test_a_refusal_that_stays_is_told_after_the_last_try(pauses: list[float]) -> None:
    """Five tries; the original pauses even after the last."""

    def call() -> None:
        raise ApiError("in use", "resource_in_use", 422)

    with pytest.raises(ApiError, match=r"in use \(resource_in_use\)"):
        retried(5, call, lambda _: True)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_another_refusal_is_told_at_once(pauses: list[float]) -> None:
    """The negative twin: what waiting can't heal is not waited for."""

    def call() -> None:
        raise ApiError("is protected", "protected", 423)

    with pytest.raises(ApiError, match="protected"):
        retried(5, call, lambda failure: failure.code == "conflict")
    assert pauses == []


def test_rules_stand_in_requests_in_the_order_of_the_original() -> None:
    """Terraform's hash of an element decides, not the program; the same rules give the same body."""
    rules = [
        rule("80", "0.0.0.0/0", "::/0"),
        rule("443", "0.0.0.0/0", "::/0", description="https"),
        rule("51820", "198.51.100.0/24", protocol="udp"),
        rule("", "0.0.0.0/0", protocol="icmp"),
    ]
    ports = [body.get("port") for body in rule_bodies(rules)]
    assert ports == ["443", None, "51820", "80"]
    assert rule_bodies(rules) == rule_bodies(rules[::-1])


def test_states_have_an_order_of_their_own() -> None:
    """By description, then by what follows in the alphabet: never the order of the program."""
    rules = [rule("443", "::/0", description="https"), rule("80", "::/0"), rule("51820", "::/0")]
    states = [item["port"] for item in state_order(RULES, rules)]
    assert states == ["51820", "80", "443"]
    assert states == [item["port"] for item in state_order(RULES, rules[::-1])]
    requests = [item["port"] for item in request_order(RULES, rules)]
    assert sorted(requests) == sorted(states)


def test_the_order_of_rules_and_addresses_is_no_difference() -> None:
    """Sets are compared as sets."""
    kind = TYPES["hcloud:index/firewall:Firewall"]
    first = {"direction": "in", "protocol": "tcp", "port": "443", "sourceIps": ["::/0", "0.0.0.0/0"]}
    second = {"direction": "in", "protocol": "udp", "port": "51820", "sourceIps": ["198.51.100.0/24"]}
    state = planned(kind, None, {"name": "fw", "rules": [first, second]}) | {"labels": {}, "applyTos": []}
    turned = {**first, "sourceIps": ["0.0.0.0/0", "::/0"]}
    plan = planned(kind, state, {"name": "fw", "rules": [second, turned]})
    assert details(kind, state, plan, {}) == {}


def test_an_unknown_element_is_a_difference() -> None:
    """What is not known yet may be anything."""
    kind = TYPES["hcloud:index/server:Server"]
    given = {"name": "n", "serverType": "cx23", "firewallIds": [1]}
    state = planned(kind, None, given) | {"image": "debian-12", "location": "fsn1"}
    plan = planned(kind, state, {**given, "firewallIds": [1, UNKNOWN]})
    assert details(kind, state, plan, {})["firewallIds"] is Kind.UPDATE


def test_every_type_is_declared_whole() -> None:
    """Tokens are the wheel's; blocks have members; framework types have no blocks that replace."""
    for token, kind in TYPES.items():
        assert token == kind.token
        assert token.startswith("hcloud:index/")
        assert kind.named is ("name" in kind.fields)
        for field in kind.fields.values():
            if field.shape in {Shape.LIST, Shape.SET} and kind.family is Family.SDK:
                assert field.members is not None or field.element is not None


def test_paths_quote_what_is_no_plain_word() -> None:
    """A label with a slash stands in brackets."""
    olds = {"labels": {"env": "one", "app/tier": "x"}}
    news = {"labels": {"env": "two"}, "list": [1]}
    assert property_differences(olds, news) == {
        "labels.env": Kind.UPDATE,
        'labels["app/tier"]': Kind.DELETE,
        "list": Kind.ADD,
    }
