"""Firewalls: rules before servers, applied to them by id or by label.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#firewalls (names of 128 characters) and
https://docs.hetzner.com/cloud/firewalls/faq (5 firewalls a server, 50 in all).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lab.cloud.call import Body, Call, Route
from lab.cloud.firewall_rules import RuleBody, read_rules, show_rule
from lab.cloud.labels import check_labels, parse_selector, selects
from lab.cloud.project import show_action
from lab.cloud.records import Firewall
from lab.cloud.reply import ApiError, Reply, invalid_input
from lab.cloud.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.cloud.project import Project
    from lab.cloud.records import Action, Server
    from lab.cloud.reply import Json

FIREWALLS_OF_A_PROJECT_MAX = 50
FIREWALLS_OF_A_SERVER_MAX = 5


class ServerTarget(Body):
    """A server named by id."""

    id: int


class SelectorTarget(Body):
    """Servers named by labels."""

    selector: str


class Target(Body):
    """What a firewall is applied to."""

    type: Literal["server", "label_selector"]
    server: ServerTarget | None = None
    label_selector: SelectorTarget | None = None


class CreateFirewall(Body):
    """The body of POST /firewalls."""

    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    rules: list[RuleBody] = Field(default_factory=list)
    apply_to: list[Target] = Field(default_factory=list)


class SetRules(Body):
    """The body of the action `set_rules`; an empty list removes all."""

    rules: list[RuleBody]


class ApplyTo(Body):
    """The body of the action `apply_to_resources`."""

    apply_to: list[Target]


class RemoveFrom(Body):
    """The body of the action `remove_from_resources`."""

    remove_from: list[Target]


def firewalls_of(project: Project, server: Server) -> list[Firewall]:
    """Return the firewalls applied to a server, by id or by label, in the order of their ids."""
    return [
        firewall
        for firewall in project.tables.firewalls.values()
        if server.id in firewall.servers
        or any(selects(parse_selector(text), server.labels) for text in firewall.selectors)
    ]


def check_room(project: Project, server_id: int, more: int = 1) -> None:
    """Refuse to apply more firewalls to a server than Hetzner does.

    Raises:
        ApiError: `resource_limit_exceeded`.
    """
    applied = sum(server_id in firewall.servers for firewall in project.tables.firewalls.values())
    if applied + more > FIREWALLS_OF_A_SERVER_MAX:
        text = f"a server takes {FIREWALLS_OF_A_SERVER_MAX} firewalls at most"
        raise ApiError("resource_limit_exceeded", text)


def forget_server(project: Project, server_id: int) -> None:
    """Take a server that goes out of every firewall."""
    for firewall in project.tables.firewalls.values():
        if server_id in firewall.servers:
            firewall.servers.remove(server_id)


def _show(project: Project, firewall: Firewall) -> Json:
    by_id = [{"type": "server", "server": {"id": number}} for number in firewall.servers]
    by_label = [
        {
            "type": "label_selector",
            "label_selector": {"selector": text},
            "applied_to_resources": [
                {"type": "server", "server": {"id": server.id}}
                for server in project.tables.servers.values()
                if selects(parse_selector(text), server.labels)
            ],
        }
        for text in firewall.selectors
    ]
    return {
        "id": firewall.id,
        "name": firewall.name,
        "labels": dict(firewall.labels),
        "created": firewall.created,
        "rules": [show_rule(rule) for rule in firewall.rules],
        "applied_to": by_id + by_label,
    }


FIREWALLS = Resource(
    singular="firewall",
    plural="firewalls",
    table=lambda project: project.tables.firewalls,
    show=_show,
    name_chars_max=128,
)


def _create(call: Call) -> Reply:
    wanted = call.read(CreateFirewall)
    project = call.project
    check_labels(wanted.labels)
    FIREWALLS.check_name(project, wanted.name)
    rules = read_rules(wanted.rules)
    if len(project.tables.firewalls) >= FIREWALLS_OF_A_PROJECT_MAX:
        text = f"a project holds {FIREWALLS_OF_A_PROJECT_MAX} firewalls at most"
        raise ApiError("resource_limit_exceeded", text)
    firewall = Firewall(
        id=project.new_id(), name=wanted.name, created=project.now(), labels=dict(wanted.labels), rules=rules
    )
    actions = _apply(project, firewall, wanted.apply_to)
    project.tables.firewalls[firewall.id] = firewall
    actions.insert(0, project.start_action("set_firewall_rules", ("firewall", firewall.id)))
    return FIREWALLS.reply(call, firewall, 201, actions=[show_action(action) for action in actions])


def _update(call: Call) -> Reply:
    firewall = FIREWALLS.named_in(call)
    FIREWALLS.rename(call, firewall)
    return FIREWALLS.reply(call, firewall)


def _delete(call: Call) -> Reply:
    firewall = FIREWALLS.named_in(call)
    if firewall.servers or firewall.selectors:
        raise ApiError("resource_in_use", f"firewall with ID '{firewall.id}' is still in use")
    del call.project.tables.firewalls[firewall.id]
    return Reply(status=204)


def _set_rules(call: Call) -> Reply:
    firewall = FIREWALLS.named_in(call)
    firewall.rules = read_rules(call.read(SetRules).rules)
    return _acted([call.project.start_action("set_firewall_rules", ("firewall", firewall.id))])


def _apply_to_resources(call: Call) -> Reply:
    firewall = FIREWALLS.named_in(call)
    return _acted(_apply(call.project, firewall, call.read(ApplyTo).apply_to))


def _remove_from_resources(call: Call) -> Reply:
    firewall = FIREWALLS.named_in(call)
    servers, selectors = _split(call.project, call.read(RemoveFrom).remove_from)
    absent = any(s not in firewall.servers for s in servers) or any(
        text not in firewall.selectors for text in selectors
    )
    if absent:
        raise ApiError("firewall_already_removed", "firewall is not applied to this resource")
    firewall.servers = [number for number in firewall.servers if number not in servers]
    firewall.selectors = [text for text in firewall.selectors if text not in selectors]
    return _acted(_actions(call.project, "remove_firewall", firewall, servers, selectors))


def _apply(project: Project, firewall: Firewall, targets: Sequence[Target]) -> list[Action]:
    servers, selectors = _split(project, targets)
    if any(s in firewall.servers for s in servers) or any(text in firewall.selectors for text in selectors):
        raise ApiError("firewall_already_applied", "firewall is already applied to this resource")
    for number in servers:
        check_room(project, number)
    firewall.servers += servers
    firewall.selectors += selectors
    return _actions(project, "apply_firewall", firewall, servers, selectors)


def _split(project: Project, targets: Sequence[Target]) -> tuple[list[int], list[str]]:
    """Return the servers and the selectors that targets name.

    Raises:
        ApiError: `invalid_input`, or `firewall_resource_not_found`: no such server.
    """
    servers: list[int] = []
    selectors: list[str] = []
    for target in targets:
        if target.type == "server" and target.server is not None:
            if target.server.id not in project.tables.servers:
                text = f"server with ID '{target.server.id}' not found"
                raise ApiError("firewall_resource_not_found", text)
            servers.append(target.server.id)
        elif target.type == "label_selector" and target.label_selector is not None:
            parse_selector(target.label_selector.selector)
            selectors.append(target.label_selector.selector)
        else:
            raise invalid_input((target.type, f"is required for the type {target.type}"))
    return servers, selectors


def _actions(
    project: Project, command: str, firewall: Firewall, servers: Sequence[int], selectors: Sequence[str]
) -> list[Action]:
    own = ("firewall", firewall.id)
    by_id = [project.start_action(command, own, ("server", number)) for number in servers]
    return by_id + [project.start_action(command, own) for _ in selectors]


def _acted(actions: Sequence[Action]) -> Reply:
    return Reply(status=201, body={"actions": [show_action(action) for action in actions]})


ROUTES = (
    *FIREWALLS.routes(),
    Route(method="POST", pattern="/firewalls", handler=_create),
    Route(method="PUT", pattern="/firewalls/*", handler=_update),
    Route(method="DELETE", pattern="/firewalls/*", handler=_delete),
    Route(method="POST", pattern="/firewalls/*/actions/set_rules", handler=_set_rules),
    Route(method="POST", pattern="/firewalls/*/actions/apply_to_resources", handler=_apply_to_resources),
    Route(method="POST", pattern="/firewalls/*/actions/remove_from_resources", handler=_remove_from_resources),
)
