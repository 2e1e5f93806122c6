"""Public halves of WireGuard's keys, wherever the private ones were made: kept in the state, or born on a host.

What a host has said before is known from the stack's outputs; what it is asked for now comes from its command. Which
of them holds is the plan's: `plan.custody`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from plan.custody import half_of, read_halves
from plan.model.refs import Ref
from plan.standing import OwnKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from components.keys import Keys
    from components.machine import Machine
    from plan import Host
    from plan.custody import Custody


class Halves:
    """Know every public half of a deployment.

    Args:
        custody: Who has which keys.
        keys: Of the deployment.
        machines: By the names of their hosts.
    """

    def __init__(self, custody: Custody, keys: Keys, machines: Mapping[str, Machine]) -> None:
        self._custody, self._keys, self._machines = custody, keys, machines
        self._said: dict[Ref, pulumi.Output[str]] = {}

    def take(self, host: str, names: tuple[str, ...], said: pulumi.Output[str]) -> None:
        """Take what a host says of keys that it has made.

        Args:
            host: Its name.
            names: Interfaces that it was asked for.
            said: What it printed.
        """
        halves = pulumi.Output.unsecret(said).apply(lambda text: read_halves(text, host, names))
        for name in names:
            self._said[Ref("public", f"{host}/{name}")] = halves[name]

    def output(self, public: Ref) -> pulumi.Output[str]:
        """Return a public half as it is once this run is over."""
        if public in self._said:
            return self._said[public]
        stashed, known = self._keys.output(public), self._custody.half(public)
        if known is None:
            return stashed
        host = public.of.partition("/")[0]
        server = self._machines[host].server.id
        return pulumi.Output.all(server, stashed).apply(
            lambda now: half_of(known, self._custody.servers[host], now[0], now[1])
        )

    def at_birth(self, host: Host, public: Ref) -> pulumi.Output[str]:
        """Return a public half as a new server of a host is told it.

        An origin has to know the shield by which it is told more, though that is new as well; what a shield is told
        at birth may be out of date, for nobody stands between it and what it is told then.
        """
        known = self._custody.half(public)
        if known is None or (host.hidden and not self._machines[public.of.partition("/")[0]].host.hidden):
            return self.output(public)
        return pulumi.Output.from_input(known.public)

    def own_keys(self, host: str) -> pulumi.Output[tuple[OwnKey, ...]]:
        """Return the keys that a host was asked for by this run, with what it said."""
        asked = [
            (generation, name, self._said[Ref("public", f"{host}/{name}")])
            for generation, names in self._custody.asked.get(host, {}).items()
            for name in names
        ]
        return pulumi.Output.all(*(said for _, _, said in asked)).apply(
            lambda halves: tuple(
                OwnKey(generation, name, half) for (generation, name, _), half in zip(asked, halves, strict=True)
            )
        )
