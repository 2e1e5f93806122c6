"""All deliveries of a deployment, one host after the other: who, by which way and in which order is the plan's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pulumi

from cloud_init import Material, render_delivered
from components.delivery import Delivery, Door
from plan.model.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pulumi_command as command
    from pulumi_command.remote import Command

    from components.keys import Keys
    from components.machine import Machine
    from plan import Host
    from plan.model.delivery import Step

SEQUENCE: Final = 1  # what was told at birth is 0; a number that grew by itself would be a change each time


class Rollout(pulumi.ComponentResource):
    """Tell hosts what the plan says; one that does not take it leaves those after it as they are.

    `confirmed` has each host's confirmation, by its name.

    Args:
        name: Name of the component; its children begin with it.
        provider: Of the command package.
        machines: By the names of their hosts.
        keys: Of the deployment.
        resolve: What each reference of the plan stands for.
        steps: In the order of their turns.
    """

    def __init__(
        self,
        name: str,
        *,
        provider: command.Provider,
        machines: Mapping[str, Machine],
        keys: Keys,
        resolve: Callable[[Ref], pulumi.Output[str]],
        steps: Sequence[Step],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("farshore:components:Rollout", name, None, opts)
        self._name, self._machines, self._keys, self._resolve = name, machines, keys, resolve
        self._commands = provider
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
                needs += [self._machines[through].firewall, self._machines[through].power]
            if through in self.confirmed:
                # One connection to it serves all tries, and opens what the shield had been told when it was made.
                needs.append(self.confirmed[through])
            self._deliveries[name] = Delivery(
                f"{self._name}-{machine.host.account}.{name}",
                provider=self._commands,
                door=self._door(machine, str(machine.host.address) if through else None),
                through=shield.door if shield else None,
                server=machine.server.id,
                size=machine.host.server_type,
                power=machine.power,
                needs=needs,
                opts=pulumi.ResourceOptions(parent=self),
            )
        return self._deliveries[name]

    def _document(self, name: str) -> pulumi.Output[str]:
        """Return a host's bundle as JSON."""
        host = self._machines[name].host
        told = pulumi.Output.all(**{str(ref): self._resolve(ref) for ref in host.references()})
        return told.apply(lambda values: render_delivered(host, Material(values), sequence=SEQUENCE))

    def _door(self, machine: Machine, inside: str | None) -> Door:
        """Return a host's door as it is born: inside the tunnel, or at its public address."""
        host: Host = machine.host
        assert host.way is not None, f"{host.name}: a step without a way"
        return Door(
            address=inside or machine.public_addresses()[host.way.family],
            private_key=self._keys.delivery_private_key(host.delivery_key),
            host_key=self._resolve(Ref("ssh-public", host.name)),
        )
