"""A whole deployment: accounts, keys, addresses, then hosts, and what the world is told of them."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pulumi
import pulumi_command as command

from cloud_init import Material, draft_user_data, render_birth, render_device
from cloud_init.wireguard import render_endpoint
from components.account import Account
from components.halves import Halves
from components.keys import Keys
from components.origin import Origin
from components.rollout import Rollout
from components.shield import Shield
from plan.changes import tell_changes
from plan.cost import tell_cost
from plan.custody import judge_custody, plan_custody, tell_custody
from plan.data import judge_data, tell_erasure
from plan.delivery import plan_rollout
from plan.faults import Fault, StackError
from plan.host_keys import read_host_keys
from plan.kept import find_kept
from plan.model.refs import Ref
from plan.moves import find_moves
from plan.outputs import diagram, origin_outputs
from plan.rotation import judge_step
from plan.standing import Standing, addresses_of, told_to, what_it_knows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pulumi_command.remote import Command

    from components.machine import Machine
    from plan import Host, Plan, Secrets
    from plan.model import Device
    from plan.model.wireguard import Interface

DIGEST_DIGITS: Final = 16  # in hex: enough to tell texts apart


class Deployment(pulumi.ComponentResource):
    """Make everything that a plan names.

    Args:
        name: Name of the component; its children begin with it.
        plan: From `plan.make_plan`.
        findings: From `plan.check`; any of them stops the deployment.
        secrets: One token for each account.
        standing: What the last run left, so that the preview can say what changes.

    Raises:
        StackError: There are findings, a host that stands would have to move, or the plan is more than one step of a
            rotation away from what stands, or wants keys from hosts that are not asked for them.
        RenderError: A host's user data is too long, or its `setup` says what only Farshore may say.
    """

    def __init__(
        self,
        name: str,
        *,
        plan: Plan,
        findings: Sequence[str],
        secrets: Secrets,
        standing: Standing | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        if findings:
            raise StackError(
                Fault("farshore", text, "a safe plan", "this is a fault of ours: report it") for text in findings
            )
        self._standing = standing or Standing()
        if stuck := (
            *find_moves(plan, self._standing),
            *find_kept(plan, self._standing),
            *judge_data(plan, self._standing),
        ):
            raise StackError(stuck)
        if step := tuple(judge_step(plan, self._standing)):
            raise StackError(step)
        rollout, custody = plan_rollout(plan, self._standing), plan_custody(plan, self._standing)
        if unheard := tuple(judge_custody(custody, {step.host for step in rollout})):
            raise StackError(unheard)
        texts = draft_user_data(plan.hosts)  # what is too long is refused by the preview, before any resource
        super().__init__("farshore:components:Deployment", name, None, opts)
        for warning in plan.warnings:
            pulumi.log.warn(warning, self)
        own = pulumi.ResourceOptions(parent=self)
        self._plan = plan
        self._now = {
            host.name: told_to(plan, host, _short_digest(texts[host.name]), _short_digest(render_birth(host)))
            for host in plan.hosts
        }
        self._accounts = {
            account: Account(f"{name}-{account}", token=secrets.tokens[account], opts=own) for account in plan.accounts
        }
        self._keys = Keys(f"{name}-keys", plan=plan, psks=secrets.psks, opts=own)
        self._machines: dict[str, Machine] = {
            host.name: (Shield if host.role == "shield" else Origin)(
                f"{name}-{host.account}.{host.name}",  # a failure names the account; no name has a dot in it
                host=host,
                provider=self._accounts[host.account].provider,
                labels={"farshore-stack": plan.stack, "farshore-host": host.name},
                opts=own,
            )
            for host in plan.hosts
        }
        servers = {host: machine.server_name for host, machine in self._machines.items()}
        for change in tell_changes(plan, self._standing, self._now, servers, {step.host for step in rollout}):
            pulumi.log.warn(change, self)
        for line in tell_custody(plan, self._standing):
            pulumi.log.warn(line, self)
        self._custody, self._halves = custody, Halves(custody, self._keys, self._machines)
        commands = command.Provider(f"{name}-commands", opts=own)
        for machine in self._machines.values():
            host = machine.host
            machine.boot(
                custody.at_birth(host),
                partial(self._resolve_at_birth, host),
                self._resolve(host.delivery_key),
                commands,
                secrets.tokens[host.account],
            )
        self._confirmed: Mapping[str, Command] = {}
        if rollout:
            self._confirmed = Rollout(
                f"{name}-delivery",
                provider=commands,
                machines=self._machines,
                keys=self._keys,
                custody=custody,
                halves=self._halves,
                resolve=self._resolve,
                told=self._standing.hosts,
                steps=rollout,
                opts=own,
            ).confirmed
        self.exports = self._make_exports()
        self.register_outputs(self.exports)
        if pulumi.runtime.is_dry_run():  # a lab, which is made without a preview, costs nothing
            for line in (*tell_erasure(plan), tell_cost(plan)):
                pulumi.log.info(line, self)

    def _resolve(self, ref: Ref) -> pulumi.Output[str]:
        """Return what a reference of the plan stands for."""
        if ref.kind in {"ipv4", "ipv6"}:
            return self._machines[ref.of].address(ref.kind)
        if ref.kind in {"volume", "data-key"}:
            volume = self._machines[ref.of].volume
            assert volume is not None, f"{ref}: its host has no volume"
            return volume.number if ref.kind == "volume" else volume.key
        return self._halves.output(ref) if ref.kind == "public" else self._keys.output(ref)

    def _resolve_at_birth(self, host: Host, ref: Ref) -> pulumi.Output[str]:
        """Return what a reference stands for in the user data of one host."""
        return self._halves.at_birth(host, ref) if ref.kind == "public" else self._resolve(ref)

    def _make_exports(self) -> dict[str, Any]:
        """Return the stack's outputs: no secret, and no origin's public address."""
        plan = self._plan
        return {
            "origins": origin_outputs(plan),
            "shields": {shield.name: self._addresses(shield) for shield in plan.shields},
            "dns": [
                {"name": site.domain, "type": kind, "value": self._addresses(shield)[family]}
                for shield in plan.shields
                for site in shield.sites
                for kind, family in (("A", "ipv4"), ("AAAA", "ipv6"))
                if family in shield.families
            ],
            "tunnels": {
                interface.private_key.of: {
                    "public_key": self._resolve(interface.public_key),
                    "listen_port": interface.listen_port,
                    "mtu_bytes": interface.mtu_bytes,
                    "endpoint": None if host.hidden else self._endpoint(interface),
                }
                for host in plan.hosts
                for interface in host.interfaces
            },
            "devices": {device.name: self._device(device) for device in plan.devices},
            "diagram": diagram(plan),
            "standing": {
                "hosts": {host.name: self._knows(host) for host in plan.hosts},
                "devices": {device.name: addresses_of(device) for device in plan.devices},
                "dials": {device.name: device.generation for device in plan.devices},
            },
        }

    def _knows(self, host: Host) -> pulumi.Output[dict[str, Any]]:
        """Return what a host's running server has been told after this run: the next one compares its plan with it."""
        before, now = self._standing.hosts.get(host.name), self._now[host.name]
        server, confirmed = self._machines[host.name].server.id, self._confirmed.get(host.name)
        # What was not confirmed was not told: the outputs then stay as they were.
        said = pulumi.Output.from_input("") if confirmed is None else pulumi.Output.unsecret(confirmed.stdout)
        done = server if confirmed is None else pulumi.Output.all(server, confirmed.id).apply(lambda ids: ids[0])
        told = pulumi.Output.all(done, self._halves.own_keys(host.name), said)
        known: pulumi.Output[dict[str, Any]] = told.apply(
            lambda all_: what_it_knows(
                before,
                all_[0],
                now,
                delivered=confirmed is not None,
                own_keys=(*self._custody.kept_by(host.name, all_[0]), *all_[1]),
                host_keys=read_host_keys(all_[2] or ""),
            ).as_output()
        )
        return known

    def _endpoint(self, interface: Interface) -> pulumi.Output[str] | str | None:
        """Return where a shield's interface is dialled, as wg(8) writes it."""
        endpoint = interface.endpoint
        if endpoint is None:
            return None
        at = endpoint.address
        if not isinstance(at, Ref):
            return render_endpoint(endpoint, Material({}))
        return self._resolve(at).apply(lambda address: render_endpoint(endpoint, Material({str(at): address})))

    def _device(self, device: Device) -> pulumi.Output[dict[str, str]]:
        """Return a device's files by shield; what is its own is a marker in them."""
        told = pulumi.Output.all(**{str(ref): self._resolve(ref) for ref in device.references()})
        files: pulumi.Output[dict[str, str]] = told.apply(
            lambda values: {t.shield: render_device(device, t, Material(values)) for t in device.tunnels}
        )
        return files

    def _addresses(self, host: Host) -> dict[str, pulumi.Output[str]]:
        return self._machines[host.name].public_addresses()


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_DIGITS]
