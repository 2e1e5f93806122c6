"""Servers in networks: which address they get, what they can't be attached to, and what is left after them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud.driver import Client, server_body
from tests.cloud.test_networks import SUBNET, network


@pytest.fixture
def lan(a: Client) -> int:
    """Return a network with one subnet."""
    return network(a, subnets=[SUBNET])


def private_net(a: Client, server: int) -> list[dict[str, Any]]:
    """Return a server's interfaces in networks."""
    found: list[dict[str, Any]] = a.get(f"/servers/{server}")["server"]["private_net"]
    return found


def test_a_server_is_attached_and_detached(a: Client, lan: int) -> None:
    """Both sides see it; an interface that comes back has a new hardware address."""
    server = a.server()
    path = f"/servers/{server}/actions"
    answer = a.post(f"{path}/attach_to_network", {"network": lan, "ip": "10.0.1.5", "alias_ips": ["10.0.1.6"]})
    assert answer["action"]["command"] == "attach_to_network"
    assert answer["action"]["resources"] == [{"id": server, "type": "server"}, {"id": lan, "type": "network"}]
    (first,) = private_net(a, server)
    assert {key: first[key] for key in ("network", "ip", "alias_ips")} == {
        "network": lan,
        "ip": "10.0.1.5",
        "alias_ips": ["10.0.1.6"],
    }
    assert a.get(f"/networks/{lan}")["network"]["servers"] == [server]
    again = a.refused("POST", f"{path}/attach_to_network", {"network": lan})
    assert again == (422, "server_already_attached")
    a.post(f"{path}/detach_from_network", {"network": lan})
    assert private_net(a, server) == []
    assert a.get(f"/networks/{lan}")["network"]["servers"] == []
    assert a.refused("POST", f"{path}/detach_from_network", {"network": lan}) == (404, "not_found")
    a.post(f"{path}/attach_to_network", {"network": lan, "ip": "10.0.1.5"})
    assert private_net(a, server)[0]["mac_address"] != first["mac_address"]


@pytest.mark.parametrize("ip", ["10.0.1.0", "10.0.1.255", "10.0.2.1", "10.0.0.1", "10.0.1.5", "10.0.1.6"])
def test_an_address_must_be_free_and_in_a_subnet(a: Client, lan: int, ip: str) -> None:
    """Ends of the subnet, addresses outside, the gateway, and addresses and aliases of others are refused."""
    other, server = a.server("other"), a.server()
    a.post(f"/servers/{other}/actions/attach_to_network", {"network": lan, "ip": "10.0.1.5", "alias_ips": ["10.0.1.6"]})
    path = f"/servers/{server}/actions/attach_to_network"
    assert a.refused("POST", path, {"network": lan, "ip": ip}) == (422, "ip_not_available")
    assert a.refused("POST", path, {"network": lan, "alias_ips": [ip]}) == (422, "ip_not_available")
    assert private_net(a, server) == []
    a.post(path, {"network": lan, "ip": "10.0.1.254"})


def test_without_an_address_the_first_free_one_is_taken(a: Client) -> None:
    """Past the network's gateway, past aliases of its own, out of the subnet that is named."""
    first = {**SUBNET, "ip_range": "10.0.0.0/30"}
    lan = network(a, subnets=[first, SUBNET])
    one, two, three, four = (a.server(name) for name in ("one", "two", "three", "four"))
    for server, more in (
        (one, {}),
        (two, {}),
        (three, {"ip_range": "10.0.1.0/24", "alias_ips": ["10.0.1.2"]}),
        (four, {"ip_range": "10.0.1.0/24"}),
    ):
        a.post(f"/servers/{server}/actions/attach_to_network", {"network": lan, **more})
    found = [private_net(a, server)[0]["ip"] for server in (one, two, three, four)]
    assert found == ["10.0.0.2", "10.0.1.1", "10.0.1.3", "10.0.1.4"]


def test_a_full_network_takes_no_server(a: Client) -> None:
    """A /30 has two addresses; nor does a network without a subnet in the server's zone."""
    small = network(a, subnets=[{**SUBNET, "ip_range": "10.0.1.0/30"}])
    for name in ("one", "two"):
        a.server(name, networks=[small])
    assert a.refused("POST", "/servers", server_body(networks=[small])) == (422, "no_subnet_available")
    far = network(a, "far", "10.1.0.0/16", subnets=[{**SUBNET, "ip_range": "10.1.1.0/24", "network_zone": "us-east"}])
    bare = network(a, "bare", "10.2.0.0/16")
    server = a.server()
    path = f"/servers/{server}/actions/attach_to_network"
    for number in (small, far, bare):
        assert a.refused("POST", path, {"network": number}) == (422, "no_subnet_available")
    body = {"network": small, "ip_range": "10.0.9.0/24"}
    assert a.refused("POST", path, body) == (422, "no_subnet_available")
    assert a.wrong_fields("POST", path, {"network": small, "ip": "x"}) == ["ip"]
    assert a.refused("POST", path, {"network": 9999}) == (404, "not_found")


def test_a_server_is_born_in_networks(a: Client, lan: int) -> None:
    """An action for each, after the start; a public address is then a choice."""
    other = network(a, "other", "10.1.0.0/16", subnets=[{**SUBNET, "ip_range": "10.1.1.0/24"}])
    nowhere = {"enable_ipv4": False, "enable_ipv6": False}
    assert a.wrong_fields("POST", "/servers", server_body(public_net=nowhere)) == ["public_net"]
    answer = a.post("/servers", server_body(networks=[lan, other], public_net=nowhere))
    commands = [action["command"] for action in answer["next_actions"]]
    assert commands == ["start_server", "attach_to_network", "attach_to_network"]
    assert [(net["network"], net["ip"]) for net in answer["server"]["private_net"]] == [
        (lan, "10.0.1.1"),
        (other, "10.1.1.1"),
    ]
    assert (answer["server"]["public_net"]["ipv4"], answer["server"]["public_net"]["ipv6"]) == (None, None)


def test_a_server_is_in_networks_that_go_together(a: Client, lan: int) -> None:
    """Three at most, none twice, none over another; a refused birth leaves nothing."""
    over = network(a, "over", "10.0.0.0/20", subnets=[SUBNET])
    more = [
        network(a, f"n{i}", f"10.{i}.0.0/16", subnets=[{**SUBNET, "ip_range": f"10.{i}.1.0/24"}]) for i in (1, 2, 3)
    ]
    assert a.refused("POST", "/servers", server_body(networks=[lan, over])) == (422, "networks_overlap")
    assert a.refused("POST", "/servers", server_body(networks=[lan, lan])) == (422, "server_already_attached")
    limit = (403, "resource_limit_exceeded")
    assert a.refused("POST", "/servers", server_body(networks=[lan, *more])) == limit
    assert a.refused("POST", "/servers", server_body(networks=[9999])) == (404, "not_found")
    assert a.get("/servers")["servers"] == []
    server = a.server(networks=[lan, *more[:2]])
    path = f"/servers/{server}/actions/attach_to_network"
    assert a.refused("POST", path, {"network": more[2]}) == limit
    a.post(f"/servers/{server}/actions/detach_from_network", {"network": more[0]})
    assert a.refused("POST", path, {"network": over}) == (422, "networks_overlap")
    a.post(path, {"network": more[2]})


def test_alias_addresses_are_replaced_as_a_whole(a: Client, lan: int) -> None:
    """Kept ones may be asked for again; a refusal changes nothing; none clears them."""
    server = a.server(networks=[lan])
    path = f"/servers/{server}/actions/change_alias_ips"
    assert a.post(path, {"network": lan, "alias_ips": ["10.0.1.50"]})["action"]["command"] == "change_alias_ips"
    a.post(path, {"network": lan, "alias_ips": ["10.0.1.51", "10.0.1.50"]})
    for wrong in (["10.0.1.52", "10.0.1.52"], ["10.0.1.1"], ["10.0.1.53", "10.9.0.1"]):
        assert a.refused("POST", path, {"network": lan, "alias_ips": wrong}) == (422, "ip_not_available")
    six = [f"10.0.1.{60 + index}" for index in range(6)]
    assert a.refused("POST", path, {"network": lan, "alias_ips": six}) == (403, "resource_limit_exceeded")
    assert a.wrong_fields("POST", path, {"network": lan, "alias_ips": ["10.0.1.52", "x"]}) == ["alias_ips.1"]
    assert private_net(a, server)[0]["alias_ips"] == ["10.0.1.51", "10.0.1.50"]
    a.post(path, {"network": lan, "alias_ips": []})
    assert private_net(a, server)[0]["alias_ips"] == []
    assert a.refused("POST", path, {"network": 9999, "alias_ips": []}) == (404, "not_found")


def test_a_subnet_with_servers_stays(a: Client, lan: int) -> None:
    """An alias holds it, too; a subnet without any goes."""
    a.post(f"/networks/{lan}/actions/add_subnet", {**SUBNET, "ip_range": "10.0.2.0/24"})
    server = a.server(networks=[lan])
    aliases = f"/servers/{server}/actions/change_alias_ips"
    a.post(aliases, {"network": lan, "alias_ips": ["10.0.2.7"]})
    path = f"/networks/{lan}/actions/delete_subnet"
    for held in ("10.0.1.0/24", "10.0.2.0/24"):
        assert a.refused("POST", path, {"ip_range": held}) == (422, "resource_in_use")
    a.post(aliases, {"network": lan, "alias_ips": []})
    a.post(path, {"ip_range": "10.0.2.0/24"})


def test_the_end_of_one_frees_the_other(a: Client, lan: int) -> None:
    """A deleted server leaves its address; a deleted network leaves its servers."""
    first = a.server("first", networks=[lan])
    a.call("DELETE", f"/servers/{first}")
    assert a.get(f"/networks/{lan}")["network"]["servers"] == []
    second = a.server("second", networks=[lan])
    assert private_net(a, second)[0]["ip"] == "10.0.1.1"
    assert a.call("DELETE", f"/networks/{lan}").status == 204
    assert private_net(a, second) == []


def test_a_busy_server_is_not_attached(a: Client, lan: int) -> None:
    """423 until its creation is over."""
    server = a.post("/servers", server_body())["server"]["id"]
    path = f"/servers/{server}/actions/attach_to_network"
    assert a.refused("POST", path, {"network": lan}) == (423, "locked")
    a.finish()
    a.post(path, {"network": lan})
