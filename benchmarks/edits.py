"""What an edit of the stack file costs: operations on each host, and bytes sent to it, among few and among many.

The program runs against Pulumi's own mocks, whose cloud answers the same to the same name, once before the edit and
once after it: what is asked for otherwise is an operation. An added origin must cost other hosts the
same whether it is the second or the hundredth. Needs no root, no lab and no network.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import pulumi
from pulumi.runtime import mocks

from components import Deployment
from plan import check, load, make_plan

if TYPE_CHECKING:
    from collections.abc import Callable

MANY: Final = 99
COMMAND: Final = "command:remote:Command"
STASH: Final = "pulumi:index:Stash"
SSH_PUBLIC: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"
SENT: Final = ("apply", "confirm")
_HOST: Final = re.compile(r"^farshore-(?:delivery-)?(?:edge|vault)\.([a-z0-9]+)-[a-z0-9]+$")  # whatever a host has
# Of these the program ignores changes, so that they are no operation: what a server is born with.
IGNORED: Final = frozenset({"userData", "sshKeys", "publicKey"})


@dataclass(frozen=True)
class Asked:
    """What a program asked for: the inputs of each resource, by type and name."""

    inputs: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False)


class Cloud(mocks.Mocks):
    """Answer the same to the same name, and keep what was asked."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Remember the inputs; invent an id and what the cloud would add."""
        kept = {key: value for key, value in args.inputs.items() if key not in IGNORED}
        self._asked.inputs[args.typ, args.name] = None if args.typ == STASH else kept
        digest = hashlib.sha256(args.name.encode()).digest()
        outputs = dict(args.inputs)
        if args.typ == STASH:
            key = base64.b64encode(digest).decode()
            outputs["output"] = {"private": key, "public": SSH_PUBLIC + key[:43] if "delivery" in args.name else key}
        if args.typ == COMMAND:
            outputs["stdout"] = SSH_PUBLIC + base64.b64encode(digest).decode()[:43]
        if args.typ == "hcloud:index/primaryIp:PrimaryIp":
            number = int.from_bytes(digest[:2])
            v4 = args.inputs["type"] == "ipv4"
            outputs["ipAddress"] = f"198.18.{number >> 8}.{number & 255}" if v4 else f"2001:db8:{number:x}::"
        return str(int.from_bytes(digest[:4])), outputs

    def call(self, args: mocks.MockCallArgs) -> Any:
        """Refuse: the program looks nothing up."""
        raise LookupError(args.token)


def main() -> None:
    """Measure, and print a table."""
    asyncio.set_event_loop(asyncio.new_event_loop())  # the SDK's mocks take the thread's own
    rule = {"allow": [{"to": "203.0.113.0/24", "ports": [9418]}]}

    def ruled(config: dict[str, Any]) -> None:
        config["origins"]["site001"]["egress"] = rule

    second, hundredth = (edit(count, add) for count in (1, MANY))
    for nth, cost in (("2nd", second), ("100th", hundredth)):
        for host in sorted(cost):
            show(f"the {nth} origin: {host}", cost[host])
    ratio = others(hundredth) / others(second)
    print(f"{'operations on other hosts, 100th to 2nd':<44} {ratio:>7.2f} x           (asked: 1.00)", flush=True)
    one, all_ = (edit(count, ruled) for count in (1, MANY))
    for count, cost in ((1, one), (MANY, all_)):
        for host in sorted(cost):
            show(f"a rule of one origin among {count}: {host}", cost[host])


@dataclass
class Cost:
    """What one host costs: operations of Pulumi's, and bytes on standard input of each command."""

    operations: int = 0
    bytes_sent: list[int] = field(default_factory=list)

    @property
    def sent(self) -> str:
        """What is sent, for people."""
        return f"{sum(self.bytes_sent) / 1000:.0f} kB in {len(self.bytes_sent)} commands" if self.bytes_sent else ""


def show(what: str, cost: Cost) -> None:
    """Print one line."""
    print(f"{what:<44} {cost.operations:>7} operations  {cost.sent}".rstrip(), flush=True)


def others(costs: dict[str, Cost]) -> int:
    """Return the operations on hosts that were there before."""
    return sum(cost.operations for host, cost in costs.items() if host != "the new one")


def edit(origins: int, change: Callable[[dict[str, Any]], object]) -> dict[str, Cost]:
    """Return what an edit costs each host, beside so many origins."""
    config = stack(origins)
    known, before = set(config["origins"]), ask(config)
    change(config)
    after = ask(config)
    found: dict[str, Cost] = {}
    for (kind, name), inputs in after.inputs.items():
        named = _HOST.match(name)
        former = before.inputs.get((kind, name), ...)
        if named is None or former == inputs:
            continue
        new = named[1] not in {"falkenstein", *known}
        cost = found.setdefault("the new one" if new else named[1], Cost())
        cost.operations += 1
        if kind == COMMAND and name.endswith(SENT):
            cost.bytes_sent.append(len(_plain(inputs["stdin"])))
    return found


def _plain(value: Any) -> str:
    """Return a secret's text, as the SDK sends it."""
    return str(value["value"] if isinstance(value, dict) else value)


def ask(config: dict[str, Any]) -> Asked:
    """Run the program, and return what it asks for."""
    asked = Asked()
    loaded, secrets = load(copy.deepcopy(config), project="farshore", stack="bench", day=date(2026, 11, 1), files={})
    plan = make_plan(loaded)

    def program() -> pulumi.Output[Any]:
        deployment = Deployment("farshore", plan=plan, findings=check(plan), secrets=secrets)
        return pulumi.Output.from_input(deployment.exports)

    mocks.set_mocks(Cloud(asked), project="farshore", stack="bench", preview=False)
    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    return asked


def stack(origins: int) -> dict[str, Any]:
    """Return a stack file's values: one shield that delivery reaches, and so many origins with a domain each."""
    found: dict[str, Any] = {
        "accounts": {
            "edge": {"company": "Hetzner Online GmbH", "home": "DE"},
            "vault": {"company": "Hetzner Finland Oy", "home": "FI"},
        },
        "secrets": {"tokens": {"edge": "e" * 64, "vault": "v" * 64}},
        "shields": {"falkenstein": {"slot": 0, "account": "edge", "location": "fsn1", "ssh": ["192.0.2.20/32"]}},
        "origins": {},
        "domains": {},
    }
    for _ in range(origins):
        add(found)
    return found


def add(config: dict[str, Any]) -> None:
    """Add an origin with a domain."""
    number = len(config["origins"]) + 1
    name = f"site{number:03d}"
    config["origins"][name] = {
        "slot": 1 + number,
        "account": "vault",
        "location": "hel1",
        "shields": ["falkenstein"],
        "services": {"web": {"port": 8080}},
    }
    config["domains"][f"{name}.example.com"] = {"origin": name, "service": "web", "tls": "none"}


if __name__ == "__main__":
    main()
