"""WireGuard interfaces in wg-quick(8)'s format.

Pure. Keys stay in files of their own (0600) that the interface reads when it comes up, so that a configuration can
be shown, compared and kept without a secret. `Table = off`: routes are ours, one address each, so that two
generations of one tunnel can stand side by side and traffic moves by route.
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

from cloud_init.resolve import SERVICE
from plan.addresses import as_text
from plan.faults import one_line

if TYPE_CHECKING:
    from cloud_init.material import Material
    from plan.model.wireguard import Endpoint, Interface, Peer, Route

KEYS: Final = "/etc/farshore/keys"
# Above the kernel's own for a route without one: 0 in IPv4, 1024 in IPv6.
BEHIND_METRIC: Final = 4096


def config_path(interface: Interface) -> str:
    """Return where wg-quick(8) looks for an interface."""
    return f"/etc/wireguard/{interface.name}.conf"


def private_key_path(interface: Interface) -> str:
    """Return where an interface's own key lies; one that the host made is known by its generation as well."""
    own = f".own{interface.generation}" if interface.own_key else ""
    return f"{KEYS}/{interface.name}{own}.key"


def preshared_key_path(interface: Interface, peer: Peer) -> str:
    """Return where the key shared with one peer lies."""
    return f"{KEYS}/{interface.name}-{peer.name}.psk"


def render_wireguard(interface: Interface, material: Material) -> str:
    """Return one interface as wg-quick(8) reads it."""
    lines = [
        "[Interface]",
        f"Address = {', '.join(str(address) for address in interface.addresses)}",
        f"ListenPort = {interface.listen_port}",
        f"MTU = {interface.mtu_bytes}",
        "Table = off",
        f"PostUp = wg set %i private-key {private_key_path(interface)}",
    ]
    lines += [
        f"PostUp = wg set %i peer {material.key(peer.public_key)} preshared-key {preshared_key_path(interface, peer)}"
        for peer in interface.peers
        if peer.preshared_key is not None
    ]
    lines += [f"PostUp = {_route(route)}" for route in interface.routes]
    if any(_is_named(peer) for peer in interface.peers):
        lines.append(f"PostUp = systemctl start --no-block {SERVICE}")
    for peer in interface.peers:
        lines += [
            "",
            render_comment(peer.name, peer.description),
            "[Peer]",
            f"PublicKey = {material.key(peer.public_key)}",
            f"AllowedIPs = {', '.join(str(allowed) for allowed in peer.allowed_ips)}",
        ]
        if peer.endpoint is not None and not _is_named(peer):
            lines.append(f"Endpoint = {render_endpoint(peer.endpoint, material)}")
        if peer.keepalive_s is not None:
            lines.append(f"PersistentKeepalive = {peer.keepalive_s}")
    return "\n".join(lines) + "\n"


def _is_named(peer: Peer) -> bool:
    """Tell whether a peer is dialled by a name, which is looked up elsewhere: cloud_init/resolve.py."""
    return peer.endpoint is not None and isinstance(peer.endpoint.address, str)


def render_comment(name: str, description: str | None) -> str:
    """Return a comment: one line, whatever a description holds."""
    return f"# {name}" + (f": {one_line(description)}" if description else "")


def render_endpoint(endpoint: Endpoint, material: Material) -> str:
    """Return an endpoint as wg(8) takes it: an IPv6 address in brackets."""
    address = material.address(endpoint.address)
    return f"[{address}]:{endpoint.port}" if isinstance(address, IPv6Address) else f"{address}:{endpoint.port}"


def _route(route: Route) -> str:
    """Return the command that makes a route; a single address is written without its length.

    One that stands behind another is there for proofs: without it nothing could be sent by its interface in IPv6.
    """
    mtu = f" mtu {route.mtu_bytes}" if route.mtu_bytes else ""
    where = as_text(route.destination) + (f" metric {BEHIND_METRIC}" if route.behind else "")
    return f"ip -{route.destination.version} route replace {where} dev %i src {as_text(route.source)}{mtu}"
