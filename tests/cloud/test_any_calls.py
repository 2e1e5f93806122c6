"""Any calls in any order, by two projects, with a world that reports when it likes: what must hold after each one.

Beside `test_any_requests`, which asks at random: these calls are chosen and shrunk by hypothesis, so that a failure
comes as the shortest story that leads to it.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from lab.cloud.cloud import Cloud
from lab.cloud.settings import Settings
from tests.cloud.driver import TOKEN_A, TOKEN_B, Client, Clock, server_body

Thing = tuple[str, str, int]  # project, plural, id
KINDS = ["servers", "volumes", "images", "primary_ips", "firewalls", "networks", "placement_groups", "ssh_keys"]
PROTECTABLE = {"servers", "volumes", "images", "primary_ips", "networks"}
REFUSALS = {403, 404, 409, 412, 422, 423}
NAMES = st.integers(0, 20).map("n{}".format)
PLACES = st.sampled_from(["fsn1", "fsn1", "fsn1", "hel1"])
PROJECTS = st.sampled_from(["a", "a", "a", "b"])
VERBS = ["poweron", "poweroff", "reset", "enable_backup", "disable_backup", "enable_rescue"]


class Calls(RuleBasedStateMachine):
    """Two projects of one cloud; bundles hold all that ever were made, be they deleted by now."""

    servers, volumes, images, others = Bundle("servers"), Bundle("volumes"), Bundle("images"), Bundle("others")
    things = st.one_of(servers, volumes, images, others)

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.cloud = Cloud({"a": [TOKEN_A], "b": [TOKEN_B]}, clock=self.clock, settings=Settings(rate_limit=10**6))
        self.clients = {"a": Client(self.cloud, TOKEN_A), "b": Client(self.cloud, TOKEN_B)}
        self.ended: dict[int, dict[str, Any]] = {}
        self.ids: list[int] = []
        self.done: set[str] = set()

    @initialize(world=st.booleans(), polls=st.sampled_from([0, 0, 1]))
    def begin(self, *, world: bool, polls: int) -> None:
        """Have a world behind that reports, or none; have actions that are over at once, or when looked at."""
        self.cloud.settings.disks_reported, self.cloud.settings.action_polls = world, polls

    def ask(self, project: str, method: str, path: str, body: Any = None) -> Any:
        """Return the body of an answer that is a success, or None for a refusal of a kind that is allowed."""
        reply = self.clients[project].call(method, path, body)
        if reply.status in REFUSALS:
            return None
        assert reply.status in (200, 201, 204), (method, path, body, reply)
        self.done.add(f"{method} {''.join(part for part in path if not part.isdigit())}")
        return reply.body or {}

    def made(self, project: str, plural: str, answer: Any) -> Any:
        """Return what a bundle takes of an answer that made something."""
        if answer is None:
            return multiple()
        number = answer[plural.removesuffix("s")]["id"]
        assert number not in self.ids, "an id was given twice"
        self.ids.append(number)
        return (project, plural, number)

    @initialize(target=servers)
    def begin_with_a_server(self) -> Any:
        """Have something to do things to."""
        return self.made("a", "servers", self.ask("a", "POST", "/servers", server_body("first", server_type="cx33")))

    @initialize(target=volumes)
    def begin_with_a_volume(self) -> Any:
        """And something to attach to it."""
        body = {"name": "first", "size": 10, "location": "fsn1"}
        return self.made("a", "volumes", self.ask("a", "POST", "/volumes", body))

    @rule(target=servers, project=PROJECTS, name=NAMES, place=PLACES, start=st.booleans())
    def make_server(self, project: str, name: str, place: str, *, start: bool) -> Any:
        """Order a server."""
        body = server_body(name, location=place, start_after_create=start)
        return self.made(project, "servers", self.ask(project, "POST", "/servers", body))

    @rule(target=servers, image=images, name=NAMES, waits=st.booleans())
    def make_server_from(self, image: Thing, name: str, *, waits: bool) -> Any:
        """Order a server from an image, be it deleted by now, or not yet made."""
        project, _, number = image
        if waits:
            self.report(works=True)
        answer = self.ask(project, "POST", "/servers", server_body(name, image=number, server_type="cx33"))
        if answer:
            self.done.add("a server from an image")
        return self.made(project, "servers", answer)

    @rule(target=volumes, project=PROJECTS, name=NAMES, place=PLACES)
    def make_volume(self, project: str, name: str, place: str) -> Any:
        """Order a volume that is nowhere yet."""
        body = {"name": name, "size": 10, "location": place}
        return self.made(project, "volumes", self.ask(project, "POST", "/volumes", body))

    @rule(target=others, project=PROJECTS, name=NAMES, place=PLACES, kind=st.sampled_from(["ipv4", "ipv6"]))
    def make_address(self, project: str, name: str, place: str, kind: str) -> Any:
        """Order an address."""
        body = {"name": name, "type": kind, "location": place, "auto_delete": False}
        return self.made(project, "primary_ips", self.ask(project, "POST", "/primary_ips", body))

    @rule(target=others, project=PROJECTS, name=NAMES, plural=st.sampled_from(["firewalls", "placement_groups"]))
    def make_other(self, project: str, name: str, plural: str) -> Any:
        """Make a firewall or a group."""
        answer = self.ask(project, "POST", f"/{plural}", {"name": name, "type": "spread"})
        return self.made(project, plural, answer)

    @rule(server=servers, verb=st.sampled_from(VERBS))
    def act(self, server: Thing, verb: str) -> None:
        """Do something to a server, be it deleted by now."""
        self.ask(server[0], "POST", f"/servers/{server[2]}/actions/{verb}")

    @rule(target=images, server=servers, kind=st.sampled_from(["snapshot", "snapshot", "backup"]))
    def make_image(self, server: Thing, kind: str) -> Any:
        """Make an image of a server, be it deleted by now."""
        path = f"/servers/{server[2]}/actions/create_image"
        return self.made(server[0], "images", self.ask(server[0], "POST", path, {"type": kind}))

    @rule(one=st.one_of(volumes, others), other=servers)
    def join(self, one: Thing, other: Thing) -> None:
        """Attach a volume, assign an address, apply a firewall: to a server, be it deleted by now."""
        project, plural, number = one
        body: dict[str, Any] = {"server": other[2], "assignee_id": other[2], "assignee_type": "server"}
        body["apply_to"] = [{"type": "server", "server": {"id": other[2]}}]
        verb = {"volumes": "attach", "primary_ips": "assign", "firewalls": "apply_to_resources"}.get(plural)
        if verb:
            self.ask(project, "POST", f"/{plural}/{number}/actions/{verb}", body)

    @rule(one=st.one_of(volumes, others))
    def part(self, one: Thing) -> None:
        """Detach a volume, unassign an address."""
        project, plural, number = one
        verb = {"volumes": "detach", "primary_ips": "unassign"}.get(plural)
        if verb:
            self.ask(project, "POST", f"/{plural}/{number}/actions/{verb}")

    @rule(one=things, on=st.booleans())
    def protect(self, one: Thing, *, on: bool) -> None:
        """Lock something against deletion, or unlock it."""
        project, plural, number = one
        if plural in PROTECTABLE:
            body = {"delete": on, "rebuild": on}
            self.ask(project, "POST", f"/{plural}/{number}/actions/change_protection", body)

    @rule(one=things, really=st.sampled_from([True, False, False]))
    def delete(self, one: Thing, *, really: bool) -> None:
        """Delete something: what is protected stays, what was deleted is gone, what was refused is still there."""
        if not really:  # else most calls would be about what is no more
            return
        project, plural, number = one
        client = self.clients[project]
        before = client.call("GET", f"/{plural}/{number}")
        reply = client.call("DELETE", f"/{plural}/{number}")
        after = client.call("GET", f"/{plural}/{number}").status
        assert after == (404 if reply.status in (200, 204) else before.status)
        if before.status == 200:
            assert before.body is not None
            shown = before.body[plural.removesuffix("s")]
            if shown.get("protection", {}).get("delete"):
                assert reply.status == 423
        self.done.add(f"DELETE {reply.status}")

    @rule(one=things, method=st.sampled_from(["GET", "PUT", "DELETE"]))
    def meddle(self, one: Thing, method: str) -> None:
        """Ask for another project's thing: it is not there, and nothing changes."""
        project, plural, number = one
        stranger = self.clients["b" if project == "a" else "a"]
        before = self.cloud.dump()
        assert stranger.refused(method, f"/{plural}/{number}", {"name": "mine"}) == (404, "not_found")
        assert self.cloud.dump() == before

    @rule(seconds=st.sampled_from([1, 10]))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.clock.move(seconds)

    @rule(works=st.booleans())
    def report(self, *, works: bool) -> None:
        """Let the world say what it has done, or what it could not."""
        stores = self.cloud.stores()
        self.cloud.report_volumes({one.volume_id: (one.server_id, one.size_gb) for one in stores.volumes})
        for image in stores.images:
            self.cloud.report_image(image.image_id, 0.5 if works else None)

    @invariant()
    def references_hold(self) -> None:
        """Nothing names what is not there, in its own project."""
        for project in self.cloud.projects.values():
            tables = project.tables
            servers = set(tables.servers) | {None}
            assert {volume.server for volume in tables.volumes.values()} <= servers
            assert {address.assignee_id for address in tables.primary_ips.values()} <= servers
            assert {image.bound_to for image in tables.images.values()} <= servers
            assert {number for wall in tables.firewalls.values() for number in wall.servers} <= servers
            images = set(tables.images) | {image.id for image in self.cloud.catalogue.images}
            assert {server.image_id for server in tables.servers.values()} <= images
            used = [server.image_id for server in tables.servers.values()]
            assert all(image.id in used for image in tables.images.values() if image.deleted)
            for server in tables.servers.values():
                kinds = [ip.type for ip in tables.primary_ips.values() if ip.assignee_id == server.id]
                assert len(set(kinds)) == len(kinds), "two addresses of one kind"

    @invariant()
    def every_id_is_one_things(self) -> None:
        """In all projects and of all kinds."""
        every = [
            record.id
            for project in self.cloud.projects.values()
            for kind in KINDS
            for record in getattr(project.tables, kind).values()
        ]
        assert len(set(every)) == len(every)

    @invariant()
    def wishes_are_what_is_shown(self) -> None:
        """The world hears of each server, volume and image once, and of no other."""
        tables = [project.tables for project in self.cloud.projects.values()]
        stores = self.cloud.stores()
        assert [wish.server_id for wish in self.cloud.wishes()] == sorted(n for t in tables for n in t.servers)
        assert [wish.volume_id for wish in stores.volumes] == sorted(n for t in tables for n in t.volumes)
        living = sorted(image.id for t in tables for image in t.images.values() if image.deleted is None)
        assert [wish.image_id for wish in stores.images] == living

    @invariant()
    def what_is_over_stays_over(self) -> None:
        """An action that has ended never changes again."""
        for client in self.clients.values():
            for number, action in self.cloud.projects[client.account].tables.actions.items():
                if number in self.ended:
                    assert client.get(f"/actions/{number}")["action"] == self.ended[number]
                elif action.status != "running":
                    self.ended[number] = client.get(f"/actions/{number}")["action"]

    def teardown(self) -> None:
        """Every action ends once time has passed and the world has reported."""
        self.report(works=True)
        self.clock.move(3600)
        for client in self.clients.values():
            for number in self.cloud.projects[client.account].tables.actions:
                assert client.get(f"/actions/{number}")["action"]["status"] != "running"
        DONE.update(self.done)


DONE: set[str] = set()


def test_any_calls_keep_what_must_hold() -> None:
    """And the calls did reach what they are about."""
    DONE.clear()
    run_state_machine_as_test(
        Calls, settings=settings(max_examples=50, stateful_step_count=40, deadline=None, derandomize=True)
    )
    wanted = {"POST /servers", "POST /volumes", "POST /servers//actions/create_image", "POST /volumes//actions/attach"}
    assert wanted | {"a server from an image"} <= DONE
    assert {"DELETE 200", "DELETE 204", "DELETE 423"} <= DONE
