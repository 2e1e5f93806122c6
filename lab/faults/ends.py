"""Servers and places by the names that faults have for them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Final, Protocol

from lab.faults.filter import End
from lab.faults.model import FaultError
from lab.internet import addresses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lab.server import Server

_PLACES: Final = {place.name: place for place in addresses.PLACES}


class Whole(Protocol):
    """What is needed of the world."""

    @property
    def servers(self) -> Mapping[int, Server]:
        """The servers that there are."""

    async def reset(self, server_id: int) -> None:
        """Cut a server's power and give it back."""


@dataclass(frozen=True, kw_only=True)
class EndRef:
    """A server or a place, for as long as it is there.

    Args:
        name: As it was named.
        server_id: The server's; None for a place.
    """

    name: str
    server_id: int | None


class Ends:
    """Who is on the internet now.

    Args:
        world: Whose servers are.
    """

    def __init__(self, world: Whole) -> None:
        self._world = world

    def find(self, name: str) -> EndRef:
        """Return what has a name.

        Args:
            name: A place's, a server's, or a server's id.

        Raises:
            FaultError: There is none, or more than one.
        """
        if name in _PLACES:
            return EndRef(name=name, server_id=None)
        found = [key for key, server in self._world.servers.items() if name in {str(key), server.wish.name}]
        if len(found) != 1:
            servers = (f"{server.wish.name} ({key})" for key, server in self._world.servers.items())
            known = ", ".join([*sorted(servers), *_PLACES])
            raise FaultError(f"host {name!r}: {len(found)} found, allowed: one of {known}; name it, or its id")
        return EndRef(name=name, server_id=found[0])

    def exists(self, ref: EndRef) -> bool:
        """Tell whether it still is on the internet."""
        return ref.server_id is None or ref.server_id in self._world.servers

    def end(self, ref: EndRef) -> End:
        """Return it as the router sees it now."""
        if ref.server_id is not None:
            return _end_of(self._world.servers[ref.server_id])
        place = _PLACES[ref.name]
        return End(name=place.name, interface=place.uplink, ipv4=place.ipv4, ipv6=IPv6Network(place.ipv6))

    def end_of(self, server: Server) -> End:
        """Return a server as the router sees it now."""
        return _end_of(server)

    def servers(self) -> Iterator[Server]:
        """Yield the servers whose sites stand."""
        for server in list(self._world.servers.values()):
            if server.site is not None and server.site.stands:
                yield server

    def located(self, location: str) -> Iterator[End]:
        """Yield the servers at a provider's location."""
        for server in self._world.servers.values():
            if server.wish.location == location:
                yield _end_of(server)


def _end_of(server: Server) -> End:
    wish = server.wish
    return End(name=wish.name, interface=addresses.site_uplink(wish.server_id), ipv4=wish.ipv4, ipv6=wish.ipv6)
