"""The API's read-only part: locations, datacenters, server types, prices.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#locations and the resources after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lab.cloud.call import Call, Route
from lab.cloud.listing import by_fields, in_order, page
from lab.cloud.reply import Reply, not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lab.cloud.catalogue import Catalogue, Datacenter, Image, Location, ServerType
    from lab.cloud.project import Project
    from lab.cloud.reply import Json

T = TypeVar("T", "Datacenter", "Location", "ServerType")
HOURS_A_MONTH = 624  # Hetzner's monthly caps are that many times the hourly price
VAT_PERCENT = 19
INCLUDED_TRAFFIC_BYTES = 20 * 1024**4


def show_location(location: Location) -> Json:
    """Return a location as a client sees it."""
    return {
        "id": location.id,
        "name": location.name,
        "description": location.description,
        "country": location.country,
        "city": location.city,
        "latitude": location.latitude,
        "longitude": location.longitude,
        "network_zone": location.network_zone,
    }


def show_server_type(project: Project, kind: ServerType) -> Json:
    """Return a server type as a client sees it, with where it can be had now."""
    catalogue, settings = project.catalogue, project.settings
    places = [place for place in catalogue.locations if place.name in kind.locations]
    return {
        "id": kind.id,
        "name": kind.name,
        "description": kind.name.upper(),
        "category": kind.category,
        "cores": kind.cores,
        "memory": kind.memory,
        "disk": kind.disk,
        "deprecated": False,
        "deprecation": None,
        "prices": [{"location": place.name, **_price(kind.price)} for place in places],
        "storage_type": "local",
        "cpu_type": kind.cpu_type,
        "architecture": kind.architecture,
        "locations": [
            {
                "id": place.id,
                "name": place.name,
                "deprecation": None,
                "available": settings.has_capacity(kind.name, place.name),
                "recommended": settings.has_capacity(kind.name, place.name),
            }
            for place in places
        ],
    }


def show_image(image: Image) -> Json:
    """Return a system image as a client sees it."""
    return {
        "id": image.id,
        "type": "system",
        "status": "available",
        "name": image.name,
        "description": image.description,
        "image_size": None,
        "disk_size": 5,
        "created": image.created,
        "created_from": None,
        "bound_to": None,
        "os_flavor": image.os_flavor,
        "os_version": image.os_version,
        "rapid_deploy": True,
        "protection": {"delete": False},
        "deprecated": None,
        "deprecation": None,
        "deleted": None,
        "labels": {},
        "architecture": image.architecture,
    }


def _show_datacenter(catalogue: Catalogue, datacenter: Datacenter) -> Json:
    place = catalogue.location(datacenter.location)
    kinds = [kind.id for kind in catalogue.server_types if datacenter.location in kind.locations]
    return {
        "id": datacenter.id,
        "name": datacenter.name,
        "description": datacenter.name,
        "location": show_location(place) if place else None,
        "server_types": {"supported": kinds, "available": kinds, "available_for_migration": kinds},
    }


def _pricing(call: Call) -> Reply:
    catalogue = call.project.catalogue
    kinds = [show_server_type(call.project, kind) for kind in catalogue.server_types]
    address = [{"location": place.name, **_price(0.0008)} for place in catalogue.locations]
    body = {
        "currency": "EUR",
        "vat_rate": f"{VAT_PERCENT}.00",
        "image": {"price_per_gb_month": _amount(0.0110)},
        "volume": {"price_per_gb_month": _amount(0.0440)},
        "server_backup": {"percentage": "20.00"},
        "server_types": [{key: kind[key] for key in ("id", "name", "prices")} for kind in kinds],
        "primary_ips": [
            {"type": "ipv4", "prices": address},
            {"type": "ipv6", "prices": [{"location": p.name, **_price(0.0)} for p in catalogue.locations]},
        ],
    }
    return Reply(status=200, body={"pricing": body})


def _price(hourly: float) -> Json:
    return {
        "price_hourly": _amount(hourly),
        "price_monthly": _amount(hourly * HOURS_A_MONTH),
        "included_traffic": INCLUDED_TRAFFIC_BYTES,
        "price_per_tb_traffic": _amount(1.0),
    }


def _amount(net: float) -> Json:
    return {"net": f"{net:.4f}", "gross": f"{net * (100 + VAT_PERCENT) / 100:.4f}"}


def _read_only(
    singular: str,
    plural: str,
    items: Callable[[Catalogue], Sequence[T]],
    show: Callable[[Project, T], Json],
    filters: Mapping[str, Callable[[T], str]],
) -> tuple[Route, ...]:
    """Return the two routes of something that can only be read."""

    def listed(call: Call) -> Reply:
        catalogue = call.project.catalogue
        chosen = by_fields(call, items(catalogue), {"name": lambda item: item.name, **filters})
        chosen = in_order(call, chosen, {"id": lambda item: item.id, "name": lambda item: item.name})
        return page(call, plural, [show(call.project, item) for item in chosen])

    def one(call: Call) -> Reply:
        catalogue, number = call.project.catalogue, call.number(singular)
        for item in items(catalogue):
            if item.id == number:
                return Reply(status=200, body={singular: show(call.project, item)})
        raise not_found(singular, number)

    return (
        Route(method="GET", pattern=f"/{plural}", handler=listed),
        Route(method="GET", pattern=f"/{plural}/*", handler=one),
    )


ROUTES = (
    *_read_only("location", "locations", lambda c: c.locations, lambda _, item: show_location(item), {}),
    *_read_only(
        "datacenter", "datacenters", lambda c: c.datacenters, lambda p, item: _show_datacenter(p.catalogue, item), {}
    ),
    *_read_only("server_type", "server_types", lambda c: c.server_types, show_server_type, {}),
    Route(method="GET", pattern="/pricing", handler=_pricing),
)
