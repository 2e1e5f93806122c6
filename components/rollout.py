"""All deliveries of a deployment, one host after the other: who, by which way and in which order is the plan's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pulumi
import pulumi_command as command

from cloud_init import Material, render_delivered
from components.delivery import Delivery, Door
from plan.model.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from components.keys import Keys
    from components.machine import Machine
    from plan import Host
    from plan.model.delivery import Step

SEQUENCE: Final = 1  # what was told at birth is 0; a number that grew by itself would be a change each time


class Rollout(pulumi.ComponentResource):
    """Tell hosts what the plan says; one that does not take it leaves those after it as they are.

    Args:
        name: Name of the component; its children begin with it.
        machines: By the names of their hosts.
        keys: Of the deployment.
        resolve: What each reference of the plan stands for.
        steps: In the order of their turns.
    """

    def __init__(
        self,
        name: str,
        *,
        machines: Mapping[str, Machine],
        keys: Keys,
        resolve: Callable[[Ref], pulumi.Output[str]],
        steps: Sequence[Step],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("farshore:components:Rollout", name, None, opts)
        self._name, self._machines, self._keys, self._resolve = name, machines, keys, resolve
        own = pulumi.ResourceOptions(parent=self)
        self._commands = command.Provider(f"{name}-provider", opts=own)
        self.deliveries: dict[str, Delivery] = {}
        before: list[pulumi.Resource] = []
        for step in steps:
            delivery = self._deliver(step, before)
            self.deliveries[step.host] = delivery
            before = [delivery.confirmed]
        self.register_outputs({})

    def _deliver(self, step: Step, before: Sequence[pulumi.Resource]) -> Delivery:
        machine = self._machines[step.host]
        host = machine.host
        needs: list[pulumi.Resource] = [machine.firewall]
        if step.through is not None:
            needs.append(self._machines[step.through].firewall)
        told = pulumi.Output.all(**{str(ref): self._resolve(ref) for ref in host.references()})
        return Delivery(
            f"{self._name}-{host.account}.{host.name}",
            provider=self._commands,
            door=self._door(machine, str(host.address) if step.through else None),
            through=self._door(self._machines[step.through], None) if step.through else None,
            server=machine.server.id,
            document=told.apply(lambda values: render_delivered(host, Material(values), sequence=SEQUENCE)),
            needs=needs,
            after=before,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _door(self, machine: Machine, inside: str | None) -> Door:
        """Return a host's door: inside the tunnel, or at its public address."""
        host: Host = machine.host
        assert host.way is not None, f"{host.name}: a step without a way"
        return Door(
            address=inside or machine.public_addresses()[host.way.family],
            private_key=self._keys.delivery_private_key(host.delivery_key),
            host_key=self._resolve(Ref("ssh-public", host.name)),
        )
