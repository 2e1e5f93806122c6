"""What the host's own programs may say: to tunnels everything, to the metadata service root alone, else as permitted.

Pure. Users stand in the table as sets of their numbers, empty until the host has looked them up: nft(8) refuses a
whole table for one name that it does not know, and a package may make its user long after the table was loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloud_init.nftables.inward import DISCOVERY
from cloud_init.nftables.words import CONTAINERS, METADATA, NOT_TO_TUNNELS, TUNNELS, chain, matches, numbers, user_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plan.addresses import Address
    from plan.model.firewall import Firewall, Permit

_REFUSE: Final = "reject with icmpx admin-prohibited"
ROOT: Final = "root"


def render_outward(firewall: Firewall, peers: Sequence[Address]) -> list[str]:
    """Return the chains that decide about packets from this host.

    Args:
        firewall: What the plan says.
        peers: Public addresses of known peers.
    """
    policy = "accept" if firewall.egress is None else "drop"
    strays = "" if firewall.egress is None else ", invalid : goto invalid_out"
    return [
        *_raw(firewall),
        *chain(
            "output",
            "ct state established,related goto leave",
            f"ct state vmap {{ new : goto new_out, untracked : goto untracked_out{strays} }}",
            hook=f"type filter hook output priority filter; policy {policy};",
        ),
        *chain("new_out", *_new(firewall)),
        *chain("metadata", "meta skuid 0 counter name metadata_root accept", f"counter name metadata_drop {_REFUSE}"),
        *chain("untracked_out", *_untracked(firewall, peers)),
        *(chain("invalid_out", 'oifname "lo" accept', "counter name invalid drop") if strays else []),
        *(chain("egress", *_egress(firewall.egress)) if firewall.egress is not None else []),
    ]


def permits_for(permits: Sequence[Permit], user: str | None, verdict: str) -> list[str]:
    """Return the rules of what one user may, or of what everybody may."""
    return [
        f"{match} {permit.protocol} dport {numbers(permit.ports)} {verdict}"
        for permit in permits
        if permit.user == user
        for match in matches("daddr", permit.networks)
    ]


def users_of(firewall: Firewall) -> tuple[str, ...]:
    """Return the users that the table knows by name, in order."""
    return tuple(sorted({p.user for p in firewall.egress or () if p.user is not None and p.user != ROOT}))


def user_lines(firewall: Firewall) -> str:
    """Return a line for each user, set and name, as the host's look-up reads them; nothing where there is none."""
    return "".join(f"{user_set(user)} {user}\n" for user in users_of(firewall))


def user_sets(firewall: Firewall) -> list[str]:
    """Return the sets that hold users' numbers."""
    return [f"  set {user_set(user)} {{ type uid; }}" for user in users_of(firewall)]


def _raw(firewall: Firewall) -> list[str]:
    if not firewall.wireguard_ports:
        return []
    return chain(
        "raw_out",
        f"udp sport {numbers(firewall.wireguard_ports)} {NOT_TO_TUNNELS} notrack",
        hook="type filter hook output priority raw; policy accept;",
    )


def _new(firewall: Firewall) -> list[str]:
    leak = "counter name leak_drop reject with icmpx host-unreachable"
    return [
        'oifname "lo" accept',
        f"oifname {TUNNELS} goto into_tunnel",
        *(f"{family} daddr {where} goto metadata" for family, where in METADATA),
        *(f"{match} {leak}" for match in matches("daddr", firewall.inside)),
        *(["goto egress"] if firewall.egress is not None else []),
    ]


def _untracked(firewall: Firewall, peers: Sequence[Address]) -> list[str]:
    port = f"udp sport {numbers(firewall.wireguard_ports)}" if firewall.wireguard_ports else ""
    known = [port] if firewall.roaming else [f"{port} {match}" for match in matches("daddr", peers)]
    return [
        *([f"{match} counter name wg_tx accept" for match in known] if port else []),
        *(f"{match} accept" for match in DISCOVERY),
        "goto new_out",
    ]


def _egress(permits: Sequence[Permit]) -> list[str]:
    accept = "counter name egress_new accept"
    return [
        f"oifname {CONTAINERS} accept",
        "udp sport 68 udp dport 67 counter name dhcp accept",
        "ip6 daddr { fe80::/10, ff02::1:2 } udp sport 546 udp dport 547 counter name dhcp accept",
        *permits_for(permits, None, accept),
        *(f"meta skuid 0 {rule}" for rule in permits_for(permits, ROOT, accept)),
        *(
            f"meta skuid @{user_set(user)} {rule}"
            for user in sorted({p.user for p in permits if p.user is not None and p.user != ROOT})
            for rule in permits_for(permits, user, accept)
        ),
        f"meta skuid 0 icmp type echo-request {accept}",
        f"meta skuid 0 icmpv6 type echo-request {accept}",
        f"counter name egress_denied {_REFUSE}",
    ]
