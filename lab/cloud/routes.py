"""The table of everything that the lab's API answers.

Pure. A resource that is not listed here is answered with 501 and counted.
"""

from __future__ import annotations

from lab.cloud import (
    actions,
    catalogue_routes,
    firewalls,
    floating_ips,
    images,
    network_actions,
    networks,
    placement_groups,
    primary_ip_actions,
    primary_ips,
    rrset_actions,
    rrsets,
    server_actions,
    server_creation,
    server_networks,
    servers,
    ssh_keys,
    volumes,
    zones,
)

ROUTES = (
    *actions.ROUTES,
    *catalogue_routes.ROUTES,
    *firewalls.ROUTES,
    *floating_ips.ROUTES,
    *images.ROUTES,
    *network_actions.ROUTES,
    *networks.ROUTES,
    *placement_groups.ROUTES,
    *primary_ip_actions.ROUTES,
    *primary_ips.ROUTES,
    *rrset_actions.ROUTES,
    *rrsets.ROUTES,
    *server_actions.ROUTES,
    *server_creation.ROUTES,
    *server_networks.ROUTES,
    *servers.ROUTES,
    *ssh_keys.ROUTES,
    *volumes.ROUTES,
    *zones.ROUTES,
)
