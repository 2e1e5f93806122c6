"""The matrix of failures: each kind of resource, each verb, each way in which the provider's API goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from tests.failures.accounts import PATHS, Kind, all_labels, drift, identity

if TYPE_CHECKING:
    from tests.failures.standing import Standing
    from tests.failures.starting import Run

Verb = Literal["create", "update", "delete", "rules", "resize"]
"""`update` undoes what somebody changed at the account; `rules` and `resize` are changes of the stack file."""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
VERBS: Final[tuple[Verb, ...]] = get_args(Verb)
ROLES: Final[dict[Kind, str]] = {"PrimaryIp": "ipv4", "SshKey": "key", "Firewall": "firewall", "Server": "server"}
METHODS: Final[dict[Verb, str]] = {
    "create": "POST",
    "update": "PUT",
    "delete": "DELETE",
    "rules": "POST",
    "resize": "POST",
}
ACTIONS: Final[dict[Verb, str]] = {"rules": "/actions/set_rules", "resize": "/actions/change_type"}
SMALL, LARGE = "cx23", "cx33"
SOURCES: Final = ("198.51.100.0/24", "203.0.113.0/24")
REASON: Final = "the provider's own words"
ACTED: Final = "the lab was asked to fail here"

# 429 is a bare one: with Hetzner's code the client waits and tries again, which no user sees.
FAULTS: Final[dict[str, dict[str, Any]]] = {
    "latency": {"delay_s": 1.0},
    "401": {"status": 401, "code": "unauthorized", "message": REASON},
    "403": {"status": 403, "code": "forbidden", "message": REASON},
    "409": {"status": 409, "code": "uniqueness_error", "message": REASON},
    "412": {"status": 412, "code": "resource_unavailable", "message": REASON},
    "423": {"status": 423, "code": "locked", "message": REASON},
    "429": {"status": 429},
    "500": {"status": 500, "code": "server_error", "message": REASON},
    "503": {"status": 503, "code": "unavailable", "message": REASON},
    "dropped connection": {"drop": "before"},
    "lost answer": {"drop": "after"},
    "half an answer": {"drop": "half"},
    "failed action": {"action": "action_failed"},
    "endless action": {"endless": True},
    "sold out": {"sold_out": "hel1"},
    "no boot": {"no_boot": True},
}
# Where the API can answer so. An address, a key and a label are changed without an action; a server whose creation or
# change of type never ends is locked until Hetzner ends it: tests/failures/test_locked.py.
WHERE: Final[dict[str, frozenset[tuple[Kind, Verb]]]] = {
    "failed action": frozenset(
        {("Server", "create"), ("Server", "delete"), ("Server", "resize"), ("Firewall", "rules")}
    ),
    "endless action": frozenset({("Server", "delete"), ("Firewall", "rules")}),
    "sold out": frozenset({("Server", "create"), ("Server", "resize")}),
    "no boot": frozenset({("Server", "create")}),
}


@dataclass(frozen=True)
class Case:
    """One cell of the matrix."""

    kind: Kind
    verb: Verb
    fault: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.verb}-{self.fault.replace(' ', '-')}"

    @property
    def possible(self) -> bool:
        """Whether there is such a change, and the API can answer it so."""
        if (self.verb == "rules" and self.kind != "Firewall") or (self.verb == "resize" and self.kind != "Server"):
            return False
        return (self.kind, self.verb) in WHERE.get(self.fault, {(self.kind, self.verb)})

    @property
    def unseen(self) -> bool:
        """Whether the operation succeeds: the API is slow, a server does not boot, or the provider tries again."""
        return self.fault in {"latency", "no boot"} or (self.kind, self.verb) == ("PrimaryIp", "delete")

    @property
    def account(self) -> str:
        """The hidden host's, whose address may not be shown; rules change in the other."""
        return "edge" if self.verb == "rules" else "vault"

    @property
    def host(self) -> str:
        """The one in that account."""
        return "falkenstein" if self.verb == "rules" else "press"

    @property
    def resource(self) -> str:
        """The last part of the resource's URN, as far as it is known: two addresses are made in no fixed order."""
        role = "ipv" if (self.kind, self.verb) == ("PrimaryIp", "create") else ROLES[self.kind]
        return f"farshore-{self.account}.{self.host}-{role}"

    def begin(self, standing: Standing) -> None:
        """Bring the deployment to where the verb has something to do."""
        if self.verb == "resize" and standing.server_types().get("vault") == LARGE:
            self._empty(standing)
            standing.configure("origins", "press", "server_type", value=SMALL)
        if self.verb == "create":
            self._empty(standing)
        elif standing.names() != standing.whole() or set(standing.powers()) != {"on"}:
            standing.up("--refresh")
        if self.verb == "update":
            drift(standing, self.account, self.kind)
        elif self.verb == "rules":
            wanted = next(source for source in SOURCES if [source] != standing.ssh_sources())
            standing.admit(wanted)
        elif self.verb == "resize":
            standing.configure("origins", "press", "server_type", value=LARGE)

    def arm(self, standing: Standing) -> None:
        """Make the API answer this verb of this resource with the fault, once."""
        name = f"{standing.work.stack}-{self.host}" + ("-ipv4" if self.kind == "PrimaryIp" else "")
        path = f"/{PATHS[self.kind]}"
        if self.verb != "create":
            path += f"/{identity(standing, self.account, self.kind, name)}{ACTIONS.get(self.verb, '')}"
        standing.arm(method=METHODS[self.verb], path=path, account=self.account, **FAULTS[self.fault])

    def run(self, standing: Standing) -> Run:
        """Do the verb; what never ends is interrupted as soon as the API was asked."""
        flags = self._flags("up" if self.verb in {"rules", "resize"} else "up --refresh")
        if self.fault == "endless action":
            return standing.interrupted(*flags)
        return standing.engine(*flags)

    def again(self, standing: Standing) -> Run:
        """Do it again, as docs/repair.md says."""
        return standing.engine(*self._flags("up --refresh"))

    def check_end(self, standing: Standing) -> None:
        """Check that what was wanted stands at the API, nothing leaked and nothing doubled."""
        if self.verb == "delete":
            assert standing.names() == {account: {} for account in standing.names()}
            return
        assert standing.names() == standing.whole()
        assert all_labels(standing) == standing.labels()
        assert set(standing.powers()) == {"on"}
        if self.verb == "rules":
            assert standing.ssh_sources() == standing.configured_sources()
        if self.verb == "resize":
            assert standing.server_types()["vault"] == LARGE

    def _flags(self, update: str) -> list[str]:
        return ["destroy"] if self.verb == "delete" else update.split()

    @staticmethod
    def _empty(standing: Standing) -> None:
        if any(standing.names().values()):
            done = standing.engine("destroy")
            assert done.code == 0, done.said


def possible_cases() -> tuple[Case, ...]:
    """Return every cell, create, update and delete in turn, so that each begins where the one before ended."""
    return tuple(
        case
        for fault in FAULTS
        for kind in KINDS
        for verb in ("create", "update", "rules", "resize", "delete")
        if (case := Case(kind, verb, fault)).possible
    )
