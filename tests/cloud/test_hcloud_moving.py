"""Hetzner's own Python client against the lab, over HTTP: disks that are copied, addresses that move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hcloud.locations import Location

from tests.cloud.test_hcloud import CX23, DEBIAN_12, FSN1

if TYPE_CHECKING:
    from tests.cloud.serving import Lab

pytestmark = pytest.mark.lab


def test_images_and_floating_ips_by_hetzners_client(lab: Lab) -> None:
    """A snapshot becomes a server, and an address moves to it; the client reads back what it wrote."""
    client = lab.client()
    made = client.servers.create(name="one", server_type=CX23, image=DEBIAN_12, location=FSN1)
    made.action.wait_until_finished()
    for action in made.next_actions:
        action.wait_until_finished()
    taken = client.servers.create_image(made.server, description="before", type="snapshot", labels={"x": "y"})
    taken.action.wait_until_finished()
    (found,) = client.images.get_all(type=["snapshot"], label_selector="x=y")
    assert (found.id, found.description, found.created_from.id) == (taken.image.id, "before", made.server.id)
    copy = client.servers.create(name="two", server_type=CX23, image=found, location=Location(name="hel1"))
    assert client.servers.get_by_id(copy.server.id).image.id == found.id
    address = client.floating_ips.create(type="ipv4", name="edge", home_location=FSN1).floating_ip
    for server in (made.server, copy.server):
        client.floating_ips.assign(address, server).wait_until_finished()
        assert client.floating_ips.get_by_name("edge").server.id == server.id
    client.floating_ips.unassign(address).wait_until_finished()
    assert client.floating_ips.delete(address)
    assert client.images.delete(found)
    assert client.images.get_all(type=["snapshot"]) == []
