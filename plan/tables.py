"""Facts about the world, read from the data files beside this module.

Pure after import: each table carries its source and its date, so that a message can say how old it is.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from ipaddress import IPv4Address, IPv6Address


@dataclass(frozen=True, kw_only=True)
class Location:
    """One place where a provider has machines; `country` is an ISO 3166 code."""

    city: str
    country: str


@dataclass(frozen=True, kw_only=True)
class ProviderTable:
    """What one provider offers, as of `day`."""

    source: str
    day: date
    locations: Mapping[str, Location]
    server_types: tuple[str, ...]
    resolvers: tuple[IPv4Address | IPv6Address, ...]


@cache
def countries() -> Mapping[str, str]:
    """Return the names of all countries by their ISO 3166 code."""
    raw = tomllib.loads(files("plan").joinpath("facts/countries.toml").read_text(encoding="utf-8"))
    return dict(raw["countries"])


@cache
def blocs() -> Mapping[str, frozenset[str]]:
    """Return the members of each group of countries that a policy may name."""
    raw = tomllib.loads(files("plan").joinpath("facts/blocs.toml").read_text(encoding="utf-8"))
    raw.pop("date")

    def members(name: str) -> frozenset[str]:
        return frozenset(raw[name]["members"]).union(*(members(other) for other in raw[name].get("with", ())))

    return {name: members(name) for name in raw}


@dataclass(frozen=True, kw_only=True)
class HostImage:
    """What differs on a host by its image; `masked_units` are systemd's, and may not run there."""

    masked_units: tuple[str, ...]


@cache
def images() -> Mapping[str, HostImage]:
    """Return the images that a host may be made from, by Hetzner's name."""
    raw = tomllib.loads(files("plan").joinpath("facts/images.toml").read_text(encoding="utf-8"))
    return {name: HostImage(masked_units=tuple(facts["masked_units"])) for name, facts in raw.items()}


@cache
def hetzner() -> ProviderTable:
    """Return what Hetzner's Cloud offers."""
    raw = tomllib.loads(files("plan").joinpath("facts/hetzner.toml").read_text(encoding="utf-8"))
    return ProviderTable(
        source=raw["source"],
        day=raw["date"],
        locations={name: Location(**facts) for name, facts in raw["locations"].items()},
        resolvers=tuple(ip_address(address) for address in raw["resolvers"]["addresses"]),
        server_types=tuple(name for group in raw["server_types"].values() for name in group),
    )
