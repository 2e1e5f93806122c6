"""All deliveries of a deployment, one host after the other: who, by which way and in which order is the plan's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import pulumi
import pulumi_command as command

from cloud_init import Material, render_delivered
from components.delivery import Delivery, Door
from plan.data import as_it_runs
from plan.host_keys import believed_key
from plan.model.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pulumi_command.remote import Command

    from components.keys import Keys
    from components.machine import Machine
    from plan import Host
    from plan.model.delivery import Step
    from plan.standing import Told

SEQUENCE: Final = 1  # what was told at birth is 0; a number that grew by itself would be a change each time


class Rollout(pulumi.ComponentResource):
    """Tell hosts what the plan says; one that does not take it leaves those after it as they are.

    `confirmed` has each host's confirmation, by its name.

    Args:
        name: Name of the component; its children begin with it.
        machines: By the names of their hosts.
        keys: Of the deployment.
        resolve: What each reference of the plan stands for.
        told: What the last run left of hosts, by their names.
        steps: In the order of their turns.
    """

    def __init__(
        self,
        name: str,
        *,
        machines: Mapping[str, Machine],
        keys: Keys,
        resolve: Callable[[Ref], pulumi.Output[str]],
        told: Mapping[str, Told],
        steps: Sequence[Step],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("farshore:components:Rollout", name, None, opts)
        self._name, self._machines, self._keys, self._resolve, self._told = name, machines, keys, resolve, told
        own = pulumi.ResourceOptions(parent=self)
        self._commands = command.Provider(f"{name}-provider", opts=own)
        self._steps = {step.host: step for step in steps}
        self._deliveries: dict[str, Delivery] = {}
        self.confirmed: dict[str, Command] = {}
        before: list[pulumi.Resource] = []
        for step in steps:
            confirmed = self._delivery(step.host).tell(self._document(step.host), before)
            self.confirmed[step.host], before = confirmed, [confirmed]
        self.register_outputs({})

    def _delivery(self, name: str) -> Delivery:
        """Return a host's delivery; what it says of the shield on the way has to be there first."""
        if name not in self._deliveries:
            machine, through = self._machines[name], self._steps[name].through
            shield = self._delivery(through) if through else None
            needs: list[pulumi.Resource] = [machine.firewall]
            if through:
                needs.append(self._machines[through].firewall)
            if through in self.confirmed:
                # One connection to it serves all tries, and opens what the shield had been told when it was made.
                needs.append(self.confirmed[through])
            self._deliveries[name] = Delivery(
                f"{self._name}-{machine.host.account}.{name}",
                provider=self._commands,
                door=self._door(machine, str(machine.host.address) if through else None),
                through=shield.door if shield else None,
                server=machine.server.id,
                needs=needs,
                believed=partial(_believed, self._told.get(name), machine.host.active),
                opts=pulumi.ResourceOptions(parent=self),
            )
        return self._deliveries[name]

    def _document(self, name: str) -> pulumi.Output[str]:
        """Return a host's bundle as JSON."""
        machine, before = self._machines[name], self._told.get(name)
        host = machine.host
        told = {str(ref): self._resolve(ref) for ref in host.references()}
        if host.data is None:
            return pulumi.Output.all(**told).apply(lambda values: _rendered(host, values))
        return pulumi.Output.all(server=machine.server.id, **told).apply(
            lambda values: _rendered(as_it_runs(host, before, str(values["server"])), values)
        )

    def _door(self, machine: Machine, inside: str | None) -> Door:
        """Return a host's door as it is born: inside the tunnel, or at its public address."""
        host: Host = machine.host
        assert host.way is not None, f"{host.name}: a step without a way"
        return Door(
            address=inside or machine.public_addresses()[host.way.family],
            private_key=self._keys.delivery_private_key(host.delivery_key),
            host_key=self._resolve(Ref("ssh-public", host.name)),
        )


def _rendered(host: Host, values: Mapping[str, str]) -> str:
    return render_delivered(host, Material(values), sequence=SEQUENCE)


def _believed(told: Told | None, generation: int, server: str, met: str) -> str:
    return believed_key(told, str(server), met, generation)
