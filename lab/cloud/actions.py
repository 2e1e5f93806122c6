"""Actions: what is under way, and when it is over.

Pure. What an action does happens at once; how long it is *seen* to take is the lab's choice: `polls` looks at
it, or `lasts_s` seconds, whichever is first.
Source: https://docs.hetzner.cloud/reference/cloud#actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.cloud.call import Call, Route
from lab.cloud.listing import by_fields, in_order, page
from lab.cloud.project import show_action
from lab.cloud.reply import ApiError, Reply, not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lab.cloud.project import Project
    from lab.cloud.records import Action
    from lab.cloud.reply import Json


def look_at(project: Project, action: Action) -> Json:
    """Return an action as a client that polls sees it; the look brings its end nearer."""
    if action.status == "running":
        action.polls_left -= 1
    project.settle(action)
    return show_action(action)


def action_routes(singular: str, plural: str, number_in: Callable[[Call], int]) -> tuple[Route, ...]:
    """Return the routes of one resource's actions: of all, one of all, of one object, one of those.

    Args:
        singular: Hetzner's word for one.
        plural: Hetzner's word for many, and its path.
        number_in: Returns the id of the object that a path names.
    """

    def of_all(call: Call) -> Reply:
        return _listed(call, _concerning(call.project, singular, None))

    def of_one(call: Call) -> Reply:
        return _listed(call, _concerning(call.project, singular, number_in(call)))

    def one_of_all(call: Call) -> Reply:
        return _one(call, _concerning(call.project, singular, None), call.number("action"))

    def one_of_one(call: Call) -> Reply:
        number = call.number("action", 1)
        return _one(call, _concerning(call.project, singular, number_in(call)), number)

    return (
        Route(method="GET", pattern=f"/{plural}/actions", handler=of_all),
        Route(method="GET", pattern=f"/{plural}/actions/*", handler=one_of_all),
        Route(method="GET", pattern=f"/{plural}/*/actions", handler=of_one),
        Route(method="GET", pattern=f"/{plural}/*/actions/*", handler=one_of_one),
    )


def _by_ids(call: Call) -> Reply:
    """Answer `GET /actions?id=1&id=2`; without ids the list of all was switched off in 2023."""
    wanted = set(call.all("id"))
    if not wanted:
        raise ApiError("deprecated_api_endpoint", "listing all actions is no longer available; ask for ids")
    return _listed(call, [a for a in call.project.tables.actions.values() if str(a.id) in wanted])


def _by_id(call: Call) -> Reply:
    return _one(call, call.project.tables.actions.values(), call.number("action"))


def _listed(call: Call, actions: Iterable[Action]) -> Reply:
    found = list(actions)
    for action in found:
        call.project.settle(action)
    found = by_fields(call, found, {"status": lambda a: a.status})
    found = in_order(
        call,
        found,
        {
            "id": lambda a: a.id,
            "command": lambda a: a.command,
            "status": lambda a: a.status,
            "started": lambda a: a.started,
            "finished": lambda a: a.finished or "",
        },
    )
    return page(call, "actions", [look_at(call.project, action) for action in found])


def _one(call: Call, actions: Iterable[Action], number: int) -> Reply:
    for action in actions:
        if action.id == number:
            return Reply(status=200, body={"action": look_at(call.project, action)})
    raise not_found("action", number)


def _concerning(project: Project, kind: str, number: int | None) -> list[Action]:
    return [
        action
        for action in project.tables.actions.values()
        if any(k == kind and number in (None, n) for k, n in action.resources)
    ]


ROUTES = (
    Route(method="GET", pattern="/actions", handler=_by_ids),
    Route(method="GET", pattern="/actions/*", handler=_by_id),
)
