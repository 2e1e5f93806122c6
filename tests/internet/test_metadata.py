"""The metadata service of a server, as cloud-init asks it."""

from __future__ import annotations

import http.client
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml

from lab.internet import addresses
from lab.internet.namespace import run_inside
from tests.internet.standing import WISH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.internet.standing import Standing

pytestmark = pytest.mark.lab
IPV4, IPV6 = str(addresses.METADATA_IPV4), f"{addresses.METADATA_IPV6}%eth0"
BOTH = pytest.mark.parametrize("address", [IPV4, IPV6], ids=["ipv4", "ipv6"])


def get(namespace: str, path: str, address: str = IPV4) -> tuple[int, str]:
    """Return status and body of a request made in a namespace."""

    def act() -> tuple[int, str]:
        connection = http.client.HTTPConnection("metadata", timeout=5)
        connection.sock = socket.create_connection((address, 80), timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    return run_inside(namespace, act)


@BOTH
def test_metadata_says_what_hetzner_says(internet: Standing, address: str) -> None:
    """The document has Hetzner's keys and this server's values, over IPv4 and the link-local IPv6 address alike."""
    status, text = get(internet.host, "/hetzner/v1/metadata", address)
    assert status == 200
    assert yaml.safe_load(text) == {
        "availability-zone": "ash-dc1",
        "hostname": "shield",
        "instance-id": 7,
        "local-ipv4": "",
        "network-config": {
            "version": 1,
            "config": [
                {
                    "type": "physical",
                    "name": "eth0",
                    "mac_address": "96:00:00:00:00:07",
                    "subnets": [
                        {"type": "dhcp", "ipv4": True, "dns_nameservers": ["185.12.64.1", "185.12.64.2"]},
                        {
                            "type": "static",
                            "ipv6": True,
                            "address": "2001:db8:10::1/64",
                            "gateway": "fe80::1",
                            "dns_nameservers": ["2a01:4ff:ff00::add:2", "2a01:4ff:ff00::add:1"],
                        },
                    ],
                }
            ],
        },
        "public-ipv4": "203.0.113.10",
        "public-keys": ["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"],
        "region": "us-east",
        "vendor_data": "",
    }


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/hetzner/v1/metadata/hostname", (200, "shield")),
        ("/hetzner/v1/metadata/public-ipv4", (200, "203.0.113.10")),
        ("/hetzner/v1/metadata/private-networks", (200, "[]\n")),
        ("/hetzner/v1/metadata/colour", (404, "not found")),
        ("/hetzner/v1/userdata", (200, "#cloud-config\n{}")),
    ],
)
def test_every_path_answers(internet: Standing, path: str, answer: tuple[int, str]) -> None:
    """Each key has a path of its own, private networks exist and are none, an unknown key is not found."""
    assert get(internet.host, path) == answer


@pytest.fixture
def without_user_data(internet: Standing) -> Iterator[Standing]:
    """Return the internet with a server that has no user data."""
    internet.site.wish = replace(WISH, user_data="")
    yield internet
    internet.site.wish = WISH


def test_no_user_data_is_no_error(without_user_data: Standing) -> None:
    """A server without user data is told so at once: an error would hold its boot up for minutes."""
    assert get(without_user_data.host, "/hetzner/v1/userdata") == (204, "")


def test_nobody_else_can_ask(internet: Standing) -> None:
    """The service belongs to the server's own link: from the internet there is no way to it."""
    with pytest.raises(OSError, match=r"timed out|unreachable|refused"):
        get(internet.backbone.places["attacker"], "/hetzner/v1/userdata")
