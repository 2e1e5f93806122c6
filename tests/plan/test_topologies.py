"""What people build by hand, as plans: who is a peer of whom, with which addresses, and what may flow.

laptop, phone  ─►  falkenstein 10.0.0.1 ◄─ press 10.0.0.2 (LAN storage) ─┐
office gateway ─►            │          ◄─ db 10.0.0.3 ════ mesh ═════ replica 10.0.0.4
                   ashburn 10.0.1.1  ◄─ press, replica
"""

from __future__ import annotations

from base64 import b64encode
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import pytest

from plan import StackError, check
from tests.stacks import SMALLEST, changed, loaded, planned

if TYPE_CHECKING:
    from plan import Host, Plan
    from plan.model.wireguard import Interface

PRESS = SMALLEST["origins"]["press"]


def key(number: int) -> str:
    """Return a public key of a device."""
    return b64encode(bytes([number]) * 32).decode()


def whole(**values: Any) -> dict[str, Any]:
    """Return a stack file that has one of everything, with changes."""
    config = changed(
        shields__ashburn={"slot": 1, "account": "edge", "location": "ash", "wireguard": {"mtu_bytes": 1380}},
        origins__press={
            **PRESS,
            "shields": ["falkenstein", "ashburn"],
            "services": {"web": {"port": 8080, "from": ["shields", "office"]}, "tls": {"port": 8443}},
            "lans": {"storage": {"network": "192.168.9.0/24", "nat": True, "from": ["office"]}},
        },
        origins__db={**PRESS, "slot": 3, "services": {"pg": {"port": 5432, "from": ["press"]}}},
        origins__replica={
            **PRESS, "slot": 4, "shields": ["ashburn"], "services": {"pg": {"port": 5432, "from": ["db"]}},
        },
        meshes={"back": {"slot": 0, "hosts": {"db": {}, "replica": {"port": 52999}}}},
        gateways={
            "site": {
                "slot": 150,
                "public_key": key(1),
                "shields": ["falkenstein"],
                "lans": {"office": {"network": "192.168.10.0/24", "from": ["storage"]}},
            }
        },
        operators={
            "laptop": {"slot": 200, "public_key": key(2), "reach": ["press", "press/ssh", "office"]},
            "phone": {
                "slot": 201, "public_key": key(3), "tunnel": "full", "dns": ["192.0.2.53"], "reach": ["falkenstein/ssh"],
            },
        },
    )  # fmt: skip
    for path, value in values.items():
        *parents, last = path.split("__")
        place = config
        for parent in parents:
            place = place[parent]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return config


def host(plan: Plan, name: str) -> Host:
    """Return a host by name."""
    return next(one for one in plan.hosts if one.name == name)


def interface(plan: Plan, name: str, of: str) -> Interface:
    """Return an interface of a host."""
    return next(one for one in host(plan, of).interfaces if one.name == name)


def admitted(plan: Plan, name: str, of: str) -> dict[str, list[str]]:
    """Return AllowedIPs of each peer of an interface, in IPv4."""
    return {
        peer.name: [str(net) for net in peer.allowed_ips if net.version == 4]
        for peer in interface(plan, name, of).peers
    }


def flows(plan: Plan, of: str, kind: str) -> set[tuple[str, str, str]]:
    """Return name, source and destination of what a host accepts or forwards, in IPv4."""
    return {
        (flow.name, str(source), str(destination))
        for flow in getattr(host(plan, of).firewall, kind)
        for source in flow.sources
        for destination in flow.destinations
        if source.version == destination.version == 4
    }


def refused(config: dict[str, Any]) -> list[str]:
    """Return the faults of a stack file."""
    with pytest.raises(StackError) as error:
        loaded(config)
    return [str(fault) for fault in error.value.faults]


def test_everything_together_is_sound() -> None:
    """The checker walks every flow there and back, and finds nothing."""
    assert check(planned(whole())) == ()


def test_each_peer_has_its_own_addresses_and_what_lies_behind_it() -> None:
    """A shield admits an origin's address and its LAN, a device's address at this shield, a gateway's LAN."""
    plan = planned(whole())
    assert admitted(plan, "fs0", "falkenstein") == {
        "db": ["10.0.0.3/32"],
        "press": ["10.0.0.2/32", "192.168.9.0/24"],
        "laptop": ["10.0.0.200/32"],
        "phone": ["10.0.0.201/32"],
        "site": ["10.0.0.150/32", "192.168.10.0/24"],
    }
    assert admitted(plan, "fs0", "ashburn") == {
        "press": ["10.0.0.2/32"],
        "replica": ["10.0.0.4/32"],
        "laptop": ["10.0.1.200/32"],
        "phone": ["10.0.1.201/32"],
    }


def test_origins_reach_each_other_only_by_name() -> None:
    """`db` takes 5432 from `press` through their shield; nobody else's packets get through."""
    plan = planned(whole())
    assert flows(plan, "db", "accepts") == {
        ("db/pg", "10.0.0.2/32", "10.0.0.3/32"),
        ("db/ssh", "10.0.0.1/32", "10.0.0.3/32"),
    }
    assert ("db/pg", "10.0.0.2/32", "10.0.0.3/32") in flows(plan, "falkenstein", "forwards")
    assert "10.0.0.3/32" in admitted(plan, "fs0g0", "press")["falkenstein"]
    without = planned(whole(origins__db={**PRESS, "slot": 3, "services": {}}, meshes={}, origins__replica=None))
    assert "10.0.0.3/32" not in admitted(without, "fs0g0", "press")["falkenstein"]
    assert not any(name.startswith("db") for name, _, _ in flows(without, "falkenstein", "forwards"))


def test_a_mesh_is_a_tunnel_of_its_own() -> None:
    """Two hosts of a mesh speak straight, each on its own port; their flows do not cross a shield."""
    plan = planned(whole())
    assert admitted(plan, "fm0g0", "db") == {"replica": ["10.0.0.4/32"]}
    assert (interface(plan, "fm0g0", "db").listen_port, interface(plan, "fm0g0", "replica").listen_port) == (
        52400,
        52999,
    )
    (peer,) = interface(plan, "fm0g0", "db").peers
    assert peer.endpoint is not None
    assert peer.endpoint.port == 52999
    assert not any(name == "replica/pg" for name, _, _ in flows(plan, "ashburn", "forwards"))


def test_a_partial_mesh_has_the_links_that_it_names() -> None:
    """Three hosts in a row are two tunnels; all pairs are three."""
    hosts: dict[str, Any] = {name: {} for name in ("a", "b", "c")}
    origins = {
        name: {**PRESS, "slot": slot, "services": {}} for slot, name in enumerate(("press", *hosts), start=2)
    }  # fmt: skip
    origins["press"] = PRESS
    row = changed(origins=origins, meshes={"m": {"slot": 3, "hosts": hosts, "links": [["b", "a"], ["b", "c"]]}})
    full = changed(origins=origins, meshes={"m": {"slot": 3, "hosts": hosts}})
    assert [(t.near, t.far) for t in planned(row).tunnels if t.near_interface == "fm3g0"] == [("a", "b"), ("b", "c")]
    assert [(t.near, t.far) for t in planned(full).tunnels if t.near_interface == "fm3g0"] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    assert check(planned(row)) == check(planned(full)) == ()


def test_sites_reach_each_other_through_a_shield() -> None:
    """Both carriers and the shield forward between the LANs; the LAN that knows no way back is hidden."""
    plan = planned(whole())
    way = ("storage", "192.168.10.0/24", "192.168.9.0/24")
    assert way in flows(plan, "falkenstein", "forwards")
    assert way in flows(plan, "press", "forwards")
    assert [str(net) for net in host(plan, "press").firewall.masquerades] == ["192.168.9.0/24"]
    site = next(device for device in plan.devices if device.name == "site")
    assert [tunnel.shield for tunnel in site.tunnels] == ["falkenstein"]
    assert {flow.name for flow in site.forwards} == {"office", "storage", "press/web"}


def test_an_operator_reaches_what_is_named_and_no_more() -> None:
    """A split tunnel carries what `reach` names; a full one carries all, and leaves by the shield."""
    plan = planned(whole())
    laptop, phone = (next(d for d in plan.devices if d.name == name) for name in ("laptop", "phone"))
    assert [str(net) for net in laptop.tunnels[0].peer.allowed_ips if net.version == 4] == [
        "10.0.0.1/32",
        "10.0.0.2/32",
        "192.168.10.0/24",
    ]
    assert [str(net) for net in phone.tunnels[0].peer.allowed_ips] == ["0.0.0.0/0", "::/0"]
    assert [str(net) for net in host(plan, "falkenstein").firewall.internet if net.version == 4] == ["10.0.0.201/32"]
    assert ("falkenstein/ssh", "10.0.0.201/32", "10.0.0.1/32") in flows(plan, "falkenstein", "accepts")
    assert not any(source == "10.0.0.201/32" for _, source, _ in flows(plan, "falkenstein", "forwards"))
    assert host(plan, "falkenstein").firewall.roaming
    assert not host(plan, "press").firewall.roaming


@pytest.mark.parametrize(
    ("change", "there"),
    [
        ({}, True),
        ({"until": "2026-11-01"}, True),
        ({"until": "2026-11-01 00:00:00 +0000 UTC"}, True),
        ({"until": "2026-10-31"}, False),
        ({"enabled": False}, False),
    ],
)
def test_an_operator_is_let_in_until_its_last_day(change: dict[str, Any], there: bool) -> None:  # noqa: FBT001 - a fact
    """On the last day it is a peer; the day after, and while it is switched off, nobody knows of it."""
    laptop = {"slot": 200, "public_key": key(2), "reach": ["press"], **change}
    plan = planned(whole(operators={"laptop": laptop}))
    assert ("laptop" in admitted(plan, "fs0", "falkenstein")) is there
    assert any(source == "10.0.0.200/32" for _, source, _ in flows(plan, "press", "accepts")) is there
    assert check(plan) == ()


def test_both_ends_use_the_smaller_mtu() -> None:
    """A shield's interface is shared: a tunnel that is smaller is told to its route."""
    plan = planned(whole(origins__replica={**PRESS, "slot": 4, "shields": ["ashburn"], "services": {},
                                           "wireguard": {"mtu_bytes": 1300}}, meshes={}))  # fmt: skip
    assert interface(plan, "fs1g0", "press").mtu_bytes == 1380
    assert interface(plan, "fs1g0", "replica").mtu_bytes == 1300
    sizes = {str(route.destination): route.mtu_bytes for route in interface(plan, "fs0", "ashburn").routes}
    assert (sizes["10.0.0.2/32"], sizes["10.0.0.4/32"]) == (None, 1300)


def test_a_host_behind_a_port_forward_is_dialled_there() -> None:
    """An address of its own goes into firewalls and endpoints; a name opens the port, for who knows its address."""
    forwarded = whole(origins__db={**PRESS, "slot": 3, "services": {}, "wireguard": {
        "endpoint": {"host": "198.51.100.9", "port": 4500}}})  # fmt: skip
    shield = host(planned(forwarded), "falkenstein")
    (peer,) = [peer for peer in shield.interfaces[0].peers if peer.name == "db"]
    assert peer.endpoint is not None
    assert (peer.endpoint.address, peer.endpoint.port) == (ip_address("198.51.100.9"), 4500)
    assert ip_address("198.51.100.9") in shield.firewall.peers
    named = whole(shields__falkenstein={**SMALLEST["shields"]["falkenstein"], "wireguard": {
        "endpoint": {"host": "vpn.example.com"}}})  # fmt: skip
    origin = host(planned(named), "db")
    assert origin.interfaces[0].peers[0].endpoint is not None
    assert origin.interfaces[0].peers[0].endpoint.address == "vpn.example.com"
    assert origin.firewall.roaming
    assert check(planned(forwarded)) == check(planned(named)) == ()


def test_a_host_that_nobody_can_dial_has_no_endpoint() -> None:
    """`none` leaves the dialling to the other side."""
    plan = planned(whole(origins__db={**PRESS, "slot": 3, "services": {}, "wireguard": {"endpoint": "none"}}))
    (peer,) = [peer for peer in interface(plan, "fs0", "falkenstein").peers if peer.name == "db"]
    assert peer.endpoint is None
    assert check(plan) == ()


def test_hosts_of_one_family_speak_it() -> None:
    """Two hosts that have IPv6 alone use it; a pair that has none in common is refused."""
    plan = planned(whole(origins__db={**PRESS, "slot": 3, "services": {}, "families": ["ipv6"]}))
    (peer,) = interface(plan, "fs0g0", "db").peers
    assert peer.endpoint is not None
    assert str(peer.endpoint.address) == "ipv6:falkenstein"
    assert "ipv4:db" not in {str(ref) for ref in host(plan, "falkenstein").references()}
    apart = whole(
        origins__db={**PRESS, "slot": 3, "services": {}, "families": ["ipv6"]},
        shields__falkenstein={**SMALLEST["shields"]["falkenstein"], "families": ["ipv4"]},
    )
    assert (
        "farshore:origins.db.families: ipv6 of db, and falkenstein has ipv4, allowed: one that both ends of a tunnel have; "
        "add one to db or falkenstein"
    ) in refused(apart)


def test_more_peers_than_the_provider_has_rules_for_are_left_to_nftables() -> None:
    """The cloud's firewall holds 500 addresses; beyond, it opens the tunnels' port and the preview says so."""

    def crowd(count: int) -> Plan:
        slots = [slot for slot in range(2, 65000) if slot % 256 not in {0, 1, 255}]
        return planned(
            changed(
                origins={f"o{n}": {**PRESS, "slot": slots[n], "services": {}} for n in range(count)}, domains={},
            )
        )  # fmt: skip

    few, many = crowd(200), crowd(260)
    rules = [rule for rule in few.shields[0].cloud_rules if rule.protocol == "udp"]
    assert [len(rule.sources) for rule in rules] == [100, 100, 100, 100]
    (opened,) = [rule for rule in many.shields[0].cloud_rules if rule.protocol == "udp"]
    assert opened.sources == (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert not many.shields[0].firewall.roaming
    assert [line for line in many.warnings if "provider's firewall" in line] == [
        (
            "falkenstein: the provider's firewall takes 500 addresses in 50 rules, and 524 in 8 are needed; there the tunnels' "
            "ports are open to everybody, and nftables alone tells peers from strangers"
        )
    ]
    assert not any("provider's firewall" in line for line in few.warnings)
    assert check(many) == check(few) == ()


def test_a_resolver_is_named_where_it_answers() -> None:
    """`db` is behind one of the two shields: at the other its resolver would be dead, and the device keeps its own."""
    names = {"pg": {"port": 5432}, "names": {"port": 53, "protocol": "udp", "from": []}}
    tablet = {"slot": 202, "public_key": key(4), "reach": ["db/names"], "dns": ["10.0.0.3", "192.0.2.53"]}
    plan = planned(whole(origins__db={**PRESS, "slot": 3, "services": names}, meshes={}, operators={"tablet": tablet},
                         origins__replica=None))  # fmt: skip
    (device,) = [one for one in plan.devices if one.name == "tablet"]
    assert {tunnel.shield: tunnel.dns for tunnel in device.tunnels} == {
        "falkenstein": (ip_address("10.0.0.3"), ip_address("192.0.2.53")),
        "ashburn": (ip_address("192.0.2.53"),),
    }


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (
            whole(origins__replica={**PRESS, "slot": 4, "shields": ["ashburn"],
                                    "services": {"pg": {"port": 5432, "from": ["db"]}}}, meshes={}),
            (
                "farshore:origins.replica.services.pg.from: 'db', which shares no shield with replica, allowed: a host "
                "behind one shield with it, or in a mesh with it; put db and replica behind one shield, or into "
                "farshore:meshes"
            ),
        ),
        (
            whole(origins__db={**PRESS, "slot": 3, "services": {"pg": {"port": 5432, "from": ["storge"]}}}),
            (
                "farshore:origins.db.services.pg.from: 'storge', allowed: shields, press, db, replica, storage, office; "
                "did you mean 'storage'?"
            ),
        ),
        (
            whole(operators={"p": {"slot": 200, "public_key": key(2), "tunnel": "full"}}),
            (
                "farshore:operators.p.dns: nothing, with a full tunnel, allowed: the resolvers to ask through it; name "
                "some: the device's own would be asked in clear, or not at all"
            ),
        ),
        (
            whole(operators={"p": {"slot": 200, "public_key": key(2), "dns": ["192.168.10.53"], "reach": ["press"]}}),
            (
                "farshore:operators.p.dns: 192.168.10.53, which is inside and which p may not ask, allowed: a resolver "
                "that it can reach; add its service on port 53, or its LAN, to reach"
            ),
        ),
        (
            whole(operators={"p": {"slot": 3, "public_key": key(2)}}),
            "farshore:operators.p.slot: 3, which db has, allowed: a slot of its own; choose a free one",
        ),
        (
            whole(operators={"p": {"slot": 200, "public_key": key(1)}}),
            (
                "farshore:gateways.site.public_key: the key of p, allowed: a key of its own; make one on the device: "
                "farshore operator add"
            ),
        ),
        (
            whole(gateways__site__lans={"office": {"network": "192.168.9.128/25"}}),
            (
                "farshore:gateways.site.lans.office.network: 192.168.9.128/25, which overlaps 192.168.9.0/24 of storage, "
                "allowed: a network of its own; renumber one of them, or hide it behind an address of its own"
            ),
        ),
        (
            whole(meshes={"back": {"slot": 0, "hosts": {"db": {}, "falkenstein": {}}}}),
            (
                "farshore:meshes.back.hosts: db and falkenstein, which have a tunnel already, allowed: hosts that have "
                "none; name pairs in links, without this one"
            ),
        ),
        (
            whole(meshes={"back": {"slot": 0, "hosts": {"db": {"port": 51820}, "replica": {}}}}),
            (
                "farshore:meshes.back.hosts.db.port: 51820, on which fs0g0 and fm0g0 of db would listen, allowed: two free "
                "ports in a row, one for each of two sets of keys; choose others, here or where the other one is"
            ),
        ),
        (
            whole(domains={"db.example.com": {"origin": "db", "service": "pg"}}),
            (
                "farshore:origins.db.services.pg.from: press, allowed: shields too, for db.example.com; add shields"
            ),
        ),
        (
            whole(operators={"p": {"slot": 200, "public_key": key(2), "reach": ["falkenstein"]}}),
            (
                "farshore:operators.p.reach: 'falkenstein', allowed: 'falkenstein/ssh'; that is all that a shield has for "
                "operators"
            ),
        ),
        (
            whole(operators={"p": {"slot": 200, "public_key": key(2), "reach": ["db"], "shields": ["ashburn"]}}),
            (
                "farshore:operators.p.reach: 'db', which is behind none of the shields that p dials, allowed: what is "
                "behind ashburn; add a shield of db to farshore:operators.p.shields"
            ),
        ),
        (
            whole(origins__office={**PRESS, "slot": 9, "services": {}}),
            "farshore:gateways.site.lans.office: the name of an origin, allowed: a name of its own; rename one of them",
        ),
    ],
    ids=lambda value: value.partition(",")[0] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_has_no_way_is_refused(config: dict[str, Any], fault: str) -> None:
    """Each is one line with a way out; nothing is left for the hosts to find."""
    assert fault in refused(config)
