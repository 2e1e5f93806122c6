"""Placement groups: servers that must not share a host.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#placement-groups and
https://docs.hetzner.com/cloud/placement-groups/overview (10 servers a group, 50 groups a project).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lab.cloud.call import Body, Call, Route
from lab.cloud.labels import check_labels
from lab.cloud.records import PlacementGroup
from lab.cloud.reply import ApiError, Reply
from lab.cloud.resource import Resource

if TYPE_CHECKING:
    from lab.cloud.project import Project
    from lab.cloud.reply import Json

SERVERS_MAX = 10
GROUPS_MAX = 50


class CreateGroup(Body):
    """The body of POST /placement_groups."""

    name: str
    type: Literal["spread"]
    labels: dict[str, str] = Field(default_factory=dict)


def members(project: Project, group: PlacementGroup) -> list[int]:
    """Return the ids of a group's servers."""
    return [server.id for server in project.tables.servers.values() if server.placement_group == group.id]


def show_group(project: Project, group: PlacementGroup) -> Json:
    """Return a group as a client sees it."""
    return {
        "id": group.id,
        "name": group.name,
        "labels": dict(group.labels),
        "type": group.type,
        "created": group.created,
        "servers": members(project, group),
    }


PLACEMENT_GROUPS = Resource(
    singular="placement_group",
    plural="placement_groups",
    table=lambda project: project.tables.placement_groups,
    show=show_group,
    filters={"type": lambda _, group: group.type},
)


def joinable_group(project: Project, number: int) -> PlacementGroup:
    """Return a group that has room for one more server.

    Raises:
        ApiError: `not_found`, or `placement_error`: the group is full.
    """
    group = PLACEMENT_GROUPS.get(project, number)
    if len(members(project, group)) >= SERVERS_MAX:
        raise ApiError("placement_error", f"a placement group holds {SERVERS_MAX} servers at most")
    return group


def _create(call: Call) -> Reply:
    wanted = call.read(CreateGroup)
    check_labels(wanted.labels)
    project = call.project
    PLACEMENT_GROUPS.check_name(project, wanted.name)
    if len(project.tables.placement_groups) >= GROUPS_MAX:
        raise ApiError("resource_limit_exceeded", f"a project holds {GROUPS_MAX} placement groups at most")
    group = PlacementGroup(
        id=project.new_id(),
        name=wanted.name,
        created=project.now(),
        labels=dict(wanted.labels),
        type=wanted.type,
    )
    project.tables.placement_groups[group.id] = group
    return PLACEMENT_GROUPS.reply(call, group, 201, action=None)


def _update(call: Call) -> Reply:
    group = PLACEMENT_GROUPS.named_in(call)
    PLACEMENT_GROUPS.rename(call, group)
    return PLACEMENT_GROUPS.reply(call, group)


def _delete(call: Call) -> Reply:
    group = PLACEMENT_GROUPS.named_in(call)
    if members(call.project, group):
        raise ApiError("resource_in_use", "placement group still has servers")
    del call.project.tables.placement_groups[group.id]
    return Reply(status=204)


ROUTES = (
    *PLACEMENT_GROUPS.routes(),
    Route(method="POST", pattern="/placement_groups", handler=_create),
    Route(method="PUT", pattern="/placement_groups/*", handler=_update),
    Route(method="DELETE", pattern="/placement_groups/*", handler=_delete),
)
