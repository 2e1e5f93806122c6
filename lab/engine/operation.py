"""One operation on one stack, from its files to its exit: what `up`, `preview`, `destroy` and `refresh` share.

Takes the lock, opens the state, runs the engine, saves, writes the history, lets go, whatever happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.engine.checkpoint import CheckpointError, check_home, load_deployment, unwrap_document
from lab.engine.config import Entry, has_secure
from lab.engine.place import LateCipher, Place, read_outputs, salt_of, stack_config
from lab.engine.project import load_yaml
from lab.engine.saving import Saver
from lab.engine.stored import Stored, has_stored_secret
from lab.engine.values import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lab.engine.checkpoint import Snapshot
    from lab.engine.children import Child
    from lab.engine.deployment import Deployment
    from lab.engine.events import Listener, Mask
    from lab.engine.options import Options


@dataclass(frozen=True)
class Outcome:
    """What came of an operation.

    Args:
        succeeded: Nothing failed.
        canceled: Somebody stopped it.
        changes: How often each operation was done, or would be.
    """

    succeeded: bool
    canceled: bool
    changes: Mapping[str, int]


async def operate(
    place: Place,
    options: Options,
    listeners: Callable[[Mapping[str, Entry]], Sequence[Listener]],
    *,
    message: str = "",
) -> Outcome:
    """Carry out one operation.

    Args:
        place: Where.
        options: What.
        listeners: Returns who wants to know, given the configuration.
        message: What the history says of it.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # a stopped server is no news to a person
    lock = None if options.preview else place.backend.lock(place.project.name, place.stack)
    program: asyncio.Task[Child] | None = None
    try:
        if options.kind == "update":
            from lab.engine.program import start_program

            program = asyncio.create_task(start_program(place.project))
            await asyncio.sleep(0)
        return await _operate(place, options, listeners, program, message)
    finally:
        if program is not None:
            with contextlib.suppress(Exception):
                await (await program).end(within_s=0.2)
        if lock is not None:
            lock.release()


async def _operate(
    place: Place,
    options: Options,
    listeners: Callable[[Mapping[str, Entry]], Sequence[Listener]],
    program: asyncio.Task[Child] | None,
    message: str,
) -> Outcome:
    from lab.engine.deployment import Context, Deployment
    from lab.engine.events import Events, Mask

    document = place.backend.read(place.project.name, place.stack)
    latest = unwrap_document(document)
    cipher = LateCipher(lambda: salt_of(place, latest))
    content = load_yaml(place.config_file)
    if not options.preview or has_secure(content.get("config")) or has_stored_secret(latest):
        await asyncio.to_thread(cipher.open)
    codec = Stored(cipher)
    config = stack_config(place, cipher.decrypt)
    snapshot = open_state(place, latest, codec)
    mask = Mask()
    for entry in config.values():
        if entry.secret:
            _learn_config(mask, entry)
    for row in snapshot.rows:
        mask.learn([row.inputs, row.outputs])
    events = Events(tuple(listeners(config)), mask)
    context = Context(
        project=place.project,
        stack=place.stack,
        config=config,
        snapshot=snapshot,
        save=Saver(place, codec, lambda: cipher.open().salt).save,
        stack_outputs=lambda name: read_outputs(place, name),
    )
    deployment = Deployment(context, options, events)
    began = time.time()
    succeeded = await _serve(deployment, program)
    if not options.preview:
        _record(place, options, deployment, succeeded=succeeded, began=began, message=message)
    return Outcome(succeeded, deployment.canceled, dict(events.changes))


def open_state(place: Place, latest: Mapping[str, Any], codec: Stored) -> Snapshot:
    """Return the state of a stack.

    Raises:
        CheckpointError: It is damaged, or another stack's; the message names its file and how to go back.
    """
    where = f"state {place.backend.stack_file(place.project.name, place.stack)}"
    older = place.backend.older_state(place.project.name, place.stack)
    try:
        snapshot = load_deployment(latest, codec)
    except CheckpointError as fault:
        raise CheckpointError(f"{where}{str(fault).removeprefix('state')}, allowed: a whole state; {older}") from fault
    check_home(snapshot, place.project.name, place.stack, where=where, remedy=older)
    return snapshot


async def _serve(deployment: Deployment, program: asyncio.Task[Child] | None) -> bool:
    from lab.engine.monitor import start_server

    loop = asyncio.get_running_loop()
    server, address = await start_server(deployment)
    deployment.prepare(address)
    running = asyncio.create_task(deployment.run(program))

    def interrupt() -> None:
        if deployment.canceled:
            deployment.abort()
        else:
            deployment.events.tell(
                "warning", "interrupted: waiting for what runs; again to stop at once", ephemeral=True
            )
            deployment.cancel()

    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in handled:
        loop.add_signal_handler(number, interrupt)
    try:
        return await running
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
        if deployment.options.kind == "update":
            await deployment.end_program()
        await server.stop(0)


def _learn_config(mask: Mask, entry: Entry) -> None:
    mask.learn(Secret(entry.text))
    with contextlib.suppress(ValueError):
        mask.learn(Secret(json.loads(entry.text)))


def _record(
    place: Place, options: Options, deployment: Deployment, *, succeeded: bool, began: float, message: str
) -> None:
    content = load_yaml(place.config_file).get("config") or {}
    place.backend.record(
        place.project.name,
        place.stack,
        {
            "kind": options.kind,
            "startTime": int(began),
            "message": message,
            "environment": {},
            "config": {
                key: {"value": value.get("secure"), "secret": True}
                if isinstance(value, dict) and "secure" in value
                else {"value": value if isinstance(value, str) else str(value)}
                for key, value in content.items()
            },
            "result": "succeeded" if succeeded else "failed",
            "endTime": int(time.time()),
            "resourceChanges": dict(deployment.events.changes),
        },
    )
