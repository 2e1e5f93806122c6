"""WireGuard interfaces in wg-quick(8)'s format.

Pure. Keys stay in files of their own (0600) that the interface reads when it comes up, so that a configuration can
be shown, compared and kept without a secret. `Table = off`: routes are ours, one address each, so that two
generations of one tunnel can stand side by side and traffic moves by route.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloud_init.material import Material
    from plan.model import Interface, Peer

KEYS: Final = "/etc/farshore/keys"


def config_path(interface: Interface) -> str:
    """Return where wg-quick(8) looks for an interface."""
    return f"/etc/wireguard/{interface.name}.conf"


def private_key_path(interface: Interface) -> str:
    """Return where an interface's own key lies."""
    return f"{KEYS}/{interface.name}.key"


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
    for peer in interface.peers:
        key = material.text(peer.public_key)
        lines.append(f"PostUp = wg set %i peer {key} preshared-key {preshared_key_path(interface, peer)}")
        lines += [
            f"PostUp = ip -{allowed.version} route replace {allowed.network_address} dev %i src {own.ip}"
            for allowed in peer.allowed_ips
            for own in interface.addresses
            if own.version == allowed.version
        ]
    for peer in interface.peers:
        lines += [
            "",
            f"# {peer.name}",
            "[Peer]",
            f"PublicKey = {material.text(peer.public_key)}",
            f"AllowedIPs = {', '.join(str(allowed) for allowed in peer.allowed_ips)}",
        ]
        if peer.endpoint is not None:
            lines.append(f"Endpoint = {material.address(peer.endpoint.address)}:{peer.endpoint.port}")
        if peer.keepalive_s is not None:
            lines.append(f"PersistentKeepalive = {peer.keepalive_s}")
    return "\n".join(lines) + "\n"
