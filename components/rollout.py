"""All deliveries of a deployment, one host after the other: who, by which way and in which order is the plan's."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import pulumi

from cloud_init import Material, render_delivered
from components.delivery import Delivery, Door
from plan.data import as_it_runs
from plan.host_keys import believed_key
from plan.model.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pulumi_command as command
    from pulumi_command.remote import Command

    from components.halves import Halves
    from components.keys import Keys
    from components.machine import Machine
    from plan import Host
    from plan.custody import Custody
    from plan.model.delivery import Step
    from plan.standing import Told

SEQUENCE: Final = 1  # what was told at birth is 0; a number that grew by itself would be a change each time


class Rollout(pulumi.ComponentResource):
    """Tell hosts what the plan says; one that does not take it leaves those after it as they are.

    `confirmed` has each host's confirmation, by its name.

    Args:
        name: Name of the component; its children begin with it.
        provider: Of the command package.
        machines: By the names of their hosts.
        keys: Of the deployment.
        custody: Who has which keys.
        halves: Takes the public ones of keys that hosts make.
        resolve: What each reference of the plan stands for.
        told: What the last run left of hosts, by their names.
        steps: In the order of their turns.
    """

    def __init__(
        self,
        name: str,
        *,
        provider: command.Provider,
        machines: Mapping[str, Machine],
        keys: Keys,
        custody: Custody,
        halves: Halves,
        resolve: Callable[[Ref], pulumi.Output[str]],
        told: Mapping[str, Told],
        steps: Sequence[Step],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("farshore:components:Rollout", name, None, opts)
        self._name, self._machines, self._keys, self._resolve = name, machines, keys, resolve
        self._custody, self._commands, self._told = custody, provider, told
        self._steps = {step.host: step for step in steps}
        self._deliveries: dict[str, Delivery] = {}
        self.confirmed: dict[str, Command] = {}
        # Who makes keys is asked before anybody is told anything: the others have to be told the public halves.
        made: list[pulumi.Resource] = []
        for host, asked in custody.asked.items():
            for generation, names in asked.items():
                answer = self._delivery(host).ask_keys(generation, names)
                halves.take(host, names, answer.stdout)
                made.append(answer)
        before: list[pulumi.Resource] = []
        for step in steps:
            confirmed = self._delivery(step.host).tell(self._document(step.host), [*made, *before])
            self.confirmed[step.host], before = confirmed, [confirmed]
            for generation in custody.answered(step.host):
                self._delivery(step.host).keep_keys(generation)
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
                believed=partial(_believed, self._told.get(name), machine.host.active),
                opts=pulumi.ResourceOptions(parent=self),
            )
        return self._deliveries[name]

    def _document(self, name: str) -> pulumi.Output[str]:
        """Return a host's bundle as JSON."""
        machine, before = self._machines[name], self._told.get(name)
        host, server = machine.host, machine.server.id
        told = pulumi.Output.all(**{str(ref): self._resolve(ref) for ref in host.references()})
        if name not in self._custody.known and host.data is None:
            return told.apply(lambda values: _rendered(self._custody.as_told(host, ""), values))
        return pulumi.Output.all(server, told).apply(
            lambda all_: _rendered(as_it_runs(self._custody.as_told(host, all_[0]), before, all_[0]), all_[1])
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
