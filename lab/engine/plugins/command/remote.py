"""Run a command's script on another machine, over SSH."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncssh
from asyncssh.packet import String

from lab.engine.plugins.command.connect import connected
from lab.engine.plugins.command.local import previous_outputs
from lab.engine.plugins.command.output import Transcript
from lab.engine.plugins.contract import PluginError, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.plugins.contract import Target
    from lab.engine.values import Properties

ADVICE = (
    "Unable to set {name!r}. This only works if your SSH server is configured to accept these variables "
    "via AcceptEnv. Alternatively, if a Bash-like shell runs the command on the remote host, you could prefix the "
    "command itself with the variables in the form 'VAR=value command'"
)


def run_there(target: Target, command: str, inputs: Properties, previous: Properties) -> Properties:
    """Run one script on the host of `connection` and return `stdout` and `stderr`.

    Args:
        target: Whose script it is.
        command: The script; the account's shell runs it.
        inputs: Plain inputs, without secrets' wrappers.
        previous: Outputs of the last run, for the environment.

    Raises:
        PluginError: No connection, a variable that the server refuses, or an end other than 0.
    """
    return asyncio.run(_run(target, command, inputs, previous))


async def _run(target: Target, command: str, inputs: Properties, previous: Properties) -> Properties:
    transcript = Transcript(target, inputs.get("logging"))
    session = _Session(transcript, inputs.get("environment", {}), previous_outputs(inputs, previous))
    async with connected(target, inputs["connection"]) as connection:
        try:
            channel, _ = await connection.create_session(lambda: session, command, encoding=None)
        except asyncssh.ChannelOpenError as failure:
            if session.refused is None:
                raise PluginError(f"ssh: {failure.reason}") from failure
            target.log(Severity.ERROR, ADVICE.format(name=session.refused))
            raise PluginError(
                f'could not set environment variable "{session.refused}": ssh: setenv failed'
            ) from failure
        channel.write((inputs.get("stdin") or "").encode())
        channel.write_eof()
        await channel.wait_closed()
        status, ended = channel.get_exit_status(), channel.get_exit_signal()
    for name in session.not_taken:
        target.log(Severity.WARNING, ADVICE.format(name=name))
    transcript.finish()
    if status == 0:
        return {"stdout": transcript.text("stdout"), "stderr": transcript.text("stderr")}
    raise PluginError(transcript.failure(_ended(status, ended), command))


def _ended(status: int | None, ended: tuple[str, bool, str, str] | None) -> str:
    if ended is not None:
        return f"Process exited with status {status or 1} from signal {ended[0]}"
    if status is None:
        return "wait: remote command exited without exit status or exit signal"
    return f"Process exited with status {status}"


class _Session(asyncssh.SSHClientSession[bytes]):
    """Hands on what arrives, and sets variables one by one before the script starts.

    asyncssh sends `env` requests without asking for an answer, and sshd says nothing of a variable that its
    AcceptEnv does not list; Pulumi's own plugin asks, and fails. So the request for the script is preceded by
    requests for each variable that want an answer.

    Args:
        transcript: Takes the output.
        demanded: Variables without which the script must not run.
        offered: Variables that the server may refuse.
    """

    def __init__(self, transcript: Transcript, demanded: Mapping[str, str], offered: Mapping[str, str]) -> None:
        self._transcript = transcript
        self._demanded = demanded
        self._offered = offered
        self.refused: str | None = None
        self.not_taken: list[str] = []

    def connection_made(self, chan: Any) -> None:
        """Put the variables before the script."""
        ask = chan._make_request  # noqa: SLF001 - see the class: there is no public way

        async def prepared(request: bytes, *parts: bytes, **options: Any) -> Any:
            if request == b"exec":
                for name, value in self._demanded.items():
                    if not await ask(b"env", String(name), String(value)):
                        self.refused = name
                        return False
                for name, value in self._offered.items():
                    if not await ask(b"env", String(name), String(value)):
                        self.not_taken.append(name)
            return await ask(request, *parts, **options)

        chan._make_request = prepared  # noqa: SLF001 - see the class

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Take output."""
        name = "stderr" if datatype == asyncssh.EXTENDED_DATA_STDERR else "stdout"
        self._transcript.write(name, data)
