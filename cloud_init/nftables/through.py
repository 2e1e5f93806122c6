"""What passes through the host: between tunnels, to and from LANs, to the Internet, to and from containers.

Pure. Docker publishes ports by translating addresses before this chain sees them, past everything that guards the
host itself: a published port is judged here by the address and port that the visitor or peer asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloud_init.nftables.flows import elements_of, render_flows, render_published
from cloud_init.nftables.inward import NEW_ONLY
from cloud_init.nftables.outward import permits_for
from cloud_init.nftables.words import (
    CONTAINERS,
    INNER,
    METADATA,
    NOT_FROM_TUNNELS,
    NOT_PUBLIC,
    TUNNEL_PREFIXES,
    TUNNELS,
    by_family,
    chain,
    matches,
    numbers,
    one_of,
)

if TYPE_CHECKING:
    from cloud_init.nftables.flows import Elements
    from plan.model.firewall import Firewall

_LEAK: Final = "counter name leak_drop drop"


def render_through(firewall: Firewall, accepts: Elements, expiring: list[str]) -> list[str]:
    """Return the chains that decide about packets through this host.

    Args:
        firewall: What the plan says.
        accepts: Its flows to the host itself, which a container may answer instead.
        expiring: Rules for addresses whose time ends.
    """
    published, published_chains = render_published(accepts, "counter name published_new goto leave")
    forwards = render_flows(elements_of(firewall.forwards), "counter name forward_new goto leave")
    return [
        *chain(
            "forward",
            *expiring,
            "ct state established,related goto kept_through",
            "ct state new goto new_through",
            "counter name invalid drop",
            hook="type filter hook forward priority filter; policy drop;",
        ),
        *chain(
            "kept_through",
            *(f"{match} {NOT_FROM_TUNNELS} counter name spoofed drop" for match in matches("saddr", firewall.inside)),
            "goto leave",
        ),
        *chain("leave", *render_leave(firewall)),
        # What goes into a tunnel fits it, whatever the far side believes of its path. Both directions of a
        # connection pass here, each at the end where it goes in.
        *chain("into_tunnel", "tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu", "accept"),
        *chain("new_through", *_new(firewall, forwards)),
        *published_chains,
        *chain("published_in", *published, "counter name forward_denied drop"),
        *chain("tunnel_through", *_from_tunnels(firewall, forwards)),
        *chain("container_through", *_from_containers(firewall)),
        *_nat(firewall),
    ]


def render_leave(firewall: Firewall) -> list[str]:
    """Return the last question of whatever was let out or through: what is ours leaves by a tunnel or not at all.

    It is asked of established connections as well: a tunnel that goes down must not let them out in clear.
    """
    return [
        *(f"oifname {prefix} goto into_tunnel" for prefix in TUNNEL_PREFIXES),
        *(f'{match} oifname != "lo" {_LEAK}' for match in matches("daddr", firewall.inside)),
        "accept",
    ]


def _new(firewall: Firewall, flows: list[str]) -> list[str]:
    visitors = f"ct status dnat meta l4proto tcp ct original proto-dst {numbers(firewall.visitor_ports)} goto visitors"
    inside = matches("daddr", firewall.inside)
    return [
        *(f"{family} daddr {where} counter name metadata_drop drop" for family, where in METADATA),
        NEW_ONLY,
        f"iifname {TUNNELS} goto tunnel_through",
        *(f"{match} counter name spoofed drop" for match in matches("saddr", firewall.inside)),
        f"iifname {CONTAINERS} goto container_through",
        # Published by a container for tunnels alone, and asked for from outside.
        *(f"ct status dnat ct original {match} counter name cleartext drop" for match in inside),
        *([visitors] if firewall.visitor_ports else []),
        # A LAN's address is believed on the interface that leads there, and nowhere else.
        *(["fib saddr . iif oif missing counter name spoofed drop", *flows] if flows else []),
        "counter name forward_drop drop",
    ]


def _from_tunnels(firewall: Firewall, flows: list[str]) -> list[str]:
    """Return what new connections from a tunnel may reach through this host."""
    elsewhere = dict(by_family((*NOT_PUBLIC, *firewall.inside))) if firewall.internet else {}
    return [
        "ct status dnat goto published_in",
        *flows,
        *(
            f"{family} saddr {one_of(devices)} {family} daddr != {one_of(elsewhere[family])} oifname != {INNER} "
            "counter name internet_new accept"
            for family, devices in by_family(firewall.internet)
        ),
        "counter name forward_denied drop",
    ]


def _from_containers(firewall: Firewall) -> list[str]:
    """Return what containers may reach: each other, as Docker's own rules say, and what the host's programs may."""
    ways_out = (
        ["counter name container_new accept"]
        if firewall.egress is None
        else [
            *permits_for(firewall.egress, None, "counter name container_new accept"),
            "counter name egress_denied reject with icmpx admin-prohibited",
        ]
    )
    return [
        f"oifname {CONTAINERS} accept",
        f"oifname {TUNNELS} counter name container_new goto leave",
        *(f"{match} {_LEAK}" for match in matches("daddr", firewall.inside)),
        *ways_out,
    ]


def _nat(firewall: Firewall) -> list[str]:
    """Return the chain that puts the host's own address before others': towards the Internet and towards LANs."""
    if not firewall.internet and not firewall.masquerades:
        return []
    inside, lans = dict(by_family(firewall.inside)), dict(by_family(firewall.masquerades))
    return chain(
        "masquerade_out",
        *(f"{match} oifname != {INNER} masquerade" for match in matches("saddr", firewall.internet)),
        *(
            f"{family} saddr {one_of(inside[family])} {family} daddr {one_of(lans[family])} oifname != {TUNNELS} "
            "masquerade"
            for family in lans
            if family in inside
        ),
        hook="type nat hook postrouting priority srcnat; policy accept;",
    )
