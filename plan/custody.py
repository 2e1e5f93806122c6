"""Whose WireGuard keys were made on their hosts, whose are to be, and what that means for what hosts are told.

Pure. A host has to be born with some key, for it is reached through its tunnel: those of the generations that stand
then come from the state. A generation that is staged while a host stands has a key there that nobody else ever sees.

What a key is stays as it is for as long as its generation and its server: `farshore:custody` says what is staged next.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from plan.faults import Fault, StackError, choices
from plan.values import is_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from plan.model import Host, Plan
    from plan.model.refs import Ref
    from plan.standing import OwnKey, Standing


@dataclass(frozen=True)
class Custody:
    """Who has which keys.

    Args:
        known: Keys that running servers made, and have told the public halves of, by their hosts' names.
        servers: The provider's numbers of these servers: another one has none of them.
        asked: Keys that this run asks running hosts for: interfaces by generation, by the hosts' names.
    """

    known: Mapping[str, tuple[OwnKey, ...]] = field(default_factory=dict)
    servers: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, Mapping[int, tuple[str, ...]]] = field(default_factory=dict)

    def at_birth(self, host: Host) -> Host:
        """Return a host as a new server of it is born: with keys of the state, and what is asked for comes later.

        Where hosts make keys, it knows the active generation alone: of another one its peers may not have told yet.
        """
        if not self.known and not self.asked:
            return host
        return replace(host, interfaces=tuple(one for one in host.interfaces if one.generation == host.active))

    def as_told(self, host: Host, server: str) -> Host:
        """Return a host as its bundle has it: which of its keys it has itself.

        Args:
            host: The plan's.
            server: The provider's number of its server.
        """
        own = {(key.generation, key.interface) for key in self.kept_by(host.name, server)}
        own |= {(number, name) for number, names in self.asked.get(host.name, {}).items() for name in names}
        if not own:
            return host
        return replace(
            host,
            interfaces=tuple(
                replace(one, own_key=True) if (one.generation, one.name) in own else one for one in host.interfaces
            ),
        )

    def kept_by(self, host: str, server: str) -> tuple[OwnKey, ...]:
        """Return the keys that a server of a host has made before; none where it is a new one."""
        return self.known.get(host, ()) if self.servers.get(host) == server else ()

    def half(self, public: Ref) -> OwnKey | None:
        """Return the key, known before, that a reference to a public half means; None where it means no such."""
        host, _, interface = public.of.partition("/")
        found = self.known.get(host, ()) if public.kind == "public" else ()
        return next((key for key in found if key.interface == interface), None)

    def answered(self, host: str) -> tuple[int, ...]:
        """Return the generations that a host was asked for by a run before this one."""
        return tuple(number for number in self.all_of(host) if number not in self.asked.get(host, {}))

    def all_of(self, host: str) -> dict[int, tuple[str, ...]]:
        """Return the interfaces whose keys a running host makes or has made, by generation, in order."""
        found: dict[int, tuple[str, ...]] = {}
        for key in self.known.get(host, ()):
            found[key.generation] = (*found.get(key.generation, ()), key.interface)
        return dict(sorted({**found, **self.asked.get(host, {})}.items()))


def plan_custody(plan: Plan, standing: Standing) -> Custody:
    """Return who has which keys once a plan has been carried out.

    Args:
        plan: What should exist.
        standing: What does.
    """
    known: dict[str, tuple[OwnKey, ...]] = {}
    asked: dict[str, dict[int, tuple[str, ...]]] = {}
    for host in plan.hosts:
        told = standing.hosts.get(host.name)
        if told is None:
            continue
        stands = {(one.generation, one.name) for one in host.interfaces}
        if kept := tuple(key for key in told.own_keys if (key.generation, key.interface) in stands):
            known[host.name] = kept
        for generation in plan.generations if plan.custody == "host" else ():
            if generation not in told.generations:
                names = tuple(one.name for one in host.interfaces if one.generation == generation)
                asked.setdefault(host.name, {})[generation] = names
    return Custody(known, {name: standing.hosts[name].server for name in known}, asked)


def read_halves(text: str, host: str, names: Collection[str]) -> dict[str, str]:
    """Return public halves by interface, as a host says them: they go into the files of others, so none is believed.

    Args:
        text: A line for each interface: its name and the half.
        host: Whose, for the error.
        names: Interfaces that it was asked for.

    Raises:
        StackError: It says something else.
    """
    found = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    if found.keys() != set(names) or not all(map(is_key, found.values())):
        where, allowed = f"host {host}", f"a key for each of {', '.join(names)}"
        raise StackError([Fault(where, "another answer than public halves of keys", allowed, "see that it is whole")])
    return found


def half_of(known: OwnKey, server: str, now: str, stashed: str) -> str:
    """Return the public half that a host has: one that its server made goes with it, and its next has the state's.

    Args:
        known: What the server said.
        server: The provider's number of that one.
        now: Of the one that there is.
        stashed: The state's.
    """
    return known.public if now == server else stashed


def judge_custody(custody: Custody, told: Collection[str]) -> Iterator[Fault]:
    """Yield a fault where a key is to be made on a host that this run does not connect to.

    Args:
        custody: Of the plan.
        told: Names of the hosts that this run tells what the plan says.
    """
    if silent := [name for name in custody.asked if name not in told]:
        yield Fault(
            "farshore:custody",
            f"'host', and this run asks nothing of {choices(silent)}",
            "hosts that are asked for keys in the run that stages them",
            "let delivery reach them (docs/day2.md), or say state",
        )


def outside_hosts(plan: Plan, standing: Standing) -> tuple[str, ...]:
    """Return the hosts whose newest keys were not made on them: whoever has the state may have them, or user data."""
    newest = plan.generations[-1]
    custody = plan_custody(plan, standing)
    return tuple(host.name for host in plan.hosts if newest not in custody.all_of(host.name) or _partly(custody, host))


def tell_custody(plan: Plan, standing: Standing) -> Iterator[str]:
    """Tell whose keys are not where the stack file wants them, and what ends that."""
    names = outside_hosts(plan, standing) if plan.custody == "host" else ()
    if names:
        which = "has its key" if len(names) == 1 else "have their keys"
        yield (
            f"farshore:custody: host, and {choices(names)} {which} of generation {plan.generations[-1]} from the "
            "state; `farshore rotate` has new ones made there (docs/custody.md)"
        )


def stranded_without(plan: Plan, standing: Standing, shield: str) -> tuple[str, ...]:
    """Return the origins that know a running shield by a key which goes with its server: another they could not dial.

    Args:
        plan: What should exist.
        standing: What does.
        shield: Name of the host that may be replaced.
    """
    made = {key.generation for key in plan_custody(plan, standing).known.get(shield, ())}
    return tuple(origin.name for origin in plan.origins if shield in origin.shields) if plan.active in made else ()


def _partly(custody: Custody, host: Host) -> bool:
    """Tell whether a host has interfaces of its newest generation whose keys it has not made."""
    newest = host.generations[-1]
    own = custody.all_of(host.name).get(newest, ())
    return any(one.generation == newest and one.name not in own for one in host.interfaces)
