"""What can be ordered: the data files hold together and are shown as Hetzner shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.cloud.catalogue import load_catalogue

if TYPE_CHECKING:
    from tests.cloud.driver import Client


def test_locations_are_those_of_hetzner(a: Client) -> None:
    """Name, country and zone; the lab's own range stays its own."""
    shown = a.get("/locations")["locations"]
    assert [(place["name"], place["country"], place["network_zone"]) for place in shown] == [
        ("fsn1", "DE", "eu-central"),
        ("nbg1", "DE", "eu-central"),
        ("hel1", "FI", "eu-central"),
        ("ash", "US", "us-east"),
        ("hil", "US", "us-west"),
        ("sin", "SG", "ap-southeast"),
    ]
    assert all("ipv4" not in place for place in shown)
    assert a.get("/locations/3")["location"] == shown[2]
    assert a.get("/locations?name=hel1")["locations"] == [shown[2]]


def test_the_catalogue_holds_together() -> None:
    """Ids and names are unique, every type stands somewhere that exists, every system comes for both kinds."""
    catalogue = load_catalogue()
    for items in (catalogue.locations, catalogue.server_types, catalogue.images, catalogue.datacenters):
        assert len({item.id for item in items}) == len(items)
    places = {place.name for place in catalogue.locations}
    assert len({kind.name for kind in catalogue.server_types}) == len(catalogue.server_types)
    assert all(kind.locations and set(kind.locations) <= places for kind in catalogue.server_types)
    assert {datacenter.location for datacenter in catalogue.datacenters} == places
    for architecture in ("x86", "arm"):
        names = {image.name for image in catalogue.images if image.architecture == architecture}
        assert names == {"debian-12", "debian-13", "ubuntu-24.04"}


@pytest.mark.parametrize(
    ("name", "architecture", "place", "not_place"),
    [("cx23", "x86", "fsn1", "ash"), ("cax11", "arm", "hel1", "sin"), ("cpx11", "x86", "hil", "fsn1")],
)
def test_a_server_type_names_its_locations(a: Client, name: str, architecture: str, place: str, not_place: str) -> None:
    """Clients choose by `locations` and read a price for each."""
    (kind,) = a.get(f"/server_types?name={name}")["server_types"]
    names = [location["name"] for location in kind["locations"]]
    assert kind["architecture"] == architecture
    assert place in names
    assert not_place not in names
    assert [price["location"] for price in kind["prices"]] == names
    assert a.get(f"/server_types/{kind['id']}")["server_type"] == kind


def test_an_image_is_chosen_by_name_and_architecture(a: Client) -> None:
    """As the provider asks."""
    query = "/images?architecture={}&include_deprecated=true&name=debian-12"
    (x86,), (arm,) = (a.get(query.format(kind))["images"] for kind in ("x86", "arm"))
    assert (x86["id"], arm["id"]) == (114690387, 114690389)
    assert (x86["name"], x86["type"], x86["status"], x86["os_version"]) == ("debian-12", "system", "available", "12")
    assert a.get(f"/images/{arm['id']}")["image"] == arm
    assert len(a.get("/images?name=debian-12&architecture=x86&architecture=arm")["images"]) == 2
    assert a.get("/images?name=debian-1")["images"] == []
    assert a.get("/images?type=snapshot")["images"] == []
    assert [image["id"] for image in a.get("/images?sort=id:desc&per_page=1")["images"]] == [310557661]


def test_datacenters_still_answer(a: Client) -> None:
    """The deprecated resource names a location each."""
    shown = a.get("/datacenters?name=hel1-dc2")["datacenters"]
    assert [datacenter["location"]["name"] for datacenter in shown] == ["hel1"]
    assert 104 in shown[0]["server_types"]["available"]


def test_prices_have_a_shape(a: Client) -> None:
    """Net and gross as text, for each type and location."""
    pricing = a.get("/pricing")["pricing"]
    assert (pricing["currency"], pricing["vat_rate"]) == ("EUR", "19.00")
    assert len(pricing["server_types"]) == len(load_catalogue().server_types)
    first = pricing["primary_ips"][0]["prices"][0]
    assert float(first["price_hourly"]["gross"]) > float(first["price_hourly"]["net"]) > 0
