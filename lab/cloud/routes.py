"""The table of everything that the lab's API answers, and the one door to a project.

Pure. A resource that is not listed here is answered with 501 and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from lab.cloud.call import Call, find_route
from lab.cloud.reply import ApiError, Reply

if TYPE_CHECKING:
    from lab.cloud.call import Query
    from lab.cloud.project import Project
    from lab.cloud.reply import Json

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


def answer(project: Project, method: str, path: str, query: Query, body: Json | None) -> Reply:
    """Answer one request to a project.

    Args:
        project: Whose token was shown.
        method: `GET`, `POST`, `PUT` or `DELETE`.
        path: Path below `/v1`, such as `/servers/1`.
        query: Pairs as they came.
        body: The JSON body; None without one.

    A refusal is an answer as well; 501 says that the lab does not model what was asked.
    """
    try:
        route, captures = find_route(ROUTES, method, path)
        return route.handler(Call(project=project, path=path, captures=captures, query=query, body=body))
    except ApiError as refusal:
        return refusal.reply()
