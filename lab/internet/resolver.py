"""Configurations of dnsmasq: the internet's resolver, and a site's DHCP, DNS and router advertisements.

Pure: values in, text out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.internet import addresses

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address, IPv6Address, IPv6Network
    from pathlib import Path

# Answers at once and knows nothing but the lab's names: a silent resolver costs a machine 10 s for each look-up. No PID
# file: it would be the host's own, and of two that start at once the second finds it there and ends (exit 3).
_ALONE = """\
keep-in-foreground
pid-file
no-resolv
no-hosts
no-poll
no-ping
bind-dynamic
cache-size=0
local-ttl=1
address=/#/
"""


def render_resolver(names: Path, listen: Iterable[IPv4Address | IPv6Address]) -> str:
    """Return the configuration of a resolver.

    Args:
        names: Folder of files as /etc/hosts; watched, so a new file counts at once.
        listen: Addresses to answer on.
    """
    lines = [f"hostsdir={names}", *(f"listen-address={address}" for address in listen)]
    return _ALONE + "".join(f"{line}\n" for line in lines)


def render_site(
    names: Path,
    leases: Path,
    *,
    mac: str,
    ipv4: IPv4Address | None,
    ipv6: IPv6Network | None,
    advertise: bool,
) -> str:
    """Return the configuration of a site: what a Hetzner server's network answers.

    Args:
        names: As for the resolver.
        leases: File that dnsmasq keeps.
        mac: The server's; nobody else gets an address.
        ipv4: Given by DHCP as a /32 with the gateway off-link (option 121); without one an address is lent that leads
            to the metadata service alone.
        ipv6: The server's prefix.
        advertise: Whether to send router advertisements for it.
    """
    text = render_resolver(names, (*addresses.SITE_RESOLVERS, *addresses.SITE_RESOLVERS6)) + "interface=br0\n"
    gateway, metadata, given = addresses.GATEWAY_IPV4, addresses.METADATA_IPV4, ipv4 or addresses.LENT_IPV4
    text += (
        "dhcp-authoritative\n"
        f"dhcp-leasefile={leases}\n"
        f"shared-network=br0,{given}\n"
        f"dhcp-range={given},static,255.255.255.255,86400\n"
        f"dhcp-host={mac},{given}\n"
        "dhcp-option=option:netmask,255.255.255.255\n"
    )
    if ipv4 is None:
        text += (
            "dhcp-option=option:router\n"
            "dhcp-option=option:dns-server\n"
            f"dhcp-option=121,{gateway}/32,0.0.0.0,{metadata}/32,{gateway}\n"
        )
    else:
        resolvers = ",".join(str(address) for address in addresses.SITE_RESOLVERS)
        text += (
            f"dhcp-option=option:router,{gateway}\n"
            f"dhcp-option=option:dns-server,{resolvers}\n"
            f"dhcp-option=121,{gateway}/32,0.0.0.0,0.0.0.0/0,{gateway},{metadata}/32,{gateway}\n"
        )
    if advertise and ipv6 is not None:
        text += f"enable-ra\ndhcp-range={ipv6.network_address},ra-only,{ipv6.prefixlen}\nra-param=br0,4,1800\n"
    return text
