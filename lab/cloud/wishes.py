"""What a project asks of the world: one wish for each of its servers, volumes and images.

Pure.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network
from typing import TYPE_CHECKING

from lab.cloud.addresses import hardware_address
from lab.cloud.firewall_rules import wished_rule
from lab.cloud.firewalls import firewalls_of
from lab.cloud.images import image_of, system_of
from lab.cloud.primary_ips import address_of, place_of
from lab.cloud.records import Image
from lab.wish import ImageWish, VolumeWish, Wish

if TYPE_CHECKING:
    from lab.cloud.project import Project
    from lab.cloud.records import Server


def project_wishes(project: Project) -> tuple[Wish, ...]:
    """Return the wishes of a project, in the order of its servers' ids."""
    return tuple(_wish(project, server) for server in project.tables.servers.values())


def volume_wishes(project: Project) -> tuple[VolumeWish, ...]:
    """Return the wishes of a project's volumes, in the order of their ids."""
    return tuple(
        VolumeWish(
            volume_id=volume.id,
            size_gb=volume.size,
            format=volume.format,
            server_id=volume.server,
            automount=volume.automount,
        )
        for volume in project.tables.volumes.values()
    )


def image_wishes(project: Project) -> tuple[ImageWish, ...]:
    """Return the wishes of a project's images, in the order of their ids."""
    return tuple(
        ImageWish(image_id=image.id, server_id=image.created_from[0])
        for image in project.tables.images.values()
        if image.deleted is None
    )


def _wish(project: Project, server: Server) -> Wish:
    image = image_of(project, server.image_id)
    ipv4 = address_of(project, server.id, "ipv4")
    ipv6 = address_of(project, server.id, "ipv6")
    firewalls = firewalls_of(project, server)
    return Wish(
        own_image=image.id if isinstance(image, Image) else None,
        server_id=server.id,
        name=server.name,
        image=system_of(image) if image else "",
        location=server.location,
        country=place_of(project, server.location).country,
        mac=hardware_address(server.id),
        ipv4=IPv4Address(ipv4.ip) if ipv4 else None,
        ipv6=IPv6Network(ipv6.ip) if ipv6 else None,
        user_data=server.user_data,
        public_keys=tuple(server.public_keys),
        running=server.running and not server.dead,
        boot=server.boot,
        rebuild=server.rebuild,
        firewall=tuple(wished_rule(rule) for firewall in firewalls for rule in firewall.rules) if firewalls else None,
    )
