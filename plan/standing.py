"""What stands: what each running server was told, as the last run left it in the stack's outputs.

Pure. A running server keeps what it was told until it is told more over SSH, or replaced.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from plan.data_told import DataTold, data_after, data_told, read_data
from plan.values import FIRST_GENERATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plan.model import Device, Host, Plan


@dataclass(frozen=True, order=True)
class OwnKey:
    """A WireGuard key that a host made, which alone has it: of an interface and a generation; the `public` half."""

    generation: int
    interface: str
    public: str


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a server was told, as far as it is no secret and a person may ask for it.

    Args:
        server: The provider's number of it; empty for the next one.
        slot: The host's number.
        network: The tunnel network, in IPv4 and IPv6.
        addresses: Its own in there.
        shields: That it stands behind (an origin's).
        digest: Of everything that it was told but keys and public addresses.
        birth: Of the part of it that only a new server takes: packages, and the host's own setup.
        accepts: Ports that it accepts inside its tunnels.
        delivery: It was told to let delivery in, so that it can be told more while it runs.
        generations: Sets of keys that it has.
        active: The one by which it sends.
        own_keys: Those that it made itself; all others came from the state.
        location: Where it stands; empty for what a version wrote that did not say.
        server_type: Its size; the same.
        kept: Its public addresses are protected.
        data: Its volume, if it has one.
        host_keys: Public halves of the SSH host keys that it said were born on it, when it last confirmed.
    """

    server: str
    slot: int
    network: tuple[str, str]
    addresses: tuple[str, str]
    shields: tuple[str, ...]
    digest: str
    birth: str
    accepts: tuple[str, ...]
    delivery: bool
    generations: tuple[int, ...] = (FIRST_GENERATION,)
    active: int = FIRST_GENERATION
    own_keys: tuple[OwnKey, ...] = ()
    location: str
    server_type: str
    kept: bool = False
    data: DataTold | None = None
    host_keys: tuple[str, ...] = ()

    def as_output(self) -> dict[str, Any]:
        """Return the same as a stack's outputs hold it, and `read_standing` reads it."""
        return {
            "server": self.server,
            "slot": self.slot,
            "network": list(self.network),
            "addresses": list(self.addresses),
            "shields": list(self.shields),
            "digest": self.digest,
            "birth": self.birth,
            "accepts": list(self.accepts),
            "delivery": self.delivery,
            "generations": list(self.generations),
            "active": self.active,
            "location": self.location,
            "server_type": self.server_type,
            "kept": self.kept,
        } | {
            **({"data": self.data.as_output()} if self.data else {}),
            **({"host_keys": list(self.host_keys)} if self.host_keys else {}),
            **(
                {"own_keys": [[key.generation, key.interface, key.public] for key in self.own_keys]}
                if self.own_keys
                else {}
            ),
        }


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What stands: servers by the names of their hosts, and of devices the tunnel address at each shield, and the keys.

    Args:
        hosts: What each one's running server was told.
        devices: Tunnel address at each shield, by name.
        dials: Generation of the shields' keys that a device's files have, by name.
    """

    hosts: Mapping[str, Told] = field(default_factory=dict)
    devices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    dials: Mapping[str, int] = field(default_factory=dict)


def told_to(plan: Plan, host: Host, digest: str, birth: str) -> Told:
    """Return what a host is told today.

    Args:
        plan: Of the host.
        host: One of it.
        digest: Of everything but keys and public addresses.
        birth: Of the part that only a new server takes.
    """
    return Told(
        server="",
        slot=host.slot,
        network=(str(plan.network), str(plan.network6)),
        addresses=(str(host.address), str(host.address6)),
        shields=tuple(sorted(host.shields)),
        digest=digest,
        birth=birth,
        accepts=accepted(host),
        delivery=host.way is not None,
        generations=plan.generations,
        active=plan.active,
        location=host.location,
        server_type=host.server_type,
        kept=host.addresses_kept,
        data=data_told(host),
    )


def accepted(host: Host) -> tuple[str, ...]:
    """Return what a host accepts inside its tunnels, as far as its shields' edges may send it: `tcp/8080`."""
    ports = {f"{flow.protocol}/{port}" for flow in host.firewall.accepts for port in flow.ports}
    return tuple(sorted(ports))


def what_it_knows(
    before: Told | None,
    server: str,
    now: Told,
    *,
    delivered: bool,
    own_keys: tuple[OwnKey, ...] = (),
    host_keys: tuple[str, ...] = (),
) -> Told:
    """Return what one server has been told after a run.

    Args:
        before: What is known of the host's last server.
        server: The provider's number of the one that stands now.
        now: From `told_to`.
        delivered: This run has told it over SSH, if it is not a new one.
        own_keys: Those of the keys that it was told to use which it has made itself.
        host_keys: SSH host keys that it has said it has.
    """
    now = replace(now, own_keys=own_keys)
    if before is None or before.server != server:
        return replace(now, server=server, host_keys=host_keys)
    data = data_after(before.data, now.data, delivered=delivered)
    # Place, size, addresses and volume are the provider's: whatever a run says of them holds once it is over.
    ordered = replace(before, location=now.location, server_type=now.server_type, kept=now.kept, data=data)
    known = replace(now, birth=before.birth, data=data) if delivered else ordered
    return replace(known, server=server, host_keys=host_keys or before.host_keys)


def addresses_of(device: Device) -> dict[str, str]:
    """Return a device's tunnel address at each shield."""
    return {tunnel.shield: str(tunnel.addresses[0].ip) for tunnel in device.tunnels}


def read_standing(output: object) -> Standing:
    """Return what the last run wrote into the stack's outputs; what is missing or strange is nothing."""
    hosts, devices, dials = (_mapping(_mapping(output).get(key)) for key in ("hosts", "devices", "dials"))
    known = {name: _told(_mapping(said)) for name, said in hosts.items()}
    return Standing(
        hosts={name: told for name, told in known.items() if told is not None},
        devices={name: {at: str(own) for at, own in _mapping(said).items()} for name, said in devices.items()},
        dials={name: int(said) for name, said in dials.items() if isinstance(said, (int, float))},
    )


def _told(said: Mapping[str, Any]) -> Told | None:
    """Return what one host was told, None if it is not all there."""
    try:
        return Told(
            server=str(said["server"]),
            slot=int(said["slot"]),
            network=(str(said["network"][0]), str(said["network"][1])),
            addresses=(str(said["addresses"][0]), str(said["addresses"][1])),
            shields=tuple(map(str, said["shields"])),
            digest=str(said["digest"]),
            # What a version wrote that could not deliver: its servers answer nobody.
            birth=str(said.get("birth", said["digest"])),
            accepts=tuple(map(str, said.get("accepts", ()))),
            delivery=said.get("delivery") is True,
            generations=tuple(map(int, said.get("generations", (FIRST_GENERATION,)))),
            active=int(said.get("active", FIRST_GENERATION)),
            own_keys=tuple(OwnKey(int(one[0]), str(one[1]), str(one[2])) for one in said.get("own_keys", ())),
            location=str(said.get("location", "")),
            server_type=str(said.get("server_type", "")),
            kept=said.get("kept") is True,
            data=read_data(said.get("data")),
            host_keys=tuple(map(str, said.get("host_keys", ()))),
        )
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
