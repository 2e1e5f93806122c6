"""The words of `farshore repair`: what stands at an account, what a state knows, what a program wants, what differs.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Kind = Literal["server", "primary_ip", "firewall", "ssh_key"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""In the order of removal: a server frees its addresses and its firewall."""
TYPES: Final[dict[str, Kind]] = {
    "hcloud:index/server:Server": "server",
    "hcloud:index/primaryIp:PrimaryIp": "primary_ip",
    "hcloud:index/firewall:Firewall": "firewall",
    "hcloud:index/sshKey:SshKey": "ssh_key",
}

Wrong = Literal["orphan", "gone", "off", "bare", "unfinished", "interrupted"]
WORDS: Final[dict[Wrong, str]] = {
    "orphan": "at the account, but not in the state",
    "gone": "in the state, but not at the account",
    "off": "a server without power",
    "bare": "a server without what it was made with",
    "unfinished": "made, but a later step or change failed",
    "interrupted": "the engine ended while it was at work on it",
}
Remedy = Literal["adopt", "remove", "forget", "power on", "attach", "clear", "up"]
ACCOUNT_UNKNOWN: Final = "?"


@dataclass(frozen=True, kw_only=True)
class Found:
    """One object at the API.

    Args:
        host: By its label; empty without one.
        stack: By its label; empty without one.
        off: A server without power.
        busy: A server of which something is under way still, by its status.
        created: When the API made it.
        traits: What a program can ask for, in Pulumi's names. A firewall's rules can hold a hidden host's address.
    """

    account: str
    kind: Kind
    id: int
    name: str
    host: str
    stack: str
    off: bool = False
    busy: bool = False
    created: datetime | None = None
    traits: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Known:
    """One resource of the state that stands for an object at an account.

    Args:
        account: `?` where the state does not tell.
        id: The account's.
        name: Pulumi's, the last part of the URN.
        unfinished: A step after its creation failed, or its replacement is due.
        absent: Its object is deleted already, and is to be made again.
        foreign: It is only read; somebody else made it.
        firewalls: Ids that a server was made with.
        addresses: Ids that a server was made with.
    """

    account: str
    kind: Kind
    id: int
    name: str
    unfinished: bool = False
    absent: bool = False
    foreign: bool = False
    firewalls: tuple[int, ...] = ()
    addresses: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pending:
    """An operation that the state still has as under way.

    Args:
        doing: creating, updating, deleting, reading or importing.
        kind: The last part of the resource's type.
    """

    doing: str
    account: str
    kind: str
    name: str


@dataclass(frozen=True, kw_only=True)
class State:
    """What a stack's state has of its accounts.

    Args:
        known: Its rows of the kinds that repair looks after.
        pending: What was under way.
        made: When each row of the state was made, by URN; None where the state does not say.
        references: `<urn>::<id>` of its providers.
    """

    known: tuple[Known, ...] = ()
    pending: tuple[Pending, ...] = ()
    made: Mapping[str, datetime | None] = field(default_factory=dict)
    references: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A resource that the program asks for and the state does not have.

    Args:
        inputs: What it asks for; secrets are `[secret]`, what is not known yet is one of the engine's marks.
        row: The whole row as the engine would begin it.
    """

    account: str
    kind: Kind
    urn: str
    inputs: Mapping[str, Any] = field(repr=False)
    row: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not as it should be.

    Args:
        found: The object, where there is one.
        wish: What the program asks for in its place, where repair can adopt it for that.
        why: What more there is to say.
        early: What it is attached to has to be adopted before.
        missing: Objects that a bare server lacks.
    """

    wrong: Wrong
    remedy: Remedy
    account: str
    kind: str
    id: int | None
    name: str
    found: Found | None = None
    wish: Wish | None = None
    why: str = ""
    early: bool = False
    missing: tuple[Found, ...] = ()

    @property
    def key(self) -> tuple[str, str, int | None]:
        """What tells one object from another."""
        return self.account, self.kind, self.id
