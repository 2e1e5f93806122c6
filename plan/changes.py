"""What a plan changes in a deployment that stands, in plain words, before it happens.

Pure: what the servers were told and a plan in, sentences out. A server that delivery reaches is told the change while
it runs; any other keeps what it was born with until it is replaced, however often the plan changes in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from plan.addresses import ANYWHERE
from plan.data import tell_data
from plan.delivery import who_can_be_told
from plan.faults import choices
from plan.kept import tell_kept
from plan.rotation import tell_step
from plan.standing import addresses_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from plan.model import Host, Plan
    from plan.standing import Standing, Told

NAMED: Final = 5  # servers whose replacement one line spells out; of more it says how to name them


@dataclass(frozen=True)
class _Stale:
    """A host whose running server was told something else than the plan says.

    Args:
        host: The plan's.
        told: What its server knows.
        now: What the plan says.
        reached: This run tells it, over SSH.
        held: It could, and the stack file says that nobody is told.
    """

    host: Host
    told: Told
    now: Told
    reached: bool
    held: bool

    @property
    def waits(self) -> bool:
        """Tell whether it has to be replaced before all of the plan holds."""
        return not (self.reached or self.held) or self.told.birth != self.now.birth


def tell_changes(
    plan: Plan, standing: Standing, now: Mapping[str, Told], servers: Mapping[str, str], reached: Collection[str]
) -> tuple[str, ...]:
    """Return what the plan changes, a line each; nothing where nothing stands.

    Args:
        plan: What should exist.
        standing: What does.
        now: What each host is told today, by its name.
        servers: Pulumi's name of each host's server, by the host's.
        reached: Hosts that are told over SSH.
    """
    held = {step.host for step in who_can_be_told(plan, standing)} - set(reached)
    stale = [
        _Stale(host, told, now[host.name], reached=host.name in reached, held=host.name in held)
        for host in plan.hosts
        if (told := standing.hosts.get(host.name)) is not None
        if (told.digest, told.birth) != (now[host.name].digest, now[host.name].birth)
    ]
    domains = _domains(plan)
    return (
        *_networks(plan, standing),
        *tell_step(plan, standing),
        *_sizes(plan, standing),
        *tell_data(plan, standing),
        *tell_kept(plan, standing),
        *(line for one in stale for line in _slot(one, domains)),
        *(line for one in stale for line in _moved(one, domains)),
        *(line for one in stale for line in _ports(one, domains)),
        *_devices(plan, standing),
        *_delivered(stale),
        *_held(stale),
        *_replacements([one for one in stale if one.waits], servers),
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


def _sizes(plan: Plan, standing: Standing) -> Iterator[str]:
    """Tell of servers that get another size: their provider switches them off for it."""
    for host in plan.hosts:
        told = standing.hosts.get(host.name)
        if told is not None and told.server_type not in {"", host.server_type}:
            yield (
                f"{host.key}.server_type: {told.server_type} to {host.server_type}; it is switched off for that, and "
                "on again; farshore resize looks first whether its provider has one"
            )


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


def _ports(stale: _Stale, domains: Mapping[str, list[str]]) -> Iterator[str]:
    """Tell of ports that come and go at once: for a moment the origin has left one that its shields still send to."""
    gone, come = set(stale.told.accepts) - set(stale.now.accepts), set(stale.now.accepts) - set(stale.told.accepts)
    if stale.reached and gone and come and stale.host.name in domains:
        yield (
            f"{stale.host.key}.services: {', '.join(sorted(gone))} goes and {', '.join(sorted(come))} comes; "
            "whoever is sent from the one to the other is refused until both ends are told: to lose nobody add the new "
            "service first, with the domain on it, and take the old one away by another `pulumi up`"
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
        if standing.dials.get(device.name, device.generation) != device.generation:
            what.append(f"its shields' keys and ports are those of generation {device.generation}")
        if was and what:
            yield f"{device.key}: {'; '.join(what)}; give it its new files (pulumi stack output devices)"


def _delivered(stale: Sequence[_Stale]) -> Iterator[str]:
    """Tell which servers are told the change while they run."""
    names = [one.host.name for one in stale if one.reached and one.told.digest != one.now.digest]
    if names:
        how = "told over SSH by this `pulumi up`, one after the other, while they run; no server is replaced"
        yield f"{choices(names)}: {how}"


def _held(stale: Sequence[_Stale]) -> Iterator[str]:
    """Tell which servers would be told the change, if anybody were."""
    names = [one.host.name for one in stale if one.held and one.told.digest != one.now.digest]
    if names:
        how = (
            "told nothing while farshore:delivery is none; say ssh, and run `pulumi up` from a network that they answer"
        )
        yield f"{choices(names)}: {how}"


def _replacements(stale: Sequence[_Stale], servers: Mapping[str, str]) -> Iterator[str]:
    """Tell which servers have to be replaced for the plan to hold."""
    if not stale:
        return
    names = choices(one.host.name for one in stale)
    command = " ".join(f"--replace '**::{servers[one.host.name]}'" for one in stale[:NAMED])
    more = f", and so on for {len(stale) - NAMED} more" if len(stale) > NAMED else ""
    why = (
        "what only a new server takes (packages and its own setup) is not what this plan says"
        if all(one.reached or one.held for one in stale)
        else "what they were told is not what this plan says, and delivery does not reach them as they run"
    )
    yield (f"{names}: {why}; replace them together: pulumi up {command}{more}; what is on their disks goes with them")


def _visitors(plan: Plan, stale: Sequence[_Stale], domains: Mapping[str, list[str]]) -> Iterator[str]:
    """Tell which domains nobody answers while the two ends of a tunnel are not in step."""
    renumbered = {one.host.name for one in stale if one.told.addresses != _own(one.host)}
    open_to_all = {shield.name for shield in plan.shields if _takes_strangers(shield)}
    at_once: list[str] = []
    meanwhile: list[str] = []
    for one in stale:
        was, now = set(one.told.shields), set(one.host.shields)
        if was != now and not one.reached and not was & (now | open_to_all):
            at_once += domains.get(one.host.name, [])
        elif (was != now and not one.reached) or renumbered & {one.host.name, *now}:
            meanwhile += domains.get(one.host.name, [])
    held = any(one.held for one in stale)
    if at_once:
        yield (
            f"visitors of {choices(at_once)}: no answer from this `pulumi up` on until all of these are "
            f"{'told' if held else 'replaced'}, for the provider's firewall follows at once"
        )
    if meanwhile:
        when = "until all of these are told" if held else "from the first of these replacements until the last"
        yield f"visitors of {choices(meanwhile)}: no answer {when}"


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
