"""The table of everything that the lab's API answers.

Pure. A resource that is not listed here is answered with 501 and counted.
"""

from __future__ import annotations

from lab.cloud import (
    actions,
    catalogue_routes,
    firewalls,
    placement_groups,
    primary_ip_actions,
    primary_ips,
    server_actions,
    server_creation,
    servers,
    ssh_keys,
    volumes,
)

ROUTES = (
    *actions.ROUTES,
    *catalogue_routes.ROUTES,
    *firewalls.ROUTES,
    *placement_groups.ROUTES,
    *primary_ip_actions.ROUTES,
    *primary_ips.ROUTES,
    *server_actions.ROUTES,
    *server_creation.ROUTES,
    *servers.ROUTES,
    *ssh_keys.ROUTES,
    *volumes.ROUTES,
)
