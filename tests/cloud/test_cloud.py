"""The door: tokens, projects, what is not modelled, limits, saving, and what the world is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lab.cloud.cloud import Cloud
from lab.cloud.server import make_app
from lab.cloud.settings import Settings
from tests.cloud.driver import KEY_1, TOKEN_A, TOKEN_B, Client, Clock, server_body

if TYPE_CHECKING:
    from lab.wish import Wish


def test_an_unknown_token_opens_nothing(cloud: Cloud) -> None:
    """A request without a known token is refused in Hetzner's shape, whatever it asks for."""
    for token in ("", "c" * 64, TOKEN_A[:-1], TOKEN_A + "a"):
        assert Client(cloud, token).refused("GET", "/servers") == (401, "unauthorized")
    assert Client(cloud, TOKEN_A).get("/servers")["servers"] == []


def test_one_token_cannot_open_two_projects() -> None:
    """Two projects with the same token are a mistake of whoever starts the lab."""
    with pytest.raises(ValueError, match="accounts: one token opens two projects"):
        Cloud({"a": [TOKEN_A], "b": [TOKEN_B, TOKEN_A]})


def test_an_empty_token_opens_nothing(cloud: Cloud) -> None:
    """A lab can't be started with one: whoever sends no token would be let in, to a project or to the lab."""
    with pytest.raises(ValueError, match="accounts: an empty token"):
        Cloud({"a": [TOKEN_A], "b": [""]})
    with pytest.raises(ValueError, match="control_token: empty"):
        make_app(cloud, control_token="")


def test_a_project_can_have_several_tokens() -> None:
    """Every token of a project sees the same objects."""
    cloud = Cloud({"a": [TOKEN_A, TOKEN_B]})
    number = Client(cloud, TOKEN_A).key()
    assert Client(cloud, TOKEN_B).get(f"/ssh_keys/{number}")["ssh_key"]["id"] == number


def test_a_token_may_only_read() -> None:
    """It sees what the other token made, and every other method is 403 and changes nothing."""
    cloud = Cloud({"a": [TOKEN_A]}, readers={"a": [TOKEN_B]})
    a, reader = Client(cloud, TOKEN_A), Client(cloud, TOKEN_B)
    number = a.key()
    assert reader.get("/ssh_keys") == a.get("/ssh_keys")
    for method, path in (
        ("POST", "/ssh_keys"),
        ("PUT", f"/ssh_keys/{number}"),
        ("DELETE", f"/ssh_keys/{number}"),
        ("DELETE", "/ssh_keys/9999"),
        ("POST", "/nowhere"),
    ):
        assert reader.refused(method, path, {"name": "new"}) == (403, "token_readonly")
    assert cloud.unmodelled == []
    assert [key["name"] for key in a.get("/ssh_keys")["ssh_keys"]] == ["key"]
    a.put(f"/ssh_keys/{number}", {"name": "new"})


def test_a_token_that_reads_is_one_projects_and_does_nothing_else() -> None:
    """One that also writes, one that reads elsewhere, and one of no project are mistakes."""
    with pytest.raises(ValueError, match="accounts: one token opens two projects or both ways"):
        Cloud({"a": [TOKEN_A]}, readers={"a": [TOKEN_A]})
    with pytest.raises(ValueError, match="accounts: one token opens two projects or both ways"):
        Cloud({"a": [TOKEN_A], "b": [TOKEN_B]}, readers={"a": ["c"], "b": ["c"]})
    with pytest.raises(ValueError, match="accounts: an empty token"):
        Cloud({"a": [TOKEN_A]}, readers={"a": [""]})
    with pytest.raises(ValueError, match="readers: project 'b' has no account"):
        Cloud({"a": [TOKEN_A]}, readers={"b": [TOKEN_B]})


def test_projects_do_not_see_each_other(a: Client, b: Client) -> None:
    """Objects and actions of one project don't exist for another, and names are free in each."""
    number = a.server()
    action = a.get("/servers/actions")["actions"][0]["id"]
    assert b.get("/servers")["servers"] == []
    assert b.refused("GET", f"/servers/{number}") == (404, "not_found")
    assert b.refused("DELETE", f"/servers/{number}") == (404, "not_found")
    assert b.refused("GET", f"/actions/{action}") == (404, "not_found")
    assert b.get(f"/actions?id={action}")["actions"] == []
    assert b.server() != number
    assert a.get("/servers")["meta"]["pagination"]["total_entries"] == 1


def test_projects_never_share_an_address(a: Client, b: Client) -> None:
    """All projects draw from one pool."""
    for index in range(20):
        a.address(f"v4-{index}")
        b.address(f"v4-{index}")
    of_a = {ip["ip"] for ip in a.get("/primary_ips")["primary_ips"]}
    of_b = {ip["ip"] for ip in b.get("/primary_ips")["primary_ips"]}
    assert len(of_a) == len(of_b) == 20
    assert not of_a & of_b


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/load_balancers"),
        ("GET", "/certificates"),
        ("GET", "/isos"),
        ("POST", "/servers/1/actions/attach_iso"),
        ("POST", "/servers/1/actions/request_console"),
        ("PATCH", "/servers/1"),
        ("GET", "/"),
        ("GET", "/servers/1/metrics"),
    ],
)
def test_what_is_not_modelled_is_said_and_counted(cloud: Cloud, a: Client, method: str, path: str) -> None:
    """A route that the lab lacks is 501, never 404, and is remembered for the test to fail on."""
    assert a.refused(method, path) == (501, "not_implemented")
    assert cloud.unmodelled == [f"{method} {path}"]


def test_a_missing_object_is_not_taken_for_a_missing_route(cloud: Cloud, a: Client) -> None:
    """404 means that the route is modelled and the object is gone."""
    for path in ("/servers/1", "/servers/x", "/firewalls/99", "/actions/7", "/images/5"):
        assert a.refused("GET", path) == (404, "not_found")
    assert cloud.unmodelled == []


def test_each_answer_carries_the_limits_of_its_project(cloud: Cloud, clock: Clock) -> None:
    """The rest shrinks by one a request and grows back with time; other projects have their own."""
    cloud.settings.rate_limit = 60
    seen = [cloud.handle(TOKEN_A, "GET", "/servers").headers["RateLimit-Remaining"] for _ in range(3)]
    assert seen == ["59", "58", "57"]
    assert cloud.handle(TOKEN_B, "GET", "/servers").headers["RateLimit-Remaining"] == "59"
    clock.move(60)
    headers = cloud.handle(TOKEN_A, "GET", "/servers").headers
    assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == ("60", "57")
    assert int(headers["RateLimit-Reset"]) == clock().timestamp() + 3 * 60
    clock.move(24 * 3600)
    assert cloud.handle(TOKEN_A, "GET", "/servers").headers["RateLimit-Remaining"] == "59"


def test_an_empty_bucket_is_429_until_time_has_passed(cloud: Cloud, clock: Clock, a: Client, b: Client) -> None:
    """A project that asks too often is refused, others are not, and it may ask again later."""
    cloud.settings.rate_limit = 2
    a.get("/servers")
    a.get("/servers")
    assert a.refused("POST", "/ssh_keys", {"name": "k", "public_key": KEY_1}) == (429, "rate_limit_exceeded")
    b.get("/servers")
    clock.move(1800)
    assert a.get("/ssh_keys")["ssh_keys"] == []


def test_each_answer_has_its_own_correlation_id(cloud: Cloud) -> None:
    """No two answers share one, refusals included."""
    tokens = (TOKEN_A, TOKEN_A, TOKEN_B, "unknown")
    seen = [cloud.handle(token, "GET", "/servers").headers["X-Correlation-Id"] for token in tokens]
    assert len(set(seen)) == 4


def test_the_world_is_told_of_changes_only(clock: Clock) -> None:
    """`on_change` hears all wishes after each request that changed one, and nothing otherwise."""
    told: list[tuple[Wish, ...]] = []
    cloud = Cloud({"a": [TOKEN_A], "b": [TOKEN_B]}, clock=clock, on_change=told.append)
    a, b = Client(cloud, TOKEN_A), Client(cloud, TOKEN_B)
    a.key()
    a.address("spare")
    assert told == []
    number = a.server()
    b.server()
    assert [len(wishes) for wishes in told] == [1, 2]
    a.put(f"/servers/{number}", {"labels": {"env": "two"}})
    a.refused("POST", "/servers", server_body())
    assert len(told) == 2
    a.off(number)
    assert [wish.running for wish in told[-1]] == [False, True]
    a.call("DELETE", f"/servers/{number}")
    assert told[-1] == cloud.wishes()
    assert len(told) == 4


def test_a_machine_that_stops_itself_is_off_at_the_api(cloud: Cloud, a: Client, b: Client) -> None:
    """The world reports it; only that server changes."""
    one, other = a.server(), b.server()
    cloud.report_stopped(one)
    assert a.get(f"/servers/{one}")["server"]["status"] == "off"
    assert b.get(f"/servers/{other}")["server"]["status"] == "running"


def test_a_late_report_does_not_stop_a_newer_boot(cloud: Cloud, a: Client) -> None:
    """A machine that was restarted meanwhile runs, and one that is gone is no error."""
    number = a.server()
    a.post(f"/servers/{number}/actions/reboot")
    cloud.report_stopped(number, boot=1)
    cloud.report_stopped(number + 100, boot=1)
    assert [wish.running for wish in cloud.wishes()] == [True]
    cloud.report_stopped(number, boot=2)
    assert [wish.running for wish in cloud.wishes()] == [False]


def test_a_reset_behind_the_apis_back_makes_a_failed_boot_good(cloud: Cloud, a: Client, b: Client) -> None:
    """The world reports it; a server that runs is not booted again for it, and one that is gone is no error."""
    other = b.server()
    cloud.settings.no_boot = True
    dead = a.server()
    cloud.settings.no_boot = False
    before = {wish.server_id: (wish.running, wish.boot) for wish in cloud.wishes()}
    assert before == {other: (True, 1), dead: (False, 1)}
    for number in (other, dead, dead + 100):
        cloud.report_reset(number)
    assert {wish.server_id: (wish.running, wish.boot) for wish in cloud.wishes()} == {
        other: (True, 1),
        dead: (True, 2),
    }


def test_objects_names_everything_that_exists(cloud: Cloud, a: Client) -> None:
    """An empty project is an empty mapping, so that a test sees at a glance that all is gone."""
    assert cloud.objects() == {"a": {}, "b": {}}
    number = a.server(public_net={"enable_ipv4": True, "enable_ipv6": False, "ipv4": a.address()})
    assert cloud.objects() == {"a": {"servers": ["edge"], "primary_ips": ["v4"]}, "b": {}}
    a.call("DELETE", f"/servers/{number}")
    assert cloud.objects() == {"a": {"primary_ips": ["v4"]}, "b": {}}


def furnished(clock: Clock) -> Cloud:
    """Return a cloud with one of everything, in the middle of an action."""
    cloud = Cloud({"a": [TOKEN_A], "b": [TOKEN_B]}, clock=clock)
    a = Client(cloud, TOKEN_A)
    rule = {"direction": "in", "protocol": "tcp", "port": "443", "source_ips": ["192.0.2.0/24"]}
    firewall = a.firewall("fw", rule, apply_to=[{"type": "label_selector", "label_selector": {"selector": "env"}}])
    group = a.post("/placement_groups", {"name": "pg", "type": "spread"})["placement_group"]["id"]
    volume = a.post("/volumes", {"name": "data", "size": 10, "location": "fsn1"})["volume"]["id"]
    subnet = {"type": "cloud", "ip_range": "10.0.1.0/24", "network_zone": "eu-central"}
    route = {"destination": "0.0.0.0/0", "gateway": "10.0.1.9"}
    lan = {"name": "lan", "ip_range": "10.0.0.0/16", "subnets": [subnet], "routes": [route]}
    network = a.post("/networks", lan)["network"]["id"]
    a.post("/zones", {"name": "example.com", "mode": "primary"})
    a.post("/zones/example.com/rrsets", {"name": "www", "type": "A", "records": [{"value": "203.0.113.1"}]})
    gone = a.address("gone")
    a.call("DELETE", f"/primary_ips/{gone}")
    body = server_body(
        ssh_keys=[a.key()],
        firewalls=[{"firewall": firewall}],
        placement_group=group,
        volumes=[volume],
        networks=[network],
        user_data="#cloud-config\n",
        labels={"env": "one"},
    )
    a.post("/servers", body)
    return cloud


def test_a_saved_cloud_comes_back_whole(clock: Clock) -> None:
    """What was saved as JSON answers every request as before, goes on counting, and asks the same."""
    old = furnished(clock)
    new = Cloud({"a": [TOKEN_A], "b": [TOKEN_B]}, clock=clock)
    new.load(json.loads(json.dumps(old.dump())))
    assert new.wishes() == old.wishes()
    assert new.dump() == old.dump()
    paths = ("/servers", "/primary_ips", "/firewalls", "/volumes", "/ssh_keys", "/placement_groups")
    for path in (*paths, "/networks", "/zones", "/zones/example.com/rrsets", "/servers/actions"):
        assert Client(new).get(path) == Client(old).get(path)
    assert Client(new).address("next") == Client(old).address("next")
    assert new.dump() == old.dump()


def test_a_dump_has_user_data_but_no_token(clock: Clock) -> None:
    """Servers must boot again from their user data; tokens belong to whoever starts the lab."""
    text = json.dumps(furnished(clock).dump())
    assert "#cloud-config" in text
    assert TOKEN_A not in text


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        ({}, "saved cloud: format None, allowed is 1"),
        ({"format": 2}, "saved cloud: format 2, allowed is 1"),
        ({"format": 1, "projects": {"c": {}}}, "saved cloud: project 'c' has no account"),
        ({"format": 1, "projects": {"a": {"servers": 3}}}, "saved cloud: projects.a.servers is not readable"),
    ],
)
def test_what_is_no_dump_is_refused_and_changes_nothing(
    cloud: Cloud, a: Client, saved: dict[str, Any], said: str
) -> None:
    """Loading is all or nothing."""
    a.key()
    with pytest.raises(ValueError, match=said):
        cloud.load(saved)
    assert cloud.objects() == {"a": {"ssh_keys": ["key"]}, "b": {}}


def test_loading_does_not_disturb_the_world(clock: Clock) -> None:
    """A restarted lab tells its world once it serves, not while it reads."""
    told: list[tuple[Wish, ...]] = []
    new = Cloud({"a": [TOKEN_A], "b": [TOKEN_B]}, clock=clock, on_change=told.append)
    new.load(furnished(clock).dump())
    Client(new).key("other", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA")
    assert told == []


def test_user_data_is_in_no_repr(clock: Clock) -> None:
    """A record that ends up in an error or a debugger's output shows no user data."""
    cloud = furnished(clock)
    assert "#cloud-config" not in repr(cloud.projects["a"].tables)
    assert "edge" in repr(cloud.projects["a"].tables)


def test_a_project_has_a_limit_of_servers() -> None:
    """The limit is the lab's to set, and it is the project's, not the cloud's."""
    cloud = Cloud({"a": [TOKEN_A], "b": [TOKEN_B]}, settings=Settings(server_limit=1))
    a, b = Client(cloud, TOKEN_A), Client(cloud, TOKEN_B)
    a.server("one")
    assert a.refused("POST", "/servers", server_body("two")) == (403, "resource_limit_exceeded")
    b.server("two")
