"""Every key of a deployment, made once and kept in encrypted state.

A `pulumi.Stash` keeps its first value: each run makes new random keys and all but the first are thrown away. A key
goes with its resource: a new generation is a new Stash, and `pulumi destroy` ends all of them.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Final

import pulumi
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from plan.model.refs import Ref
from plan.values import FIRST_GENERATION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import SecretStr

    from plan import Host, Plan
    from plan.model.wireguard import Interface, Tunnel

# A trigger that appears later replaces nothing (null on one side is no change), so there is one from the first day.
EPOCH: Final = "1"


def wireguard_key() -> dict[str, str]:
    """Return a new X25519 key in wg(8)'s base64."""
    key = X25519PrivateKey.generate()
    return {
        "private": base64.b64encode(key.private_bytes_raw()).decode(),
        "public": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
    }


def preshared_key() -> dict[str, str]:
    """Return a new preshared key in wg(8)'s base64: 32 random bytes."""
    return {"private": base64.b64encode(secrets.token_bytes(32)).decode()}


def ssh_key() -> dict[str, str]:
    """Return a new ed25519 key in OpenSSH's form; the private half ends with a newline, the public has no comment."""
    return _in_openssh_form(Ed25519PrivateKey.generate())


def ssh_birth_key() -> dict[str, str]:
    """Return a new ECDSA key on P-256 in the same form: another algorithm than the key that is born on the host.

    A client that knows one of them asks for its algorithm, so that the server can have both.
    """
    return _in_openssh_form(generate_private_key(SECP256R1()))


def _in_openssh_form(key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> dict[str, str]:
    return {
        "private": key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(),
        "public": key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
    }


def interface_stash(host: Host, interface: Interface) -> str:
    """Return what the key of an interface is called, after the name of the component; the others likewise."""
    return f"{host.name}-g{interface.generation}-{interface.name}"


def birth_stash(host: Host) -> str:
    """Return the name of the SSH host key of a birth."""
    return f"{host.name}-ssh-birth"


def delivery_stash(host: Host, generation: int) -> str:
    """Return the name of the key by which a host is told changes."""
    return f"{host.name}{'' if generation == FIRST_GENERATION else f'-g{generation}'}-delivery"


def psk_stash(tunnel: Tunnel) -> str:
    """Return the name of a tunnel's preshared key."""
    return f"{tunnel.near}-{tunnel.far}-g{tunnel.generation}-psk"


class Keys(pulumi.ComponentResource):
    """Make and keep the keys that a plan's references name.

    Per host the SSH host key of its birth, per host and generation a delivery key, per interface a WireGuard key, per
    tunnel and generation a psk. A device's psk comes from the stack file's secrets.
    """

    def __init__(
        self,
        name: str,
        *,
        plan: Plan,
        psks: Mapping[str, SecretStr] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("farshore:components:Keys", name, None, opts)
        self._outputs: dict[Ref, pulumi.Output[str]] = {}
        self._delivery_private: dict[Ref, pulumi.Output[str]] = {}
        for host in plan.hosts:
            for interface in host.interfaces:
                of = interface.private_key.of
                stash = self._stash(f"{name}-{interface_stash(host, interface)}", wireguard_key)
                self._outputs[Ref("private", of)] = stash.output["private"]
                self._outputs[Ref("public", of)] = pulumi.Output.unsecret(stash.output["public"])
            stash = self._stash(f"{name}-{birth_stash(host)}", ssh_birth_key)
            self._outputs[Ref("ssh-private", host.name)] = stash.output["private"]
            self._outputs[Ref("ssh-public", host.name)] = pulumi.Output.unsecret(stash.output["public"])
            for generation, ref in zip(host.generations, host.delivery_keys, strict=True):
                stash = self._stash(f"{name}-{delivery_stash(host, generation)}", ssh_key)
                self._delivery_private[ref] = stash.output["private"]
                self._outputs[ref] = pulumi.Output.unsecret(stash.output["public"])
        for device, psk in (psks or {}).items():
            self._outputs[Ref("psk", device)] = pulumi.Output.secret(psk.get_secret_value())
        for tunnel in plan.tunnels:
            stash = self._stash(f"{name}-{psk_stash(tunnel)}", preshared_key)
            self._outputs[tunnel.psk] = stash.output["private"]
        self.register_outputs({})

    def output(self, ref: Ref) -> pulumi.Output[str]:
        """Return what a reference stands for; private halves stay secret."""
        return self._outputs[ref]

    def delivery_private_key(self, public: Ref) -> pulumi.Output[str]:
        """Return the private half of a key by which one host is told changes: no host and no reference has it."""
        return self._delivery_private[public]

    def _stash(self, name: str, make: Callable[[], dict[str, str]]) -> pulumi.Stash:
        return pulumi.Stash(
            name,
            input=pulumi.Output.secret(make()),
            opts=pulumi.ResourceOptions(
                parent=self,
                ignore_changes=["input"],
                replacement_trigger=EPOCH,
                additional_secret_outputs=["input", "output"],
            ),
        )
