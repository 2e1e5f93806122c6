"""Pulumi's mocks, made to remember what was asked for."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.runtime import mocks

if TYPE_CHECKING:
    from collections.abc import Callable

# The SDK takes the thread's own loop, which another test may have closed. This one is never closed: with it would end
# threads in which the SDK's mocks have left loops of their own open.
LOOP = asyncio.new_event_loop()
SIG = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
ADDRESSES = {"ipv4": "198.51.100.{n}", "ipv6": "2001:db8:{n}::"}


class LookUpError(AssertionError):
    """A look-up: facts are arguments here, never asked for."""


class Recorder(mocks.Mocks):
    """Answer as the provider would, and keep (type, name) -> inputs."""

    def __init__(self) -> None:
        self.asked: dict[tuple[str, str], dict[str, Any]] = {}
        self.providers: dict[str, str] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Remember the inputs; invent an id and what the cloud would add."""
        self.asked[args.typ, args.name] = args.inputs
        self.providers[args.name] = args.provider or ""
        outputs = dict(args.inputs)
        number = len(self.asked)
        if args.typ == "pulumi:index:Stash":
            outputs["output"] = outputs["input"]
        if args.typ == "command:remote:Command":
            outputs["stdout"] = _said(args.name, str(args.inputs.get("create")))
        if args.typ == "hcloud:index/primaryIp:PrimaryIp":
            outputs["ipAddress"] = ADDRESSES[args.inputs["type"]].format(n=number)
        return str(1000 + number), outputs

    def call(self, args: mocks.MockCallArgs) -> Any:
        """Refuse."""
        raise LookUpError(f"looked up {args.token}")


def half(host: str, interface: str) -> str:
    """Return the public half of a key that a host says it has made."""
    return base64.b64encode(hashlib.sha256(f"{host}/{interface}".encode()).digest()).decode()


def _said(name: str, words: str) -> str:
    """Return what a host answers: public halves where it is asked for keys."""
    verb, *rest = words.split()
    if verb != "keys":
        return f"what {name} says"
    host = name.rpartition("-keys-")[0].rpartition(".")[2]
    return "\n".join(f"{interface} {half(host, interface)}" for interface in rest[1:])


def record(build: Callable[[], Any], *, stack: str = "dev") -> Recorder:
    """Run a program under mocks to its end and return what it asked for.

    Args:
        build: The program; an Output that it returns is awaited as well.
        stack: Pulumi's stack name.
    """
    recorder = Recorder()
    run(recorder, build, stack=stack)
    return recorder


def run(recorder: Recorder, build: Callable[[], Any], *, stack: str = "dev", preview: bool = False) -> None:
    """Run a program under the given mocks to its end; what it raises is raised here."""
    asyncio.set_event_loop(LOOP)
    try:
        pulumi.runtime.set_mocks(recorder, project="farshore", stack=stack, preview=preview)
        pulumi.runtime.test(build)()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    finally:
        asyncio.set_event_loop(None)


def is_secret(value: Any) -> bool:
    """Tell whether Pulumi was handed a value as a secret."""
    return isinstance(value, dict) and value.get(SIG) == SECRET


def unwrap(value: Any) -> Any:
    """Return a value without its secret wrappers."""
    if is_secret(value):
        return unwrap(value["value"])
    if isinstance(value, dict):
        return {key: unwrap(part) for key, part in value.items()}
    return [unwrap(part) for part in value] if isinstance(value, list) else value
