"""The whole table of one host, as one transaction.

Pure. The file declares the table, takes every rule out of it and puts the new ones in: loaded over itself it keeps
counters and what the dynamic sets have learnt, and it touches nobody else's tables. Its constant sets have no names:
they come and go with their rules, so no set of an older table is in the way of a newer one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloud_init.nftables.expiry import expiry_chains, expiry_rules
from cloud_init.nftables.flows import elements_of
from cloud_init.nftables.inward import VISITOR_SETS, render_inward
from cloud_init.nftables.outward import render_outward, user_sets
from cloud_init.nftables.through import render_through

if TYPE_CHECKING:
    from cloud_init.material import Material
    from plan.model.firewall import Firewall

# docs/firewall.md says what each means; a counter stands where something is decided, and nowhere else.
COUNTERS: Final = (
    "wg_rx", "wg_tx", "wg_denied", "visitor_new", "visitor_fast", "visitor_many", "ssh_new", "ssh_denied",
    "flow_new", "flow_denied", "ping", "forward_new", "forward_denied", "forward_drop", "internet_new",
    "published_new", "container_new", "egress_new", "egress_denied", "metadata_root", "metadata_drop",
    "spoofed", "cleartext", "leak_drop", "expired", "invalid", "icmp_error", "dhcp", "in_drop",
)  # fmt: skip


def render_nftables(firewall: Firewall, material: Material) -> str:
    """Return the table of one host; ends with a newline.

    Raises:
        ValueError: A permit's user is no user's name.
    """
    peers = tuple(material.address(ref) for ref in firewall.peers)
    accepts = elements_of(firewall.accepts)
    lines = [
        "#!/usr/sbin/nft -f",
        "# Farshore's own table. Change the stack file, not this file: it is written again.",
        "table inet farshore {",
        "}",
        "flush table inet farshore",
        "table inet farshore {",
        *(f"  counter {name} {{}}" for name in COUNTERS),
        *(VISITOR_SETS if firewall.visitor_ports else ()),
        *user_sets(firewall),
        *expiry_chains(firewall.expiries),
        *render_inward(firewall, peers, accepts, expiry_rules(firewall.expiries, "saddr")),
        *render_through(
            firewall, accepts, [*expiry_rules(firewall.expiries, "saddr"), *expiry_rules(firewall.expiries, "daddr")]
        ),
        *render_outward(firewall, peers),
        "}",
        "",
    ]
    return "\n".join(lines)
