"""What can be ordered: locations, server types and images, read from the data files beside this module.

The files are facts of the lab, each with its source and date; the product has a table of its own.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter

Architecture = Literal["x86", "arm"]


@dataclass(frozen=True, kw_only=True)
class Location:
    """A place; `ipv4` is the range that its addresses come from, everything else is as Hetzner shows it."""

    id: int
    name: str
    description: str
    country: str
    city: str
    latitude: float
    longitude: float
    network_zone: str
    ipv4: str


@dataclass(frozen=True, kw_only=True)
class Datacenter:
    """A datacenter of the deprecated resource, with its location's name."""

    id: int
    name: str
    location: str


@dataclass(frozen=True, kw_only=True)
class ServerType:
    """A size of server: memory and disk in GB, price in net EUR an hour, and the names of its locations."""

    id: int
    name: str
    category: str
    cores: int
    memory: float
    disk: int
    cpu_type: Literal["shared", "dedicated"]
    architecture: Architecture
    price: float
    locations: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Image:
    """A system image."""

    id: int
    name: str
    description: str
    os_flavor: str
    os_version: str
    architecture: Architecture
    created: str


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Everything that can be ordered."""

    locations: tuple[Location, ...]
    datacenters: tuple[Datacenter, ...]
    server_types: tuple[ServerType, ...]
    images: tuple[Image, ...]

    def location(self, wanted: str | int) -> Location | None:
        """Return a location by name or id, or None."""
        return _first(self.locations, wanted)

    def server_type(self, wanted: str | int) -> ServerType | None:
        """Return a server type by name or id, or None."""
        return _first(self.server_types, wanted)

    def image(self, wanted: str | int, architecture: Architecture) -> Image | None:
        """Return an image by id, or by name for an architecture, or None."""
        if isinstance(wanted, int):
            return self.image_by_id(wanted)
        return _first(tuple(image for image in self.images if image.architecture == architecture), wanted)

    def image_by_id(self, number: int) -> Image | None:
        """Return an image by id, or None."""
        return _first(self.images, number)


T = TypeVar("T", Location, ServerType, Image)


@functools.cache
def load_catalogue() -> Catalogue:
    """Return the catalogue of the data files."""
    here = Path(__file__).parent
    data: dict[str, Any] = {}
    for file in ("locations.toml", "server_types.toml", "images.toml"):
        data |= tomllib.loads((here / file).read_text(encoding="utf-8"))
    return TypeAdapter(Catalogue).validate_python(data)


def _first(items: tuple[T, ...], wanted: str | int) -> T | None:
    return next((item for item in items if wanted in (item.id, item.name)), None)
