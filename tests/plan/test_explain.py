"""What is said of a host is all that its firewall lets pass, each with the line that asks for it."""

from __future__ import annotations

import pytest

from plan import check
from plan.explain import Statement, explain, title
from tests.plan.test_topologies import whole
from tests.stacks import planned


def said(name: str, topic: str) -> list[str]:
    """Return what is said of a host about one topic."""
    return [one.text for one in explain(planned(whole()), name) if one.topic == topic]


def test_an_origin_says_who_reaches_it_and_that_nobody_else_does() -> None:
    """Flows by name, tunnels by peer, and no more from the Internet."""
    assert said("db", "reached by") == [
        "falkenstein, replica on udp 51820, 52400",
        "nobody else from the Internet",
        "press on tcp 5432 (db/pg)",
        "falkenstein on tcp 22 (db/ssh)",
    ]
    assert "anybody on the Internet on tcp 80" in said("falkenstein", "reached by")
    assert not any("anybody" in text for text in said("press", "reached by"))


def test_each_statement_names_the_key_that_asks_for_it() -> None:
    """An operator's way in stands in `reach`, a service's in `from`."""
    assert Statement(
        topic="reached by", text="laptop on tcp 22 (press/ssh)", because="farshore:operators.laptop.reach"
    ) in explain(planned(whole()), "press")


def test_a_device_is_explained_like_a_host() -> None:
    """What an operator reaches is what its `reach` says; what a gateway forwards is what its LANs ask for."""
    assert said("laptop", "reaches") == [
        "192.168.10.0/24 behind site on everything (office)",
        "press on tcp 22 (press/ssh)",
        "press on tcp 8443 (press/tls)",
        "press on tcp 8080 (press/web)",
    ]
    assert said("phone", "reaches") == ["falkenstein on tcp 22 (falkenstein/ssh)"]
    assert "phone to the Internet, under this host's address" in said("falkenstein", "passes through it")
    assert title(planned(whole()), "laptop") == "laptop: operator's device, 10.0.0.200, 10.0.1.200"


def test_egress_is_what_keeps_a_host_sound() -> None:
    """Names, packages and time by their users, and nothing else; a shield may say anything."""
    assert [text.partition(" to ")[0] for text in said("db", "says to the Internet")] == [
        "udp 53",
        "tcp 53",
        "tcp 80, 443",
        "udp 123",
    ]
    assert said("ashburn", "says to the Internet") == ["anything"]


def test_a_name_that_nobody_has_is_no_silence() -> None:
    """Explaining what is not there fails."""
    assert check(planned(whole())) == ()
    with pytest.raises(KeyError):
        explain(planned(whole()), "nobody")
