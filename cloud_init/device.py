"""What a device that is not ours has to be told, in wg-quick(8)'s format: an operator's, or a gateway's to a site.

Pure. The private key was made on the device and stays there: its line is a marker, which the tool that runs there
replaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloud_init.wireguard import render_comment, render_endpoint

if TYPE_CHECKING:
    from cloud_init.material import Material
    from plan.addresses import Network
    from plan.model import Device, DeviceTunnel
    from plan.model.firewall import Flow

PRIVATE_KEY: Final = "PrivateKey = <made on this device>"
PRESHARED_KEY: Final = "PresharedKey = <given to this device>"
TABLE: Final = "farshore_gateway"
GUARD_TABLE: Final = "farshore_names"
# Routes that are narrower than a full tunnel's lead past it: to the resolver in a household's router, for example. What
# WireGuard itself sends carries wg-quick(8)'s mark. 853 is DNS over TLS; DNS over HTTPS can't be told from the rest.
_GUARD: Final = (
    f"PostUp = nft 'add table inet {GUARD_TABLE}'",
    f"PostUp = nft 'add chain inet {GUARD_TABLE} out {{ type filter hook output priority filter; }}'",
    (
        f'PostUp = nft \'add rule inet {GUARD_TABLE} out meta mark 0 oifname != {{ "lo", "%i" }} '
        "meta l4proto { tcp, udp } th dport { 53, 853 } counter reject with icmpx admin-prohibited'"
    ),
    f"PostDown = nft 'delete table inet {GUARD_TABLE}'",
)


def render_device(device: Device, tunnel: DeviceTunnel, material: Material) -> str:
    """Return the file of one device for one shield; what is the device's own is a marker.

    Args:
        device: With the flows that pass through it, where it is a gateway.
        tunnel: To the shield.
        material: The shield's public key and address.
    """
    peer = tunnel.peer
    lines = [
        render_comment(f"{device.name} to {tunnel.shield}", device.description),
        "[Interface]",
        PRIVATE_KEY,
        f"Address = {', '.join(str(address) for address in tunnel.addresses)}",
        f"MTU = {tunnel.mtu_bytes}",
    ]
    if tunnel.dns:
        lines.append(f"DNS = {', '.join(str(address) for address in tunnel.dns)}")
    if device.kind == "gateway":
        lines += _gateway(device)
    elif device.takes_commands and tunnel.dns and any(net.prefixlen == 0 for net in peer.allowed_ips):
        lines += _GUARD
    lines += ["", "[Peer]", f"PublicKey = {material.key(peer.public_key)}"]
    if peer.preshared_key is not None:
        lines.append(PRESHARED_KEY)
    lines.append(f"AllowedIPs = {', '.join(str(allowed) for allowed in peer.allowed_ips)}")
    if peer.endpoint is not None:
        lines.append(f"Endpoint = {render_endpoint(peer.endpoint, material)}")
    if peer.keepalive_s is not None:
        lines.append(f"PersistentKeepalive = {peer.keepalive_s}")
    return "\n".join(lines) + "\n"


def _gateway(device: Device) -> list[str]:
    """Return what makes a device forward what is named, and nothing else, between the tunnel and its LANs.

    A table of our own, gone with the interface; a policy of drop would cut what the device forwards for others, so
    only what comes from the tunnel or goes into it is judged.
    """
    rules = [rule for flow in device.forwards for rule in _accepts(flow)]
    masquerades = [
        f'add rule inet {TABLE} nat {_family(net)} daddr {net} meta iifname \\"%i\\" masquerade'
        for net in device.masquerades
    ]
    commands = [
        f"add table inet {TABLE}",
        f"add chain inet {TABLE} forward {{ type filter hook forward priority filter; }}",
        f"add rule inet {TABLE} forward ct state established,related accept",
        *(f"add rule inet {TABLE} forward {rule}" for rule in rules),
        f'add rule inet {TABLE} forward meta iifname \\"%i\\" drop',
        f'add rule inet {TABLE} forward meta oifname \\"%i\\" drop',
        f"add chain inet {TABLE} nat {{ type nat hook postrouting priority srcnat; }}",
        *masquerades,
    ]
    return [
        "PostUp = sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
        *(f"PostUp = nft '{command}'".replace('\\"', '"') for command in commands),
        f"PostDown = nft 'delete table inet {TABLE}'",
    ]


def _accepts(flow: Flow) -> list[str]:
    """Return a flow as rules, one for each version that both ends have."""
    found = []
    for version in (4, 6):
        sources = [str(net) for net in flow.sources if net.version == version]
        ends = [str(net) for net in flow.destinations if net.version == version]
        if not sources or not ends:
            continue
        family = "ip" if version == 4 else "ip6"
        match = f"{family} saddr {{ {', '.join(sources)} }} {family} daddr {{ {', '.join(ends)} }}"
        if flow.ports:
            protocols = "{ tcp, udp }" if flow.protocol == "any" else flow.protocol
            match += f" meta l4proto {protocols} th dport {{ {', '.join(map(str, flow.ports))} }}"
        elif flow.protocol != "any":
            match += f" meta l4proto {flow.protocol}"
        found.append(f"{match} accept")
    return found


def _family(network: Network) -> str:
    return "ip" if network.version == 4 else "ip6"
