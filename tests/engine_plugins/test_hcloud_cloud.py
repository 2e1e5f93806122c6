"""The hcloud package against the lab's own cloud: a host as a deployment has it, from birth to end.

plugin ──HTTP──► lab.cloud       address, key, firewall, server, volume; changed, refreshed, deleted
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from lab.cloud.cloud import Cloud
from lab.cloud.server import make_app
from lab.cloud.server import serving as serving_cloud
from tests.engine_plugins.driver import Driven, FailedError, Made, running_plugin
from tests.engine_plugins.replay import TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.engine.values import Properties

pytestmark = pytest.mark.lab

SERVER = "hcloud:index/server:Server"
FIREWALL = "hcloud:index/firewall:Firewall"
SSH_KEY = "hcloud:index/sshKey:SshKey"
PRIMARY_IP = "hcloud:index/primaryIp:PrimaryIp"
VOLUME = "hcloud:index/volume:Volume"
ATTACHMENT = "hcloud:index/volumeAttachment:VolumeAttachment"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


@dataclass
class Account:
    """One account of the lab's cloud, behind the plugin."""

    cloud: Cloud
    plugin: Driven

    def make(self, kind: str, news: Properties) -> Made:
        """Check and create a resource."""
        checked, failures = self.plugin.check(kind, news)
        assert failures == []
        return self.plugin.create(kind, checked)

    def change(self, kind: str, made: Made, news: Properties) -> Made:
        """Check and update a resource."""
        checked, failures = self.plugin.check(kind, news, olds=made.inputs)
        assert failures == []
        return self.plugin.update(kind, made, checked)


@pytest.fixture
def account() -> Iterator[Account]:
    """Serve a cloud with one account and nothing in it; a request that it does not model fails the test."""
    cloud = Cloud({"edge": [TOKEN]})
    app = make_app(cloud, control_token="control")
    with serving_cloud(app) as address, running_plugin("hcloud") as plugin:
        plugin.configure(
            {
                "token": TOKEN,
                "endpoint": f"{address}/v1",
                "pollInterval": "1ms",
                "pollFunction": "constant",
            }
        )
        yield Account(cloud, plugin)
    assert cloud.unmodelled == []


def host(account: Account) -> dict[str, Made]:
    """Make an address, a key, a firewall and a server that uses them."""
    address = account.make(PRIMARY_IP, {"name": "v4", "type": "ipv4", "location": "hel1"})
    key = account.make(SSH_KEY, {"name": "key", "publicKey": KEY})
    rule = {"direction": "in", "protocol": "tcp", "port": "443", "sourceIps": ["0.0.0.0/0", "::/0"]}
    firewall = account.make(FIREWALL, {"name": "fw", "rules": [rule]})
    server = account.make(
        SERVER,
        {
            "name": "press",
            "serverType": "cx23",
            "image": "debian-12",
            "location": "hel1",
            "userData": "#cloud-config\n",
            "sshKeys": [key.id],
            "firewallIds": [int(firewall.id)],
            "publicNets": [{"ipv4": int(address.id), "ipv6Enabled": False}],
        },
    )
    return {"address": address, "key": key, "firewall": firewall, "server": server}


def test_a_host_is_born_with_its_address_firewall_and_user_data(account: Account) -> None:
    """What the program gave stands in the cloud's wishes: a machine would boot from exactly that."""
    made = host(account)
    wish = account.cloud.wishes()[0]
    assert (wish.name, wish.image, wish.location, wish.user_data) == (
        "press",
        "debian-12",
        "hel1",
        "#cloud-config\n",
    )
    assert str(wish.ipv4) == made["address"].outputs["ipAddress"] == made["server"].outputs["ipv4Address"]
    assert wish.firewall is not None
    assert [rule.ports for rule in wish.firewall] == [(443, 443)]
    assert wish.public_keys == (KEY,)


def test_a_refresh_of_an_untouched_host_finds_no_difference(account: Account) -> None:
    """Reading and comparing gives back the same, for both families of types."""
    made = host(account)
    for kind, name in ((PRIMARY_IP, "address"), (SSH_KEY, "key"), (FIREWALL, "firewall"), (SERVER, "server")):
        seen = account.plugin.read(kind, made[name])
        assert seen is not None
        assert not account.plugin.diff(kind, seen, made[name].inputs).changes


def test_a_rule_that_somebody_removed_shows_after_a_refresh(account: Account) -> None:
    """The negative twin: drift is a difference, and an update heals it."""
    firewall = host(account)["firewall"]
    account.cloud.handle(TOKEN, "POST", f"/firewalls/{firewall.id}/actions/set_rules", (), {"rules": []})
    seen = account.plugin.read(FIREWALL, firewall)
    assert seen is not None
    assert account.plugin.diff(FIREWALL, seen, firewall.inputs).detailed == {"rules": "add"}
    healed = account.plugin.update(FIREWALL, seen, firewall.inputs)
    assert len(healed.outputs["rules"]) == 1


def test_a_volume_outlives_its_server(account: Account) -> None:
    """Made, attached, grown, taken off, and there while the server is gone."""
    server = host(account)["server"]
    volume = account.make(VOLUME, {"name": "data", "size": 20, "location": "hel1", "format": "ext4"})
    assert volume.outputs["linuxDevice"].endswith(volume.id)
    attached = account.make(ATTACHMENT, {"volumeId": int(volume.id), "serverId": int(server.id)})
    assert attached.id == volume.id
    assert account.plugin.read(ATTACHMENT, attached) is not None
    raw = {"name": "data", "size": 30, "location": "hel1", "format": "ext4"}
    grown = account.change(VOLUME, volume, raw)
    assert grown.outputs["size"] == 30
    account.plugin.delete(ATTACHMENT, attached)
    assert account.plugin.read(ATTACHMENT, attached) is None
    account.plugin.delete(SERVER, server)
    assert account.plugin.read(VOLUME, grown) is not None
    account.plugin.delete(VOLUME, grown)
    assert account.plugin.read(VOLUME, grown) is None


def test_a_volume_in_another_place_is_another_volume(account: Account) -> None:
    """A volume can't move; its size and name change in place."""
    volume = account.make(VOLUME, {"name": "data", "size": 20, "location": "hel1"})
    moved, _ = account.plugin.check(VOLUME, {"name": "data", "size": 20, "location": "fsn1"})
    assert account.plugin.diff(VOLUME, volume, moved).replaces == ["location"]
    renamed, _ = account.plugin.check(VOLUME, {"name": "files", "size": 40, "location": "hel1"})
    found = account.plugin.diff(VOLUME, volume, renamed)
    assert (found.detailed, found.replaces) == ({"name": "update", "size": "update"}, [])


def test_everything_can_be_deleted_in_the_order_of_a_destroy(account: Account) -> None:
    """Server first, then what it used; at the end the account is empty, and deleting again harms nothing."""
    made = host(account)
    order = ((SERVER, "server"), (FIREWALL, "firewall"), (SSH_KEY, "key"), (PRIMARY_IP, "address"))
    for kind, name in order:
        account.plugin.delete(kind, made[name])
    assert not any(account.cloud.objects()["edge"].values())
    for kind, name in order[1:]:
        account.plugin.delete(kind, made[name])
    with pytest.raises(FailedError, match="not_found"):
        account.plugin.delete(SERVER, made["server"])


def test_a_name_that_is_taken_creates_nothing(account: Account) -> None:
    """The refusal is told as the original tells it, and holds neither token nor key."""
    host(account)
    with pytest.raises(FailedError) as caught:
        account.make(SSH_KEY, {"name": "key", "publicKey": KEY.replace("Hh4f", "Hh4e")})
    assert "(uniqueness_error)" in caught.value.text
    assert "Status code: 409" in caught.value.text
    assert caught.value.partial is None
    assert TOKEN not in caught.value.text


def test_neither_token_nor_user_data_is_told_to_anybody(account: Account) -> None:
    """A refused server tells its reason; user data, token and what the plugin prints hold no secret."""
    host(account)
    secret = "#cloud-config\nhush\n"
    with pytest.raises(FailedError) as caught:
        account.make(SERVER, {"name": "press", "serverType": "cx23", "image": "debian-12", "userData": secret})
    assert "server name is already used (uniqueness_error)" in caught.value.text
    process = account.plugin.process
    assert process is not None
    process.terminate()
    out, err = process.communicate(timeout=30)
    for text in (caught.value.text, out, err):
        assert "hush" not in text
        assert TOKEN not in text
    assert (out, err) == ("", "")
