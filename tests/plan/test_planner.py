"""A plan has no choice left, and its parts fit each other."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import TYPE_CHECKING, get_args

import pytest

from plan import check, make_plan
from plan.addresses import (
    origin_address,
    origin_address6,
    shield_address,
    shield_address6,
    subnet_count,
    unique_local_prefix,
)
from plan.model.firewall import CloudRule
from plan.model.refs import Ref
from plan.outputs import diagram, origin_outputs
from plan.stack.hosts import Image
from plan.tables import images
from tests.stacks import SMALLEST, changed, loaded, planned

if TYPE_CHECKING:
    from collections.abc import Callable

    from plan.model import Host, Plan
    from plan.model.wireguard import Interface

NET = IPv4Network("10.0.0.0/16")
NOBODY = "farshore:parties: who holds state, ci, dns, ca is unknown; nothing judges them"
NET6 = IPv6Network("fd12:3456:789a::/48")
CLOSED = "farshore:shields.falkenstein.ssh: SSH answers nowhere; this host changes by replacement only, and so does press behind it"


def two_by_two() -> Plan:
    """Return two shields before two origins, one of which stands behind both."""
    press = SMALLEST["origins"]["press"]
    return planned(
        changed(
            shields__ashburn={"slot": 1, "account": "edge", "location": "ash"},
            origins__press__shields=["falkenstein", "ashburn"],
            origins__drop={**press, "slot": 3, "shields": ["ashburn"], "services": {}},
        )
    )


@pytest.mark.parametrize(("slot", "address"), [(0, "10.0.0.1"), (1, "10.0.1.1"), (255, "10.0.255.1")])
def test_a_shield_is_the_first_host_of_its_subnet(slot: int, address: str) -> None:
    """Shield k is 10.0.k.1, and ::1 in the k-th /64."""
    assert shield_address(NET, slot) == IPv4Address(address)
    assert str(shield_address6(NET6, slot)) == f"fd12:3456:789a:{slot:x}::1".replace(":0::", "::")


def test_an_origin_has_one_address_by_its_slot() -> None:
    """An origin's address does not depend on its shields."""
    assert str(origin_address(NET, 2)) == "10.0.0.2"
    assert str(origin_address(NET, 254)) == "10.0.0.254"
    assert str(origin_address6(NET6, 254)) == "fd12:3456:789a::fe"


@pytest.mark.parametrize(("prefix", "room"), [(8, 256), (16, 256), (20, 16), (24, 1)])
def test_a_network_has_room_for_so_many_shields(prefix: int, room: int) -> None:
    """Each shield takes a /24, and no network more than 256."""
    assert subnet_count(IPv4Network((0x0A000000, prefix))) == room


def test_the_ipv6_prefix_is_derived_once() -> None:
    """The same names give the same /48, other names another; all are unique local."""
    first = unique_local_prefix("farshore", "prod")
    assert first == unique_local_prefix("farshore", "prod")
    assert first != unique_local_prefix("farshore", "dev")
    assert first.prefixlen == 48
    assert first.subnet_of(IPv6Network("fd00::/8"))


def test_both_ends_of_a_tunnel_agree() -> None:
    """What one end admits is what the other has; keys, port, MTU and psk are the same from both sides."""
    plan = planned()
    shield, origin = plan.shields[0].interfaces[0], plan.origins[0].interfaces[0]
    (far,), (near,) = shield.peers, origin.peers
    assert (shield.name, shield.listen_port) == ("fs0", 51820)
    assert (origin.name, origin.listen_port) == ("fs0g0", 51820)
    assert [str(net) for net in far.allowed_ips] == ["10.0.0.2/32", f"{plan.origins[0].address6}/128"]
    assert [str(net) for net in near.allowed_ips] == ["10.0.0.1/32", f"{plan.shields[0].address6}/128"]
    assert near.endpoint is not None
    assert (near.endpoint.address, near.endpoint.port) == (Ref("ipv4", "falkenstein"), 51820)
    assert far.endpoint is not None
    assert (far.endpoint.address, far.endpoint.port) == (Ref("ipv4", "press"), origin.listen_port)
    assert (near.keepalive_s, far.keepalive_s) == (25, None)
    assert near.preshared_key == far.preshared_key == Ref("psk", "falkenstein/press/1")
    assert near.public_key == shield.public_key
    assert shield.mtu_bytes == origin.mtu_bytes == 1420


def test_a_host_is_told_its_own_secrets_and_no_other() -> None:
    """The list of references is everything that a host learns."""
    plan = planned()
    assert [str(ref) for ref in plan.origins[0].references()] == [
        "ipv4:falkenstein",
        "ipv6:falkenstein",
        "private:press/fs0g0",
        "psk:falkenstein/press/1",
        "public:falkenstein/fs0",
        "ssh-private:press",
        "ssh-public:press",
    ]
    assert Ref("private", "press/fs0g0") not in plan.shields[0].references()


def test_nothing_but_the_web_is_open_at_a_shield_and_nothing_at_an_origin() -> None:
    """Visitors' ports come from the role; the cloud's firewall says the same and is never empty."""
    plan = planned()
    shield, origin = plan.hosts
    assert shield.firewall.visitor_ports == (80, 443)
    assert origin.firewall.visitor_ports == ()
    assert [(rule.protocol, rule.port, len(rule.sources)) for rule in shield.cloud_rules] == [
        ("tcp", 80, 2),
        ("tcp", 443, 2),
        ("udp", 51820, 2),
    ]
    assert [(rule.protocol, rule.port, rule.sources) for rule in origin.cloud_rules] == [
        ("udp", 51820, (Ref("ipv4", "falkenstein"), Ref("ipv6", "falkenstein")))
    ]
    assert [(flow.name, flow.ports, str(flow.sources[0])) for flow in origin.firewall.accepts] == [
        ("press/ssh", (22,), "10.0.0.1/32"),
        ("press/tls", (8443,), "10.0.0.1/32"),
        ("press/web", (8080,), "10.0.0.1/32"),
    ]


def test_an_origin_behind_two_shields_keeps_one_address() -> None:
    """It has an interface and a port for each shield, and the same address on both."""
    plan = two_by_two()
    press = next(origin for origin in plan.origins if origin.name == "press")
    assert [(i.name, i.listen_port, str(i.addresses[0])) for i in press.interfaces] == [
        ("fs0g0", 51820, "10.0.0.2/32"),
        ("fs1g0", 51822, "10.0.0.2/32"),
    ]
    assert [len(shield.interfaces[0].peers) for shield in plan.shields] == [1, 2]
    assert check(plan) == ()


def test_the_order_of_the_stack_file_changes_nothing() -> None:
    """Identity is by name and slot, never by position."""
    config = changed(shields__ashburn={"slot": 1, "account": "edge", "location": "ash"})
    turned = {**config, "shields": dict(reversed(config["shields"].items()))}
    assert planned(config) == planned(turned)


def test_the_break_glass_key_opens_ssh_at_the_shield_for_its_sources_alone() -> None:
    """A shield answers SSH to the named networks, an origin never outside the tunnel."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ops"
    plan = planned(changed(break_glass={"public_key": key, "sources": ["192.0.2.0/24"]}))
    shield, origin = plan.hosts
    assert [str(net) for net in shield.firewall.ssh_sources] == ["192.0.2.0/24"]
    assert ("tcp", 22) in {(rule.protocol, rule.port) for rule in shield.cloud_rules}
    assert origin.firewall.ssh_sources == ()
    assert origin.break_glass_key == key
    assert check(plan) == ()


def test_a_server_type_newer_than_our_table_is_a_warning_with_its_date() -> None:
    """What Hetzner added after the table's day is left to Hetzner to refuse."""
    plan = planned(changed(origins__press__server_type="cx24"))
    assert plan.warnings == (
        (
            "farshore:origins.press.server_type: 'cx24' is not in our table of 2026-11-01; "
            "Hetzner will say whether it exists"
        ),
        CLOSED,
        NOBODY,
    )
    assert planned().warnings == (CLOSED, NOBODY)


def test_what_differs_by_image_is_decided_for_each_host() -> None:
    """Every image that a stack file may name has its facts; two hosts of one deployment may differ."""
    assert tuple(images()) == get_args(Image)
    plan = planned(changed(origins__press__image="debian-13"))
    assert [host.image for host in plan.hosts] == ["debian-12", "debian-13"]
    assert plan.shields[0].masked_units == ("nftables.service",)
    assert plan.origins[0].masked_units == ("nftables.service", "sshd-unix-local.socket", "sshd-vsock.socket")
    ubuntu = planned(changed(origins__press__image="ubuntu-24.04"))
    assert ubuntu.origins[0].masked_units == ("nftables.service",)


def test_outputs_name_tunnel_addresses_only() -> None:
    """What is entered at an edge is a tunnel address and a port."""
    plan = planned()
    assert origin_outputs(plan)["secure.example.com"] == {
        "origin": "press",
        "address": "10.0.0.2",
        "port": 8443,
        "tls": "passthrough",
    }
    drawing = diagram(plan)
    assert "n_press -.->|WireGuard| n_falkenstein" in drawing
    assert 'subgraph FI["FI"]' in drawing


def _shield(plan: Plan, change: Callable[[Host], Host]) -> Plan:
    return replace(plan, shields=(change(plan.shields[0]), *plan.shields[1:]))


def _origin(plan: Plan, change: Callable[[Host], Host]) -> Plan:
    return replace(plan, origins=(change(plan.origins[0]), *plan.origins[1:]))


def _interface(change: Callable[[Interface], Interface]) -> Callable[[Host], Host]:
    return lambda host: replace(host, interfaces=(change(host.interfaces[0]), *host.interfaces[1:]))


@pytest.mark.parametrize(
    ("broken", "finding"),
    [
        (
            _origin(planned(), lambda host: replace(host, address=IPv4Address("10.0.0.1"))),
            "10.0.0.1: 2 hosts have it",
        ),
        (
            _shield(planned(), _interface(lambda i: replace(i, peers=i.peers + i.peers))),
            "falkenstein/fs0: 10.0.0.2/32 belongs to press and press",
        ),
        (
            _shield(
                planned(),
                _interface(lambda i: replace(i, peers=(replace(i.peers[0], allowed_ips=(NET,)),))),
            ),
            "falkenstein/fs0: press may send from 10.0.0.0/16",
        ),
        (
            _origin(planned(), _interface(lambda i: replace(i, mtu_bytes=1280))),
            "falkenstein-press: the MTUs differ",
        ),
        (
            _shield(planned(), _interface(lambda i: replace(i, listen_port=51821))),
            "press: it dials falkenstein on a port where nobody listens",
        ),
        (
            _origin(
                planned(),
                _interface(lambda i: replace(i, peers=(replace(i.peers[0], preshared_key=Ref("psk", "x")),))),
            ),
            "falkenstein-press: the preshared keys differ",
        ),
        (
            _shield(planned(), _interface(lambda i: replace(i, private_key=Ref("private", "falkenstein/old")))),
            "press: it expects another key of falkenstein",
        ),
        (
            _origin(planned(), lambda host: replace(host, interfaces=())),
            "falkenstein-press: an end is missing",
        ),
        (
            _origin(planned(), lambda host: replace(host, masked_units=())),
            "press: its own nftables.service is not masked",
        ),
        (
            _origin(planned(), lambda host: replace(host, cloud_rules=())),
            "press: its cloud firewall is empty",
        ),
        (
            _origin(planned(), lambda host: replace(host, firewall=replace(host.firewall, visitor_ports=(80,)))),
            "press: port 80 is open to everybody",
        ),
        (
            _shield(planned(), lambda host: replace(host, firewall=replace(host.firewall, visitor_ports=(22,)))),
            "falkenstein: port 22 is open to everybody",
        ),
        (
            _origin(
                planned(),
                lambda host: replace(
                    host,
                    cloud_rules=(
                        CloudRule(description="", protocol="tcp", port=8080, sources=(IPv4Network("0.0.0.0/0"),)),
                    ),
                ),
            ),
            "press: tcp 8080 is open to everybody in the cloud firewall",
        ),
        (
            _origin(planned(), lambda host: replace(host, firewall=replace(host.firewall, ssh_sources=(NET,)))),
            "press: an origin answers SSH outside the tunnel",
        ),
        (
            _origin(planned(), _interface(lambda i: replace(i, private_key=Ref("private", "falkenstein/fs0")))),
            "press: it is told private:falkenstein/fs0",
        ),
        (
            _origin(
                planned(),
                lambda host: replace(host, firewall=replace(host.firewall, peers=(Ref("ipv4", "press"),))),
            ),
            "press: it learns of press",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_checker_finds_what_a_wrong_planner_would_do(broken: Plan, finding: str) -> None:
    """Each safety property is broken in a finished plan, by hand, and found."""
    assert finding in check(broken)


def test_the_checker_finds_nothing_in_a_sound_plan() -> None:
    """The twin of all the above."""
    assert check(planned()) == ()
    assert check(make_plan(loaded()[0])) == ()
