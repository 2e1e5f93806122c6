"""What a deployment tells the world: tunnel addresses for an edge, and a drawing.

Pure. Nothing here is a secret, and no origin's public address is ever part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plan.model import Plan


def origin_outputs(plan: Plan) -> dict[str, dict[str, str | int]]:
    """Return for each domain the one tunnel address and port to enter in an edge's origin settings."""
    return {
        site.domain: {"origin": site.origin, "address": str(site.address), "port": site.port, "tls": site.tls}
        for shield in plan.shields
        for site in shield.sites
    }


def diagram(plan: Plan) -> str:
    """Return the deployment as a mermaid flowchart: countries, hosts, tunnels, domains."""
    lines = ["flowchart LR", "  visitor([visitor])"]
    for country in sorted({host.country for host in plan.hosts}):
        lines.append(f'  subgraph {country}["{country}"]')
        lines += [
            f'    {_node(host.name)}["{host.name}<br>{host.role}, {host.account}<br>{host.address}"]'
            for host in plan.hosts
            if host.country == country
        ]
        lines.append("  end")
    lines += [f"  visitor -->|80, 443| {_node(shield.name)}" for shield in plan.shields]
    tunnels = dict.fromkeys((tunnel.far, tunnel.near) for tunnel in plan.tunnels)  # once for all generations
    lines += [f"  {_node(far)} -.->|WireGuard| {_node(near)}" for far, near in tunnels]
    lines += [
        f'  {_node(site.origin)} --- {_node(site.domain)}(["{site.domain}:{site.port}"])'
        for site in {site.domain: site for shield in plan.shields for site in shield.sites}.values()
    ]
    return "\n".join(lines) + "\n"


def _node(name: str) -> str:
    """Return a name as mermaid takes it for a node."""
    return "n_" + "".join(char if char.isalnum() else "_" for char in name)
