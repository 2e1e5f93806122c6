"""Run a command's script on this machine."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import threading
from typing import IO, TYPE_CHECKING, Final

from lab.engine.plugins.command.output import Transcript
from lab.engine.plugins.contract import PluginError

if TYPE_CHECKING:
    from lab.engine.plugins.contract import Target
    from lab.engine.values import Properties

INTERPRETER: Final = ("/bin/sh", "-c")
CHUNK_BYTES: Final = 65536


class Running:
    """The processes of this plugin that have not ended; `kill_all` ends them, and only them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._cancelled = False

    def add(self, process: subprocess.Popen[bytes]) -> None:
        """Remember a started process; after a cancel it is ended at once."""
        with self._lock:
            self._processes.add(process)
            if self._cancelled:
                _kill(process)

    def remove(self, process: subprocess.Popen[bytes]) -> None:
        """Forget a process that was waited for."""
        with self._lock:
            self._processes.discard(process)

    def kill_all(self) -> None:
        """End every process that runs."""
        with self._lock:
            self._cancelled = True
            for process in self._processes:
                _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a script with all that it has started: it leads a process group of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def previous_outputs(inputs: Properties, previous: Properties) -> dict[str, str]:
    """Return the variables that carry the last run's output into the next.

    Args:
        inputs: Plain inputs; `addPreviousOutputInEnv` false means none.
        previous: Outputs of the last run; empty ones are left out.
    """
    if inputs.get("addPreviousOutputInEnv") is False:
        return {}
    names = {"PULUMI_COMMAND_STDOUT": "stdout", "PULUMI_COMMAND_STDERR": "stderr"}
    return {name: previous[key] for name, key in names.items() if previous.get(key)}


def run_here(target: Target, running: Running, command: str, inputs: Properties, previous: Properties) -> Properties:
    """Run one script and return `stdout` and `stderr`.

    Args:
        target: Whose script it is.
        running: Where the process is remembered while it runs.
        command: The script.
        inputs: Plain inputs, without secrets' wrappers.
        previous: Outputs of the last run, for the environment.

    Raises:
        PluginError: It could not start, or did not end with 0.
    """
    transcript = Transcript(target, inputs.get("logging"))
    arguments = [*(inputs.get("interpreter") or INTERPRETER), command]
    environment = {**os.environ, **inputs.get("environment", {}), **previous_outputs(inputs, previous)}
    text = inputs.get("stdin") or ""
    try:
        process = subprocess.Popen(
            arguments,
            cwd=inputs.get("dir"),
            env=environment,
            stdin=subprocess.PIPE if text else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
    except OSError as failure:
        raise PluginError(transcript.failure(_not_started(failure, arguments[0]), command)) from failure
    running.add(process)
    try:
        _drain(process, transcript, text.encode())
        status = process.wait()
    finally:
        running.remove(process)
    if status != 0:
        raise PluginError(transcript.failure(_ended(status), command))
    return {"stdout": transcript.text("stdout"), "stderr": transcript.text("stderr")}


def _drain(process: subprocess.Popen[bytes], transcript: Transcript, text: bytes) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    threads = [
        threading.Thread(target=_copy, args=(process.stdout, transcript, "stdout"), daemon=True),
        threading.Thread(target=_copy, args=(process.stderr, transcript, "stderr"), daemon=True),
    ]
    for thread in threads:
        thread.start()
    if process.stdin is not None:
        _feed(process.stdin, text)
    for thread in threads:
        thread.join()
    transcript.finish()


def _feed(stream: IO[bytes], text: bytes) -> None:
    try:
        stream.write(text)
        stream.close()
    except BrokenPipeError:
        return  # a script need not read what it is given


def _copy(stream: IO[bytes], transcript: Transcript, name: str) -> None:
    with stream:
        while data := os.read(stream.fileno(), CHUNK_BYTES):
            transcript.write(name, data)


def _ended(status: int) -> str:
    if status > 0:
        return f"exit status {status}"
    words = signal.strsignal(-status) or f"signal {-status}"
    return f"signal: {words.lower()}"


def _not_started(failure: OSError, program: str) -> str:
    reason = os.strerror(failure.errno).lower() if failure.errno else "not started"
    if failure.errno == errno.ENOENT and failure.filename not in {program, None}:
        return f"chdir {failure.filename}: {reason}"
    return f"fork/exec {program}: {reason}"
