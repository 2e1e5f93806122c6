"""The modelled resource types, one module each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lab.engine.plugins.hcloud.resources import (
    firewall,
    firewall_attachment,
    network,
    network_subnet,
    placement_group,
    primary_ip,
    rdns,
    server,
    server_network,
    ssh_key,
    volume,
    volume_attachment,
    zone,
    zone_rrset,
)

if TYPE_CHECKING:
    from lab.engine.plugins.hcloud.schema import ResourceType

TYPES: Final[dict[str, ResourceType]] = {
    kind.token: kind
    for kind in (
        firewall.TYPE,
        firewall_attachment.TYPE,
        network.TYPE,
        network_subnet.TYPE,
        placement_group.TYPE,
        primary_ip.TYPE,
        rdns.TYPE,
        server.TYPE,
        server_network.TYPE,
        ssh_key.TYPE,
        volume.TYPE,
        volume_attachment.TYPE,
        zone.TYPE,
        zone_rrset.TYPE,
    )
}
"""Type token to type."""
