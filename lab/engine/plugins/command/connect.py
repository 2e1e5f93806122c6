"""Open SSH connections as the input `connection` describes them: pinned host key, proxy, retries.

Nothing but the input decides: no file of the user's `~/.ssh` is read. A host key that is given is the only one
accepted; without one, any is, as with Pulumi's own plugin.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncssh

from lab.engine.plugins.contract import PluginError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from lab.engine.plugins.contract import Target
    from lab.engine.values import Properties

FIRST_DELAY_S: Final = 0.1
DELAY_FACTOR: Final = 1.5
LONGEST_DELAY_S: Final = 5.0
FOR_EVER: Final = -1


@dataclass(frozen=True, kw_only=True)
class Hop:
    """One SSH server on the way, ready to be dialled; its keys are parsed, so faults show before any dial."""

    host: str
    port: int
    user: str
    password: str | None
    keys: Sequence[asyncssh.SSHKey | asyncssh.SSHKeyPair]
    host_key: asyncssh.SSHKey | None
    failures_allowed: int
    per_dial_timeout_s: int


@asynccontextmanager
async def connected(target: Target, connection: Properties) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """Give a connection to the host, by its proxy if there is one, and close both afterwards.

    Args:
        target: Whose connection it is; it is told of failed tries.
        connection: The plain input `connection`, with its defaults.

    Raises:
        PluginError: A key can't be read, or every allowed try failed.
    """
    goal = await _hop(connection)
    if connection.get("proxy") is None:
        async with await _dial(target, "Dial", goal, None) as client:
            yield client
        return
    try:
        gate = await _hop(connection["proxy"])
        through = await _dial(target, "Dial proxy", gate, None)
    except PluginError as failure:
        raise PluginError(f"proxy: {failure}") from failure
    async with through:
        try:
            client = await _dial(target, "Dial from proxy", goal, through)
        except PluginError as failure:
            raise PluginError(f"proxy: {failure}") from failure
        async with client:
            yield client


async def _hop(connection: Properties) -> Hop:
    return Hop(
        host=connection["host"],
        port=int(connection.get("port", 22)),
        user=connection.get("user", "root"),
        password=connection.get("password"),
        keys=await _client_keys(connection),
        host_key=_parsed(
            "host key", lambda: asyncssh.import_public_key(connection["hostKey"]), connection.get("hostKey")
        ),
        failures_allowed=connection.get("dialErrorLimit", 10),
        per_dial_timeout_s=connection.get("perDialTimeout", 15),
    )


async def _client_keys(connection: Properties) -> list[asyncssh.SSHKey | asyncssh.SSHKeyPair]:
    password = connection.get("privateKeyPassword")
    own = _parsed(
        "private key",
        lambda: asyncssh.import_private_key(connection["privateKey"], password),
        connection.get("privateKey"),
    )
    keys: list[asyncssh.SSHKey | asyncssh.SSHKeyPair] = [] if own is None else [own]
    agent = connection.get("agentSocketPath") or os.environ.get("SSH_AUTH_SOCK")
    if not agent:
        return keys
    try:
        return [*keys, *await (await asyncssh.connect_agent(agent)).get_keys()]
    except OSError as failure:
        raise PluginError(f"dial agent: {failure.strerror}") from failure


def _parsed(what: str, parse: Callable[[], asyncssh.SSHKey], text: str | None) -> asyncssh.SSHKey | None:
    """Return the parsed key, or None without a text; the error never repeats the text."""
    if text is None:
        return None
    try:
        return parse()
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
        raise PluginError(f"failed to parse {what}: no key in OpenSSH's format, or a wrong password") from None


async def _dial(
    target: Target, what: str, hop: Hop, through: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    """Try until it works or one failure more than allowed has happened; the wait between tries grows."""
    delay_s = FIRST_DELAY_S
    failures = 0
    while True:
        try:
            return await _open(hop, through)
        except (OSError, asyncssh.Error) as failure:
            if hop.failures_allowed > FOR_EVER and failures >= hop.failures_allowed:
                raise PluginError(f"after {failures} failed attempts: {_reason(failure, hop)}") from failure
        failures += 1
        limit = "inf" if hop.failures_allowed == FOR_EVER else str(hop.failures_allowed)
        target.progress(f"{what} {failures}/{limit} failed: retrying")
        await asyncio.sleep(delay_s)
        delay_s = min(delay_s * DELAY_FACTOR, LONGEST_DELAY_S)


async def _open(hop: Hop, through: asyncssh.SSHClientConnection | None) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        hop.host,
        hop.port,
        tunnel=through or (),
        config=None,  # nothing of ~/.ssh/config
        known_hosts=None if hop.host_key is None else ([hop.host_key], [], []),
        server_host_key_algs=() if hop.host_key is None else [name.decode() for name in hop.host_key.sig_algorithms],
        username=hop.user,
        password=hop.password,
        client_keys=list(hop.keys) or None,
        agent_path=None,
        connect_timeout=hop.per_dial_timeout_s or None,
    )


def _reason(failure: Exception, hop: Hop) -> str:
    """Return the cause in the words of Pulumi's own plugin, where a person may search for them."""
    if isinstance(failure, asyncssh.HostKeyNotVerifiable):
        return "ssh: handshake failed: ssh: host key mismatch"
    if isinstance(failure, asyncssh.KeyExchangeFailed):
        return "ssh: handshake failed: ssh: no common algorithm for host key"
    if isinstance(failure, asyncssh.PermissionDenied):
        return "ssh: handshake failed: ssh: unable to authenticate, no supported methods remain"
    if isinstance(failure, TimeoutError):
        return f"dial tcp {hop.host}:{hop.port}: i/o timeout"
    if isinstance(failure, ConnectionRefusedError):
        return f"dial tcp {hop.host}:{hop.port}: connect: connection refused"
    if isinstance(failure, asyncssh.Error):
        return f"ssh: {failure.reason}"
    return f"dial tcp {hop.host}:{hop.port}: {(failure.args and failure.args[-1]) or type(failure).__name__}"
