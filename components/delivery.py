"""Telling a running host what the plan says: commands over SSH, in the order that the plan has decided.

Pulumi's own time-outs end nothing here, so the host's program ends by itself. A preview makes no connection, and
`pulumi destroy` runs nothing on a host. Secrets go by standard input and arrive nowhere else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import pulumi
from pulumi_command.remote import Command, ConnectionArgs, Logging, ProxyConnectionArgs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi_command as command

USER: Final = "root"
# The wait between tries grows to 5 s: 100 of them are 461 s where each is refused at once, 16 min where nobody
# answers; 10 are 11 s, or two and a half minutes (pulumi-command 1.2.1).
BIRTH_DIALS: Final = 100
BIRTH_DIAL_WITHIN_S: Final = 5
DIALS: Final = 10
DIAL_WITHIN_S: Final = 15


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where a host's SSH answers, and to whom.

    Args:
        address: Public, or inside the tunnel.
        private_key: Of its delivery key, in OpenSSH's form.
        host_key: The only one that is believed, public half: that of its birth, or the one that was born on it.
    """

    address: pulumi.Input[str]
    private_key: pulumi.Output[str]
    host_key: pulumi.Output[str]


class Delivery(pulumi.ComponentResource):
    """Wait until a host is born, have it apply its bundle, and confirm that from a new connection.

    A server that was off for another size is waited for as well. Each is a resource of its own that a later run repeats
    if it failed. A bundle that nobody confirms is taken back by the host itself, so a connection that can't be made
    again undoes what made it impossible.

    The first contact believes the SSH host key of the host's birth, which its provider can read, and learns the one
    that was born on the host; whatever comes later believes that one alone.

    Args:
        name: Name of the component; its children begin with it.
        provider: Of the command package.
        door: The host's, with the key of its birth.
        through: The door of the shield that it is reached through, with the key that was born there.
        server: Its server's id: a new server is waited for and told anew.
        size: Its server's type: one that was off for another is waited for again.
        power: What switches it on.
        needs: Resources that must be there before the host can be dialled: its firewall, the shield on the way.
    """

    def __init__(
        self,
        name: str,
        *,
        provider: command.Provider,
        door: Door,
        through: Door | None,
        server: pulumi.Output[str],
        size: str,
        power: pulumi.Resource,
        needs: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("farshore:components:Delivery", name, None, opts)
        self._name, self._commands, self._server = name, provider, server
        self._needs, self._through = [power, *needs], through
        # A host's first moment is waited for; afterwards it answers, or something is wrong with it.
        first = _connection(door, through, BIRTH_DIALS, BIRTH_DIAL_WITHIN_S)
        born = self._run("wait", "wait", first, None, self._needs)
        self.door = replace(door, host_key=born.stdout)
        again = _connection(self.door, through, BIRTH_DIALS, BIRTH_DIAL_WITHIN_S)
        self._there = self._run("back", "wait", again, None, [*self._needs, born], size)

    def tell(self, document: pulumi.Output[str], after: Sequence[pulumi.Resource]) -> Command:
        """Have the host apply its bundle and confirm that; return the confirmation.

        Args:
            document: Its bundle as JSON, with its digest in it; a secret.
            after: Resources of whoever has its turn before.
        """
        told: pulumi.Output[str] = pulumi.Output.secret(document)
        digest = pulumi.Output.unsecret(document.apply(_digest))
        later = _connection(self.door, self._through, DIALS, DIAL_WITHIN_S)
        applied = self._run("apply", "apply", later, told, [*self._needs, self._there, *after])
        confirm = pulumi.Output.concat("confirm ", digest)
        confirmed = self._run("confirm", confirm, later, told, [*self._needs, applied])
        self.register_outputs({})
        return confirmed

    def _run(
        self,
        role: str,
        words: pulumi.Input[str],
        connection: ConnectionArgs,
        stdin: pulumi.Output[str] | None,
        after: Sequence[pulumi.Resource],
        *triggers: pulumi.Input[str],
    ) -> Command:
        return Command(
            f"{self._name}-{role}",
            connection=connection,
            create=words,
            stdin=stdin,
            logging=Logging.NONE,
            add_previous_output_in_env=False,
            triggers=[self._server, *triggers],
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=self._commands,
                depends_on=list(after),
                additional_secret_outputs=["stdout", "stderr"],
            ),
        )


def _connection(door: Door, through: Door | None, dials: int, within_s: int) -> ConnectionArgs:
    """Return a connection to a door, with every host key pinned."""
    proxy = (
        None
        if through is None
        else ProxyConnectionArgs(
            host=through.address,
            user=USER,
            private_key=through.private_key,
            host_key=through.host_key,
            dial_error_limit=dials,
            per_dial_timeout=within_s,
        )
    )
    return ConnectionArgs(
        host=door.address,
        user=USER,
        private_key=door.private_key,
        host_key=door.host_key,
        dial_error_limit=dials,
        per_dial_timeout=within_s,
        proxy=proxy,
    )


def _digest(document: str) -> str:
    """Return the digest of a document: it hangs on private keys, so it tells nothing of the rest."""
    return str(json.loads(document)["digest"])
