"""What a shield and an origin are made of at Hetzner: addresses first, then firewall, key and server."""

from __future__ import annotations

import json
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pulumi
import pulumi_hcloud as hcloud
from pulumi_command.local import Command, Logging

from cloud_init import Material, render_user_data
from components.volume import Volume
from plan.model.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Callable

    import pulumi_command as command
    from pydantic import SecretStr

    from plan import Host
    from plan.addresses import Address, Network
    from plan.model.firewall import CloudRule

SWITCH_ON: Final = Path(__file__).with_name("switch_on.py").read_text(encoding="utf-8")


class Machine(pulumi.ComponentResource):
    """Make one planned host in its account.

    Public addresses exist as soon as the component does; the server comes with `boot`, when every other host's
    addresses and keys can be told to it.

    Args:
        kind: Type token's last part.
        name: Name of the component; its children begin with it. It names the account as well, for a name is all that
            Pulumi tells of a resource that failed.
        host: The plan's.
        provider: Of the host's account.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        *,
        host: Host,
        provider: hcloud.Provider,
        labels: dict[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(f"farshore:components:{kind}", name, None, opts)
        self.host = host
        self._name = name
        self._provider = provider
        self._labels = labels
        self._ips: dict[str, hcloud.PrimaryIp] = {family: self._primary_ip(family) for family in host.families}
        self.volume = Volume(name, host=host, labels=labels, opts=self._options()) if host.data else None

    def address(self, family: str) -> pulumi.Output[str]:
        """Return the public `ipv4` address or the base of the `ipv6` network; secret for a hidden host."""
        found: pulumi.Output[str] = self._ips[family].ip_address
        return pulumi.Output.secret(found) if self.host.hidden else found

    def public_addresses(self) -> dict[str, pulumi.Output[str]]:
        """Return the public addresses of each family that it has, as a visitor uses them."""
        found = {family: self.address(family) for family in self.host.families}
        return {
            family: address if family == "ipv4" else address.apply(_first_address) for family, address in found.items()
        }

    @property
    def server_name(self) -> str:
        """Return Pulumi's name of the server."""
        return f"{self._name}-server"

    def boot(
        self,
        born: Host,
        resolve: Callable[[Ref], pulumi.Output[str]],
        delivery_key: pulumi.Output[str],
        commands: command.Provider,
        token: SecretStr,
    ) -> None:
        """Make the firewall, the key and the server, and see that it is on.

        Args:
            born: The host as a new server of it is born.
            resolve: What each reference of the plan stands for.
            delivery_key: Public half, in OpenSSH's form.
            commands: Provider of the command package.
            token: Of the host's account.
        """
        host = self.host
        self.firewall = hcloud.Firewall(
            f"{self._name}-firewall",
            name=host.server_name,
            labels=self._labels,
            rules=[_rule(rule, resolve) for rule in host.cloud_rules],
            opts=self._options(),
        )
        # It opens nothing there (root's keys are the bundle's); without one the provider would mail a password.
        key = hcloud.SshKey(
            f"{self._name}-key",
            name=host.server_name,
            labels=self._labels,
            public_key=delivery_key,
            # Another key would be another resource, and deleting it first takes the server along that names it.
            opts=self._options(delete_before_replace=True, ignore_changes=["public_key"]),
        )
        told = pulumi.Output.all(**{str(ref): resolve(ref) for ref in born.references()})
        user_data: pulumi.Output[str] = pulumi.Output.secret(
            told.apply(lambda values: render_user_data(born, Material(values)))
        )
        self.server = hcloud.Server(
            self.server_name,
            name=host.server_name,
            labels=self._labels,
            server_type=host.server_type,
            image=host.image,
            location=host.location,
            ssh_keys=[key.id],
            firewall_ids=[self.firewall.id.apply(int)],
            public_nets=[
                hcloud.ServerPublicNetArgs(
                    ipv4_enabled="ipv4" in self._ips,
                    ipv4=self._ip_id("ipv4"),
                    ipv6_enabled="ipv6" in self._ips,
                    ipv6=self._ip_id("ipv6"),
                )
            ],
            user_data=user_data,
            # What it has not yet written to its volume is written when it goes down.
            shutdown_before_deletion=True if self.volume else None,
            opts=self._options(
                delete_before_replace=True,
                # Today's user data is for the next server, never a reason to replace this one.
                ignore_changes=["user_data", "ssh_keys"],
                additional_secret_outputs=["ipv4_address", "ipv6_address", "ipv6_network"] if host.hidden else None,
            ),
        )
        if self.volume:
            self.volume.attach(self.server)
        self.power = self._power(commands, token)
        self.register_outputs({})

    def _power(self, commands: command.Provider, token: SecretStr) -> Command:
        """Switch the server on where it is off: its provider leaves it so when it gets another size."""
        host = self.host
        asked = {"account": host.account, "type": host.server_type, "token": token.get_secret_value()}
        told: pulumi.Output[str] = pulumi.Output.secret(
            self.server.id.apply(lambda server: json.dumps(asked | {"server": server}))
        )
        return Command(
            f"{self._name}-power",
            interpreter=["python3", "-I", "-c", SWITCH_ON],
            create="switch-on",  # for whoever reads that it failed
            stdin=told,
            logging=Logging.NONE,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self, provider=commands, depends_on=[self.server]),
        )

    def _primary_ip(self, family: str) -> hcloud.PrimaryIp:
        return hcloud.PrimaryIp(
            f"{self._name}-{family}",
            name=f"{self.host.server_name}-{family}",
            labels=self._labels,
            type=family,
            location=self.host.location,
            auto_delete=False,
            opts=self._options(
                delete_before_replace=True,
                protect=self.host.addresses_kept,
                additional_secret_outputs=["ip_address", "ip_network"] if self.host.hidden else None,
            ),
        )

    def _ip_id(self, family: str) -> pulumi.Output[int] | None:
        return self._ips[family].id.apply(int) if family in self._ips else None

    def _options(self, **options: Any) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self._provider, **options)


def _rule(rule: CloudRule, resolve: Callable[[Ref], pulumi.Output[str]]) -> hcloud.FirewallRuleArgs:
    """Return one rule of the plan as Hetzner's API takes it."""
    return hcloud.FirewallRuleArgs(
        direction="in",
        protocol=rule.protocol,
        port=f"{rule.port}-{rule.last_port}" if rule.last_port else str(rule.port),
        source_ips=[_source(source, resolve) for source in rule.sources],
        description=rule.description,
    )


def _source(source: Network | Address | Ref, resolve: Callable[[Ref], pulumi.Output[str]]) -> pulumi.Output[str] | str:
    """Return a source of a rule: a network, as the API wants it."""
    if isinstance(source, Ref):
        return pulumi.Output.concat(resolve(source), "/32" if source.kind == "ipv4" else "/64")
    return str(source) if isinstance(source, (IPv4Network, IPv6Network)) else f"{source}/{source.max_prefixlen}"


def _first_address(base: str) -> str:
    """Return the address of a server in its IPv6 network."""
    return str(IPv6Network(base).network_address + 1)
