"""What a plan changes in a deployment that stands, in plain words, before it happens.

Pure: what the servers were told at their birth and a plan in, sentences out. A running server keeps what it was born
with, so what was told stays what it is until the server is replaced, however often the plan changes in between.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from plan.addresses import ANYWHERE
from plan.faults import choices

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from plan.model import Device, Host, Plan

NAMED: Final = 5  # servers whose replacement one line spells out; of more it says how to name them


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a server was told at its birth, as far as it is no secret and a person may ask for it.

    Args:
        server: The provider's number of it; empty for the next one.
        slot: The host's number.
        network: The tunnel network, in IPv4 and IPv6.
        addresses: Its own in there.
        shields: That it stands behind (an origin's).
        digest: Of everything that it was told but keys and public addresses.
    """

    server: str
    slot: int
    network: tuple[str, str]
    addresses: tuple[str, str]
    shields: tuple[str, ...]
    digest: str

    def as_output(self) -> dict[str, Any]:
        """Return the same as a stack's outputs hold it, and `read_standing` reads it."""
        return {
            "server": self.server,
            "slot": self.slot,
            "network": list(self.network),
            "addresses": list(self.addresses),
            "shields": list(self.shields),
            "digest": self.digest,
        }


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What stands: servers by the names of their hosts, and the tunnel addresses of devices at each shield."""

    hosts: Mapping[str, Told] = field(default_factory=dict)
    devices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Stale:
    """A host whose running server was told something else than the plan says."""

    host: Host
    told: Told


def told_to(plan: Plan, host: Host, digest: str) -> Told:
    """Return what a host's next server is told."""
    return Told(
        server="",
        slot=host.slot,
        network=(str(plan.network), str(plan.network6)),
        addresses=_own(host),
        shields=tuple(sorted(host.shields)),
        digest=digest,
    )


def at_birth(before: Told | None, server: str, now: Told) -> Told:
    """Return what one server was told at its birth: what is known of it, or today's if it is a new one.

    Args:
        before: What is known of the host's last server.
        server: The provider's number of the one that stands now.
        now: From `told_to`.
    """
    return before if before is not None and before.server == server else replace(now, server=server)


def addresses_of(device: Device) -> dict[str, str]:
    """Return a device's tunnel address at each shield."""
    return {tunnel.shield: str(tunnel.addresses[0].ip) for tunnel in device.tunnels}


def read_standing(output: object) -> Standing:
    """Return what the last run wrote into the stack's outputs; what is missing or strange is nothing."""
    hosts, devices = (_mapping(_mapping(output).get(key)) for key in ("hosts", "devices"))
    known = {name: _told(_mapping(said)) for name, said in hosts.items()}
    return Standing(
        hosts={name: told for name, told in known.items() if told is not None},
        devices={name: {at: str(own) for at, own in _mapping(said).items()} for name, said in devices.items()},
    )


def tell_changes(
    plan: Plan, standing: Standing, digests: Mapping[str, str], servers: Mapping[str, str]
) -> tuple[str, ...]:
    """Return what the plan changes, a line each; nothing where nothing stands.

    Args:
        plan: What should exist.
        standing: What does.
        digests: Of what each host would be told today, by its name.
        servers: Pulumi's name of each host's server, by the host's.
    """
    stale = [
        _Stale(host, told)
        for host in plan.hosts
        if (told := standing.hosts.get(host.name)) is not None and told.digest != digests[host.name]
    ]
    domains = _domains(plan)
    return (
        *_networks(plan, standing),
        *(line for one in stale for line in _slot(one, domains)),
        *(line for one in stale for line in _moved(one, domains)),
        *_devices(plan, standing),
        *_replacements([one.host for one in stale], servers),
        *_visitors(plan, stale, domains),
    )


def _networks(plan: Plan, standing: Standing) -> Iterator[str]:
    """Tell of tunnel networks that grow or move."""
    for at, key, now in ((0, "network", plan.network), (1, "network6", plan.network6)):
        for was in sorted({told.network[at] for told in standing.hosts.values()} - {str(now)}):
            moved = [
                f"{host.name} from {told.addresses[at]} to {_own(host)[at]}"
                for host in plan.hosts
                if (told := standing.hosts.get(host.name)) and told.network[at] == was and told.slot == host.slot
                if told.addresses[at] != _own(host)[at]
            ]
            what = f"addresses inside change: {choices(moved)}" if moved else "no address inside changes"
            yield f"farshore:{key}: {was} to {now}; {what}"


def _slot(stale: _Stale, domains: Mapping[str, list[str]]) -> Iterator[str]:
    """Tell of a host with another number."""
    host, told = stale.host, stale.told
    if told.slot == host.slot:
        return
    yield (
        f"{host.key}.slot: {told.slot} to {host.slot}; its address inside changes from "
        f"{told.addresses[0]} to {host.address}, and from {told.addresses[1]} to {host.address6}"
    )
    if host.name in domains:
        yield (
            f"{host.key}.slot: an edge of somebody else's has to be told the new address for "
            f"{choices(domains[host.name])} (pulumi stack output origins)"
        )


def _moved(stale: _Stale, domains: Mapping[str, list[str]]) -> Iterator[str]:
    """Tell of an origin that stands behind other shields."""
    host, told, now = stale.host, stale.told, sorted(stale.host.shields)
    if set(now) == set(told.shields):
        return
    gone, come = sorted(set(told.shields) - set(now)), sorted(set(now) - set(told.shields))
    tunnels = [f"the tunnel to {name} goes" for name in gone] + [f"a tunnel to {name} comes" for name in come]
    where = f"{host.key}.shields"
    yield f"{where}: {', '.join(told.shields)} to {', '.join(now)}; {', '.join(tunnels)}"
    if host.name in domains:
        yield (
            f"{where}: visitors of {choices(domains[host.name])} are to come to {', '.join(now)}: publish the new "
            "records (pulumi stack output dns)"
        )


def _devices(plan: Plan, standing: Standing) -> Iterator[str]:
    """Tell of devices that need new files."""
    for device in plan.devices:
        was, now = standing.devices.get(device.name, {}), addresses_of(device)
        moved = [f"from {was[at]} to {own} at {at}" for at, own in now.items() if at in was and was[at] != own]
        come, gone = [at for at in now if at not in was], [at for at in was if at not in now]
        what = [f"its address inside changes {', '.join(moved)}"] if moved else []
        what += [f"it may dial {', '.join(come)}"] if come else []
        what += [f"it may no longer dial {', '.join(gone)}"] if gone else []
        if was and what:
            yield f"{device.key}: {'; '.join(what)}; give it its new files (pulumi stack output devices)"


def _replacements(stale: Sequence[Host], servers: Mapping[str, str]) -> Iterator[str]:
    """Tell which servers have to be replaced for the plan to hold."""
    if not stale:
        return
    names = choices(host.name for host in stale)
    command = " ".join(f"--replace '**::{servers[host.name]}'" for host in stale[:NAMED])
    more = f", and so on for {len(stale) - NAMED} more" if len(stale) > NAMED else ""
    yield (
        f"{names}: what they were told at birth is not what this plan says, and a running server is told nothing more; "
        f"replace them together: pulumi up {command}{more}; what is on their disks goes with them"
    )


def _visitors(plan: Plan, stale: Sequence[_Stale], domains: Mapping[str, list[str]]) -> Iterator[str]:
    """Tell which domains nobody answers while the two ends of a tunnel are not in step."""
    renumbered = {one.host.name for one in stale if one.told.addresses != _own(one.host)}
    open_to_all = {shield.name for shield in plan.shields if _takes_strangers(shield)}
    at_once: list[str] = []
    meanwhile: list[str] = []
    for one in stale:
        was, now = set(one.told.shields), set(one.host.shields)
        if was != now and not was & (now | open_to_all):
            at_once += domains.get(one.host.name, [])
        elif was != now or renumbered & {one.host.name, *now}:
            meanwhile += domains.get(one.host.name, [])
    if at_once:
        yield (
            f"visitors of {choices(at_once)}: no answer from this `pulumi up` on until all of these are replaced, for "
            "the provider's firewall follows at once"
        )
    if meanwhile:
        yield f"visitors of {choices(meanwhile)}: no answer from the first of these replacements until the last"


def _takes_strangers(host: Host) -> bool:
    """Tell whether the provider's firewall lets anybody speak to a host's tunnels."""
    return any(rule.protocol == "udp" and set(ANYWHERE) & set(rule.sources) for rule in host.cloud_rules)


def _own(host: Host) -> tuple[str, str]:
    return str(host.address), str(host.address6)


def _domains(plan: Plan) -> dict[str, list[str]]:
    """Return the domains that each origin answers, in order and once."""
    found: dict[str, set[str]] = {}
    for shield in plan.shields:
        for site in shield.sites:
            found.setdefault(site.origin, set()).add(site.domain)
    return {origin: sorted(domains) for origin, domains in found.items()}


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
        )
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
