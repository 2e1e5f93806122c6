"""Hetzner's own Python client against the lab, over HTTP.

hcloud.Client ──HTTP──► 127.0.0.1:port/v1 ──► lab.cloud (pure)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hcloud import APIException
from hcloud.actions import ActionFailedException
from hcloud.firewalls import FirewallResource, FirewallResourceLabelSelector, FirewallRule
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.networks import NetworkRoute, NetworkSubnet
from hcloud.placement_groups import PlacementGroup
from hcloud.primary_ips import PrimaryIP
from hcloud.server_types import ServerType
from hcloud.servers import Server, ServerCreatePublicNetwork
from hcloud.ssh_keys import SSHKey
from hcloud.zones import ZoneRecord

from tests.cloud.driver import KEY_1, TOKEN_B

if TYPE_CHECKING:
    from tests.cloud.serving import Lab

pytestmark = pytest.mark.lab

FSN1 = Location(name="fsn1")
CX23 = ServerType(name="cx23")
DEBIAN_12 = Image(name="debian-12")


def created(client: Any, name: str = "edge", **more: Any) -> Any:
    """Create a server and wait until it runs."""
    answer = client.servers.create(name, CX23, DEBIAN_12, location=FSN1, **more)
    answer.action.wait_until_finished()
    for action in answer.next_actions:
        action.wait_until_finished()
    answer.server.reload()
    return answer.server


def test_a_server_lives_and_dies(lab: Lab) -> None:
    """Key, addresses, firewall, server; labels; and all of it deleted again in the order that works."""
    client = lab.client()
    key = client.ssh_keys.create("ops", KEY_1)
    v4 = client.primary_ips.create("ipv4", "v4", location=FSN1, labels={"env": "one"}).primary_ip
    v6 = client.primary_ips.create("ipv6", "v6", location=FSN1).primary_ip
    rule = FirewallRule(direction="in", protocol="tcp", port="443", source_ips=["0.0.0.0/0", "::/0"])
    firewall = client.firewalls.create("fw", rules=[rule]).firewall
    group = client.placement_groups.create("pg", PlacementGroup.TYPE_SPREAD).placement_group

    server = created(
        client,
        ssh_keys=[key],
        firewalls=[firewall],
        placement_group=group,
        user_data="#cloud-config\n",
        labels={"env": "one"},
        public_net=ServerCreatePublicNetwork(ipv4=v4, ipv6=v6),
    )
    assert server.status == Server.STATUS_RUNNING
    assert (server.public_net.ipv4.ip, server.public_net.ipv6.ip) == (v4.ip, v6.ip)
    assert server.public_net.firewalls[0].firewall.id == firewall.id
    assert (server.location.country, server.image.name, server.server_type.cores) == ("DE", "debian-12", 2)
    assert server.placement_group.id == group.id
    (wish,) = lab.cloud.wishes()
    assert (wish.user_data, wish.public_keys) == ("#cloud-config\n", (KEY_1,))

    server = server.update(labels={"env": "two"})
    assert server.labels == {"env": "two"}
    with pytest.raises(APIException, match="must_be_unassigned"):
        v4.delete()
    server.delete().wait_until_finished()
    assert client.servers.get_by_name("edge") is None
    assert client.firewalls.get_by_id(firewall.id).applied_to == []
    for thing in (v4, v6, firewall, key, group):
        assert thing.delete()
    assert lab.cloud.objects() == {"a": {}, "b": {}}


def test_projects_are_apart(lab: Lab) -> None:
    """Each token sees its own project; an unknown one sees nothing."""
    a, b = lab.client(), lab.client(TOKEN_B)
    server = created(a)
    assert b.servers.get_all() == []
    with pytest.raises(APIException, match="not_found"):
        b.servers.get_by_id(server.id)
    with pytest.raises(APIException, match="unable to authenticate"):
        lab.client("x" * 64).servers.get_all()


def test_names_and_keys_are_unique(lab: Lab) -> None:
    """The client reads the refusal's code and fields."""
    client = lab.client()
    client.ssh_keys.create("ops", KEY_1)
    with pytest.raises(APIException) as refused:
        client.ssh_keys.create("other", KEY_1)
    assert (refused.value.code, refused.value.details) == (
        "uniqueness_error",
        {"fields": [{"name": "public_key"}]},
    )
    created(client)
    with pytest.raises(APIException, match="server name is already used"):
        created(client)


def test_protections_hold_until_lifted(lab: Lab) -> None:
    """For servers, addresses and volumes."""
    client = lab.client()
    server = created(client)
    volume = client.volumes.create(10, "data", location=FSN1).volume
    address = client.primary_ips.create("ipv4", "v4", location=FSN1).primary_ip
    server.change_protection(delete=True, rebuild=True)
    volume.change_protection(delete=True)
    address.change_protection(delete=True)
    for thing in (server, volume, address):
        with pytest.raises(APIException, match="protected"):
            thing.delete()
    server.change_protection(delete=False, rebuild=False)
    volume.change_protection(delete=False)
    address.change_protection(delete=False)
    for thing in (server, volume, address):
        thing.delete()
    assert lab.cloud.objects()["a"] == {}


def test_all_pages_are_read(lab: Lab) -> None:
    """The client asks page after page, at fifty a page, and gets each address once."""
    client = lab.client()
    for index in range(101):
        client.primary_ips.create("ipv6", f"v6-{index}", location=FSN1)
    before = len(lab.log)
    found = client.primary_ips.get_all()
    assert len({address.ip for address in found}) == len(found) == 101
    assert len(lab.log) - before == 3


def test_labels_choose(lab: Lab) -> None:
    """The selector travels through the client's URL encoding."""
    client = lab.client()
    for name, role in (("one", "edge"), ("two", "core"), ("three", "edge")):
        client.firewalls.create(name, labels={"role": role, "env": "test"})
    chosen = client.firewalls.get_all(label_selector="role in (edge, other),env!=prod", sort=["name:desc"])
    assert [firewall.name for firewall in chosen] == ["three", "one"]
    with pytest.raises(APIException, match="invalid_input"):
        client.firewalls.get_all(label_selector="role in edge")


def test_a_firewall_follows_labels(lab: Lab) -> None:
    """Applied by selector, shown with the servers it reaches."""
    client = lab.client()
    selector = FirewallResource(
        type=FirewallResource.TYPE_LABEL_SELECTOR,
        label_selector=FirewallResourceLabelSelector(selector="role=edge"),
    )
    firewall = client.firewalls.create("fw", resources=[selector]).firewall
    server = created(client, labels={"role": "edge"})
    firewall.reload()
    assert firewall.applied_to[0].applied_to_resources[0].server.id == server.id
    firewall.remove_from_resources([selector])
    firewall.reload()
    assert firewall.applied_to == []


def test_a_server_is_resized_rebuilt_and_restarted(lab: Lab) -> None:
    """Each action is polled to its end by the client."""
    client = lab.client()
    server = created(client)
    with pytest.raises(APIException, match="server_not_stopped"):
        server.change_type(ServerType(name="cx33"), upgrade_disk=True)
    server.power_off().wait_until_finished()
    server.change_type(ServerType(name="cx33"), upgrade_disk=True).wait_until_finished()
    server.power_on().wait_until_finished()
    server.rebuild(Image(name="debian-13")).action.wait_until_finished()
    server.reload()
    assert (server.server_type.name, server.primary_disk_size, server.image.name) == ("cx33", 80, "debian-13")
    assert server.status == Server.STATUS_RUNNING
    (wish,) = lab.cloud.wishes()
    assert (wish.boot, wish.rebuild) == (3, 1)


def test_a_volume_is_attached_and_detached(lab: Lab) -> None:
    """With its server shown either way."""
    client = lab.client()
    server = created(client)
    answer = client.volumes.create(10, "data", server=server, format="ext4")
    answer.action.wait_until_finished()
    answer.next_actions[0].wait_until_finished()
    server.reload()
    assert [volume.id for volume in server.volumes] == [answer.volume.id]
    answer.volume.detach().wait_until_finished()
    answer.volume.resize(20).wait_until_finished()
    answer.volume.reload()
    assert (answer.volume.server, answer.volume.size) == (None, 20)


def test_an_address_is_moved(lab: Lab) -> None:
    """From one stopped server to another."""
    client = lab.client()
    address = client.primary_ips.create("ipv4", "v4", location=FSN1).primary_ip
    one = created(client, "one", public_net=ServerCreatePublicNetwork(ipv4=address))
    two = created(client, "two", public_net=ServerCreatePublicNetwork(enable_ipv4=False))
    for server in (one, two):
        server.power_off().wait_until_finished()
    address.unassign().wait_until_finished()
    address.assign(two.id, "server").wait_until_finished()
    address.change_dns_ptr(address.ip, "two.example.com").wait_until_finished()
    two.reload()
    assert (two.public_net.ipv4.ip, two.public_net.ipv4.dns_ptr) == (address.ip, "two.example.com")


def test_a_failed_action_reaches_the_client(lab: Lab) -> None:
    """It raises what Hetzner's client raises."""
    lab.arm(method="POST", path="/servers", action="action_failed")
    client = lab.client()
    with pytest.raises(ActionFailedException, match=r"the lab was asked to fail here \(action_failed"):
        created(client)
    created(client, "second")


def test_the_catalogue_is_read(lab: Lab) -> None:
    """Locations, types and images as the client's objects."""
    client = lab.client()
    assert [place.name for place in client.locations.get_all()] == ["fsn1", "nbg1", "hel1", "ash", "hil", "sin"]
    kind = client.server_types.get_by_name("cax11")
    assert kind.architecture == "arm"
    assert [place.location.name for place in kind.locations] == ["fsn1", "nbg1", "hel1"]
    image = client.images.get_by_name_and_architecture("debian-13", "arm")
    assert (image.os_flavor, image.architecture) == ("debian", "arm")


def test_what_is_missing_reaches_the_client(lab: Lab) -> None:
    """501 with a code of its own, and the lab remembers."""
    with pytest.raises(APIException) as refused:
        lab.client().load_balancers.get_all()
    assert refused.value.code == "not_implemented"
    assert lab.cloud.unmodelled == ["GET /load_balancers"]
    lab.cloud.unmodelled.clear()


def test_references_by_name_work(lab: Lab) -> None:
    """The client sends names where it has no ids."""
    client = lab.client()
    client.ssh_keys.create("ops", KEY_1)
    server = created(client, ssh_keys=[SSHKey(name="ops")])
    address = client.primary_ips.get_by_id(server.public_net.primary_ipv4.id)
    assert isinstance(address, PrimaryIP)
    assert (address.assignee_id, address.auto_delete) == (server.id, True)


def test_a_server_lives_in_a_network(lab: Lab) -> None:
    """Born in it, moved to another address, and out of it again."""
    client = lab.client()
    subnet = NetworkSubnet(type=NetworkSubnet.TYPE_CLOUD, ip_range="10.0.1.0/24", network_zone="eu-central")
    lan = client.networks.create("lan", "10.0.0.0/16", subnets=[subnet])
    lan.add_route(NetworkRoute(destination="0.0.0.0/0", gateway="10.0.1.9"))
    server = created(client, networks=[lan])
    (net,) = server.private_net
    assert (net.network.id, net.ip) == (lan.id, "10.0.1.1")
    lan.reload()
    assert ([one.id for one in lan.servers], lan.routes[0].gateway) == ([server.id], "10.0.1.9")
    server.detach_from_network(lan).wait_until_finished()
    server.attach_to_network(lan, ip="10.0.1.7").wait_until_finished()
    server.reload()
    assert server.private_net[0].ip == "10.0.1.7"
    with pytest.raises(APIException, match="still attached"):
        lan.delete_subnet(subnet)
    server.delete().wait_until_finished()
    lan.delete_subnet(subnet).wait_until_finished()
    assert lan.delete() is True


def test_a_zone_and_its_records(lab: Lab) -> None:
    """Made, changed and deleted; the client puts names into URLs."""
    client = lab.client()
    zone = client.zones.create(name="example.com", mode="primary", ttl=60).zone
    rrset = zone.create_rrset(name="@", type="TXT", records=[ZoneRecord(value='"one"')]).rrset
    rrset.set_rrset_records([ZoneRecord(value='"two"', comment="new")]).wait_until_finished()
    found = client.zones.get("example.com").get_rrset("@", "TXT")
    assert [(record.value, record.comment) for record in found.records] == [('"two"', "new")]
    zone.create_rrset(name="*.a", type="A", records=[ZoneRecord(value="203.0.113.1")])
    assert [one.id for one in zone.get_rrset_all()] == ["@/TXT", "*.a/A"]
    zone.get_rrset("*.a", "A").delete_rrset().action.wait_until_finished()
    zone.delete().action.wait_until_finished()
    assert lab.cloud.objects()["a"] == {}
