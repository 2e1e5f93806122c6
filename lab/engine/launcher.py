"""Run a Pulumi program: a process of its own, in the program's own virtual environment.

usage: launcher.py FOLDER, with one JSON object on standard input (see `main`)

Imports nothing but the SDK: this file is run by path, with `-P`, and no other module of the engine can be seen
from here. The SDK is loaded before standard input is read, so it loads while the engine gets ready.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import runpy
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pulumi
import pulumi.runtime

EXPLAINED = 32
"""Exit code that tells the engine: the person has been told already."""

DEBUG = 0
"""Severity of messages that nobody reads: `LogSeverity.DEBUG` of the protocol."""

SWITCH_S = 0.0005
"""How soon a thread makes room for another: each wait of the SDK's loop looks at all that is still open, so the
answers that come in together must reach it together. With Python's own 5 ms it looks three times as often."""

YOUNG = 50_000
"""How many more objects there are before the collector looks: each resource leaves hundreds of them, all still in use,
so that with Python's own 700 every second instruction of a large program was the collector's."""


def main() -> int:
    """Read the settings, run the program, return its exit code.

    Configuration comes this way and not in the environment, which whatever the program starts would inherit.
    The settings have `monitor` and `engine` (addresses), `project`, `stack`, `organization`, `root` (folder of the
    project file), `parallel`, `preview`, `config` (strings by key) and `secrets` (the keys that are secret).
    """
    folder = sys.argv[1]
    settings = json.loads(sys.stdin.readline())
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    pulumi.runtime.set_all_config(settings["config"], settings["secrets"])
    told = pulumi.runtime.Settings(
        monitor=settings["monitor"],
        engine=settings["engine"],
        project=settings["project"],
        stack=settings["stack"],
        parallel=settings["parallel"],
        dry_run=settings["preview"],
        organization=settings["organization"],
        root_directory=settings["root"],
    )
    told.engine = Terse(told.engine)
    pulumi.runtime.configure(told)
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
    sys.argv = ["."]
    os.chdir(folder)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    loop.set_default_executor(ThreadPoolExecutor(max_workers=max(settings["parallel"], 1) * 4))
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(run_program))
    except pulumi.RunError as fault:
        pulumi.log.error(str(fault))
        return 1
    except Exception:  # noqa: BLE001 - any fault of a program is shown to its author
        pulumi.log.error("Program failed with an unhandled exception:\n" + users_part(folder))
        return EXPLAINED
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


class Terse:
    """The SDK's client of the engine, without what is dropped there.

    The SDK sends four debug messages for each resource, and its one event loop waits for each to be taken.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def Log(self, request: Any) -> None:  # noqa: N802 - the protocol's name
        """Send a message that somebody will read."""
        if request.severity != DEBUG:
            self._client.Log(request)

    def __getattr__(self, name: str) -> Any:
        """Leave every other call as it is."""
        return getattr(self._client, name)


def run_program() -> Any:
    """Run the folder's `__main__.py`."""
    return runpy.run_path(".", run_name="__main__") and None


def users_part(folder: str) -> str:
    """Return the traceback under way from the first frame that lies in the program's folder."""
    _, fault, trace = sys.exc_info()
    assert fault is not None
    frames = traceback.extract_tb(trace)
    inside = os.path.realpath(folder) + os.sep
    for at, frame in enumerate(frames):
        if os.path.realpath(frame.filename).startswith(inside) and "site-packages" not in frame.filename:
            frames = traceback.StackSummary.from_list(frames[at:])
            break
    lines = ["Traceback (most recent call last):\n", *frames.format()]
    return "".join([*lines, *traceback.format_exception_only(fault)]).rstrip("\n")


if __name__ == "__main__":
    code = main()
    os._exit(code)  # threads of a stopped run may wait for ever; everything that matters is flushed
