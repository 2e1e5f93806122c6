"""What is said of a host is all that its firewall lets pass, each with the line that asks for it."""

from __future__ import annotations

import pytest

from plan import check
from plan.explain import Statement, explain, title
from tests.plan.test_ssh import GLASS
from tests.plan.test_topologies import whole
from tests.stacks import changed, planned


def said(name: str, topic: str) -> list[str]:
    """Return what is said of a host about one topic."""
    return [one.text for one in explain(planned(whole()), name) if one.topic == topic]


def test_an_origin_says_who_reaches_it_and_that_nobody_else_does() -> None:
    """Flows by name, tunnels by peer, and no more from the Internet."""
    assert said("db", "reached by") == [
        "falkenstein on udp 51820, 52400 (its tunnel)",
        "replica on udp 51820, 52400 (its tunnel)",
        "nobody else from the Internet",
        "nobody by delivery: it changes by replacement only",
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
        "nothing else",
    ]
    assert said("ashburn", "says to the Internet") == ["anything"]


def test_a_tunnel_is_asked_for_by_an_origin_a_mesh_or_a_device() -> None:
    """Both ends name the same key: what the origin stands behind, the mesh, or the device's own entry."""

    def tunnels(name: str) -> dict[str, str]:
        return {
            one.text.partition(" ")[0]: one.because for one in explain(planned(whole()), name) if one.topic == "tunnels"
        }

    assert tunnels("falkenstein")["db"] == tunnels("db")["falkenstein"] == "farshore:origins.db.shields"
    assert tunnels("db")["replica"] == tunnels("replica")["db"] == "farshore:meshes.back"
    assert tunnels("falkenstein")["laptop"] == "farshore:operators.laptop.shields"


def test_visitors_are_told_at_both_ends_of_their_way() -> None:
    """A shield passes a domain's visitors on, its origin answers them; nobody else hears of them."""
    at_origin, at_shield = said("press", "reached by"), said("falkenstein", "passes through it")
    assert "visitors of secure.example.com on tcp 8443, through falkenstein, ashburn" in at_origin
    assert "visitors of secure.example.com to press on tcp 8443, their TLS as it is" in at_shield
    assert "visitors of www.example.com to press on tcp 8080, in clear" in at_shield
    assert not any("visitors" in text for text in said("db", "reached by"))


def test_devices_that_dial_from_anywhere_are_named() -> None:
    """Their port is open to everybody: one line says for whom. A shield that no device dials has none."""
    assert (
        "anybody on the Internet on udp 51820, where only a known key gets an answer: for laptop, phone, site"
        in said("falkenstein", "reached by")
    )
    alone = explain(planned(), "falkenstein")
    assert not any("only a known key" in one.text for one in alone)


@pytest.mark.parametrize(
    ("values", "text", "because"),
    [
        (
            {"shields__falkenstein__ssh": ["192.0.2.0/24"]},
            "192.0.2.0/24 on tcp 22 (SSH)",
            "farshore:shields.falkenstein.ssh",
        ),
        ({"break_glass": GLASS}, "198.51.100.0/24 on tcp 22 (SSH)", "farshore:break_glass.sources"),
        ({}, "nobody by SSH: it changes by replacement only", "farshore:shields.falkenstein.ssh"),
    ],
)
def test_ssh_names_the_key_that_opens_or_closes_it(values: dict[str, object], text: str, because: str) -> None:
    """The shield's own choice, the break-glass key's networks, or nothing at all."""
    found = [one for one in explain(planned(changed(**values)), "falkenstein") if "SSH" in one.text]
    told = Statement(
        topic="reached by",
        text="whoever deploys, by SSH: for its next configuration and nothing else",
        because=because,
    )
    assert found == [Statement(topic="reached by", text=text, because=because), *([told] if values else [])]


def test_every_statement_has_a_key_or_says_that_none_can() -> None:
    """Nothing is said without a reason, of any host or device."""
    plan = planned(whole())
    for one in plan.everybody:
        for statement in explain(plan, one.name):
            assert statement.because.startswith(("farshore:", "always: ")), statement


def test_a_name_that_nobody_has_is_no_silence() -> None:
    """Explaining what is not there fails."""
    assert check(planned(whole())) == ()
    with pytest.raises(KeyError):
        explain(planned(whole()), "nobody")
