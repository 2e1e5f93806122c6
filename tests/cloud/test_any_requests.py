"""Any requests in any order: the cloud never breaks, and what it holds and wishes stays consistent."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lab.cloud.cloud import Cloud
from tests.cloud.driver import KEY_1, KEY_2, TOKEN_A, TOKEN_B, Client, Clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

Request = tuple[str, str, Any]
NAMES = ["one", "two", "three"]
PLACES = ["fsn1", "hel1"]
NOBODY = 9999
SERVER_VERBS = ["poweron", "poweroff", "reboot", "enable_backup", "remove_from_placement_group"]
VERBS = ["key", "address", "firewall", "volume", "group", "server", "server", "server", "delete", "power"]
VERBS += ["rebuild", "assign", "unassign", "attach", "apply", "rename", "network", "join", "leave"]


def any_request(pick: Callable[[list[Any]], Any], client: Client) -> Request:
    """Return a request about what exists, or now and then about what does not."""
    tables = client.cloud.projects[client.account].tables

    def some(kind: str) -> int:
        return int(pick([*list(getattr(tables, kind)) * 4, NOBODY]))

    def perhaps(kind: str) -> int | None:
        return some(kind) if pick([True, False, False, False]) else None

    def few(kind: str) -> list[int]:
        return [number for number in [perhaps(kind)] if number is not None]

    name, place, kind = pick(NAMES), pick(PLACES), pick(["ipv4", "ipv6"])
    match pick(VERBS):
        case "key":
            return "POST", "/ssh_keys", {"name": name, "public_key": pick([KEY_1, KEY_2])}
        case "address":
            body = {"name": name, "type": kind, "location": place, "auto_delete": pick([True, False])}
            return "POST", "/primary_ips", body
        case "firewall":
            return "POST", "/firewalls", {"name": name}
        case "volume":
            return "POST", "/volumes", {"name": name, "size": 10, "location": place}
        case "group":
            return "POST", "/placement_groups", {"name": name, "type": "spread"}
        case "server":
            net = {"enable_ipv4": pick([True, False]), "enable_ipv6": pick([True, False])}
            net[kind] = perhaps("primary_ips")
            body = {"name": name, "server_type": pick(["cx23", "cax11"]), "image": "debian-12", "location": place}
            body |= {"firewalls": [{"firewall": n} for n in few("firewalls")], "volumes": few("volumes")}
            body |= {"placement_group": perhaps("placement_groups"), "public_net": net}
            return "POST", "/servers", body
        case "delete":
            plural = pick(
                ["servers", "primary_ips", "firewalls", "volumes", "ssh_keys", "placement_groups", "networks"]
            )
            return "DELETE", f"/{plural}/{some(plural)}", None
        case "power":
            return "POST", f"/servers/{some('servers')}/actions/{pick(SERVER_VERBS)}", None
        case "rebuild":
            return "POST", f"/servers/{some('servers')}/actions/rebuild", {"image": "debian-13"}
        case "assign":
            body = {"assignee_id": some("servers"), "assignee_type": "server"}
            return "POST", f"/primary_ips/{some('primary_ips')}/actions/assign", body
        case "unassign":
            return "POST", f"/primary_ips/{some('primary_ips')}/actions/unassign", None
        case "attach":
            return "POST", f"/volumes/{some('volumes')}/actions/attach", {"server": some("servers")}
        case "apply":
            target = {"type": "server", "server": {"id": some("servers")}}
            path = f"/firewalls/{some('firewalls')}/actions/apply_to_resources"
            return "POST", path, {"apply_to": [target]}
        case "network":
            subnet = {"type": "cloud", "network_zone": "eu-central", "ip_range": "10.0.1.0/29"}
            return "POST", "/networks", {"name": name, "ip_range": "10.0.0.0/16", "subnets": [subnet]}
        case "join":
            path = f"/servers/{some('servers')}/actions/attach_to_network"
            return "POST", path, {"network": some("networks"), "alias_ips": pick([[], ["10.0.1.2"]])}
        case "leave":
            return "POST", f"/servers/{some('servers')}/actions/detach_from_network", {"network": some("networks")}
        case _:
            return "PUT", f"/servers/{some('servers')}", {"name": name}


def check_order(cloud: Cloud, clients: list[Client]) -> None:
    """Fail unless addresses are used once, servers and wishes agree, and a dump is the whole."""
    wishes = cloud.wishes()
    shown = [server for client in clients for server in client.get("/servers")["servers"]]
    shown.sort(key=lambda server: int(server["id"]))
    addresses = [ip["ip"] for client in clients for ip in client.get("/primary_ips")["primary_ips"]]
    assert len(set(addresses)) == len(addresses)
    assert [(wish.server_id, wish.name, wish.running) for wish in wishes] == [
        (server["id"], server["name"], server["status"] == "running") for server in shown
    ]
    for wish, server in zip(wishes, shown, strict=True):
        net = server["public_net"]
        assert (str(wish.ipv4) if wish.ipv4 else None) == (net["ipv4"] and net["ipv4"]["ip"])
        assert (str(wish.ipv6) if wish.ipv6 else None) == (net["ipv6"] and net["ipv6"]["ip"])
        assert (wish.firewall is not None) == bool(net["firewalls"])
    servers = {server["id"] for server in shown}
    for client in clients:
        assert {ip["assignee_id"] for ip in client.get("/primary_ips")["primary_ips"]} <= servers | {None}
        assert {volume["server"] for volume in client.get("/volumes")["volumes"]} <= servers | {None}
        own = [server for server in client.get("/servers")["servers"] if server["private_net"]]
        inside = [
            (net["network"], ip) for s in own for net in s["private_net"] for ip in (net["ip"], *net["alias_ips"])
        ]
        assert len(set(inside)) == len(inside)
        assert {number for number, _ in inside} <= {lan["id"] for lan in client.get("/networks")["networks"]}
        for firewall in client.get("/firewalls")["firewalls"]:
            assert {target["server"]["id"] for target in firewall["applied_to"]} <= servers
    again = Cloud({"a": [TOKEN_A], "b": [TOKEN_B]}, clock=cloud.clock)
    again.load(json.loads(json.dumps(cloud.dump())))
    assert again.wishes() == wishes


def test_any_requests_leave_a_cloud_in_order() -> None:
    """Every answer is an answer, what is left is consistent, and the runs did reach every kind of success."""
    succeeded: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.randoms(use_true_random=True), st.integers(1, 150))
    def run(random: Random, requests: int) -> None:
        cloud = Cloud({"a": [TOKEN_A], "b": [TOKEN_B]}, clock=Clock())
        cloud.settings.action_polls = 0
        clients = [Client(cloud, TOKEN_A), Client(cloud, TOKEN_B)]

        for _ in range(requests):
            client = random.choice(clients)
            method, path, body = any_request(random.choice, client)
            reply = client.call(method, path, body)
            assert reply.status in (200, 201, 204, 403, 404, 409, 412, 422), (method, path, body, reply)
            if reply.status < 300:
                succeeded[f"{method} {path.rstrip('0123456789')}"] += 1
        check_order(cloud, clients)

    run()
    assert {
        "POST /servers",
        "DELETE /servers/",
        "PUT /servers/",
        "POST /primary_ips",
        "POST /volumes",
        "POST /networks",
    } <= set(succeeded)
