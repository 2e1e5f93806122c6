"""Names on an operator's device: none is asked past a full tunnel, and no tunnel leaves it with a dead resolver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from lab.client import until
from tests.topologies.capture import capturing
from tests.topologies.egress import WAYS, ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.topologies.capture import Seen
    from tests.topologies.standing import Connected

pytestmark = pytest.mark.lab
PROVIDERS: Final = {"185.12.64.1", "185.12.64.2", "2a01:4ff:ff00::add:1", "2a01:4ff:ff00::add:2"}
THROUGH: Final = "192.0.2.53"  # what the phone asks, by the stack file
INSIDE: Final = "10.0.0.3"  # what the laptop asks
ROUTER: Final = "172.31.1.1"  # next to the device, as a household's router is: a route of its own leads there
WIREGUARD: Final = 51820
NAMES: Final = WAYS[0]


@pytest.fixture
def uplink(connected: Connected) -> Iterator[Seen]:
    """Everything that leaves the device by its own cable."""
    with capturing(connected.laptop().entry["namespace"], "eth0") as seen:
        yield seen


def address_of(connected: Connected, name: str) -> str:
    """Return what a program on the device is told of a name; an empty text for nothing."""
    said = connected.laptop().run(["getent", "ahostsv4", name]).stdout
    return said.split()[0] if said else ""


def resolvers(connected: Connected) -> set[str]:
    """Return whom the device's programs ask."""
    said = connected.laptop().run(["cat", "/etc/resolv.conf"], check=True).stdout
    return {line.split()[1] for line in said.splitlines() if line.startswith("nameserver ")}


def test_without_a_tunnel_names_are_asked_in_clear(connected: Connected, uplink: Seen) -> None:
    """The capture sees it: what it does not see below does not happen."""
    assert address_of(connected, "www.example.com")
    assert set(uplink.names()) <= PROVIDERS
    assert uplink.names()


def test_under_a_full_tunnel_no_name_leaves_by_the_uplink(connected: Connected, uplink: Seen) -> None:
    """Every program asks the resolver of the stack file, through the tunnel; afterwards its own are there again."""
    before = resolvers(connected)
    assert before <= PROVIDERS
    connected.dial("phone", "falkenstein", connected.full)
    try:
        assert resolvers(connected) == {THROUGH}
        seen = len(uplink.names())
        until(lambda: address_of(connected, "www.example.com") or None, 20, "a name, through the tunnel")
        assert address_of(connected, "nobody.example") == ""
        assert uplink.names()[seen:] == []
        assert uplink.count(WIREGUARD) > 0
    finally:
        connected.hang_up()
    assert resolvers(connected) == before
    assert address_of(connected, "www.example.com")


def test_a_program_that_asks_elsewhere_is_refused(connected: Connected, uplink: Seen) -> None:
    """A route of its own leads to the resolver beside the device; without the file's guard the question leaves there."""
    connected.dial("phone", "falkenstein", connected.full)
    try:
        seen = len(uplink.names())
        assert ask(connected.laptop(), NAMES, user="root", address=ROUTER) == "refused"
        assert uplink.names()[seen:] == []
        connected.laptop().run(["nft", "flush", "table", "inet", "farshore_names"], check=True)
        ask(connected.laptop(), NAMES, user="root", address=ROUTER)
        assert uplink.names()[seen:] == [ROUTER]
    finally:
        connected.hang_up()
    assert "farshore" not in connected.laptop().run(["nft", "list", "tables"], check=True).stdout


def test_a_split_tunnel_asks_the_resolver_inside(connected: Connected, uplink: Seen) -> None:
    """A name that means something inside alone; the question is in the tunnel, and the page is found by it."""
    assert address_of(connected, "press.internal") == ""
    connected.dial("laptop", "falkenstein", connected.split)
    try:
        assert resolvers(connected) == {INSIDE}
        seen = len(uplink.names())
        until(lambda: address_of(connected, "press.internal") == "10.0.0.2" or None, 20, "a name inside")
        assert (
            "hello from the far shore" in connected.laptop().run(["curl", "-sS", "http://press.internal:8080/"]).stdout
        )
        assert uplink.names()[seen:] == []
    finally:
        connected.hang_up()
    assert resolvers(connected) <= PROVIDERS


def test_where_the_resolver_is_not_reached_the_device_keeps_its_own(connected: Connected, uplink: Seen) -> None:
    """`db` is not behind nuremberg: named there it would be dead, and every name with it."""
    connected.dial("laptop", "nuremberg", connected.split)
    try:
        assert resolvers(connected) <= PROVIDERS
        assert address_of(connected, "www.example.com")
        assert set(uplink.names()) <= PROVIDERS
    finally:
        connected.hang_up()
