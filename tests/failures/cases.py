"""The matrix of failures: each kind of resource, each verb, each way in which the provider's API goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from hcloud import Client

if TYPE_CHECKING:
    from tests.failures.standing import Run, Standing

Kind = Literal["PrimaryIp", "SshKey", "Firewall", "Server"]
Verb = Literal["create", "update", "delete"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
VERBS: Final[tuple[Verb, ...]] = get_args(Verb)
PATHS: Final[dict[Kind, str]] = {
    "PrimaryIp": "primary_ips",
    "SshKey": "ssh_keys",
    "Firewall": "firewalls",
    "Server": "servers",
}
ROLES: Final[dict[Kind, str]] = {"PrimaryIp": "ipv4", "SshKey": "key", "Firewall": "firewall", "Server": "server"}
METHODS: Final[dict[Verb, str]] = {"create": "POST", "update": "PUT", "delete": "DELETE"}
ACCOUNT: Final = "vault"  # the hidden host's, whose address may not be shown
HOST: Final = "press"
REASON: Final = "the provider's own words"

# 429 is a bare one: with Hetzner's code the client waits and tries again, which no user sees.
FAULTS: Final[dict[str, dict[str, Any]]] = {
    "401": {"status": 401, "code": "unauthorized", "message": REASON},
    "403": {"status": 403, "code": "forbidden", "message": REASON},
    "409": {"status": 409, "code": "uniqueness_error", "message": REASON},
    "412": {"status": 412, "code": "resource_unavailable", "message": REASON},
    "423": {"status": 423, "code": "locked", "message": REASON},
    "429": {"status": 429},
    "500": {"status": 500, "code": "server_error", "message": REASON},
    "503": {"status": 503, "code": "unavailable", "message": REASON},
    "lost answer": {"drop": "after"},
    "half an answer": {"drop": "half"},
    "failed action": {"action": "action_failed"},
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
        """Whether the API can answer so: addresses' and keys' requests have no actions, nor has a change of labels."""
        if self.fault == "failed action":
            return self.kind == "Server" and self.verb != "update"
        return True

    @property
    def resource(self) -> str:
        """The last part of the resource's URN, as far as it is known: two addresses are made in no fixed order."""
        if (self.kind, self.verb) == ("PrimaryIp", "create"):
            return f"farshore-{ACCOUNT}.{HOST}-ipv"
        return f"farshore-{ACCOUNT}.{HOST}-{ROLES[self.kind]}"

    def begin(self, standing: Standing) -> None:
        """Bring the deployment to where the verb has something to do."""
        names = standing.names()
        if self.verb == "create" and any(names.values()):
            done = standing.engine("destroy")
            assert done.code == 0, done.said
        if self.verb != "create" and names != standing.whole():
            standing.up()
        if self.verb == "update":
            relabel(standing, self.kind)

    def run(self, standing: Standing) -> Run:
        """Do the verb."""
        return standing.engine("destroy") if self.verb == "delete" else standing.engine("up", "--refresh")

    def arm(self, standing: Standing) -> None:
        """Make the API answer this verb of this resource with the fault, once."""
        name = f"{standing.work.stack}-{HOST}" + ("-ipv4" if self.kind == "PrimaryIp" else "")
        path = f"/{PATHS[self.kind]}"
        if self.verb != "create":
            path += f"/{identity(standing, self.kind, name)}"
        standing.arm(method=METHODS[self.verb], path=path, account=ACCOUNT, **FAULTS[self.fault])

    def end(self, standing: Standing) -> dict[str, dict[str, list[str]]]:
        """Return what has to stand at the API when the verb is done."""
        return {account: {} for account in standing.names()} if self.verb == "delete" else standing.whole()


def door(standing: Standing, kind: Kind) -> Any:
    """Return Hetzner's own client for one kind in the account of the hidden host."""
    client = Client(token=standing.cloud.tokens[ACCOUNT], api_endpoint=standing.cloud.endpoint)
    return getattr(client, PATHS[kind])


def identity(standing: Standing, kind: Kind, name: str) -> int:
    """Return the id of one object."""
    return int(door(standing, kind).get_by_name(name).id)


def relabel(standing: Standing, kind: Kind) -> None:
    """Change a label behind Pulumi's back, so that there is something to update."""
    for thing in door(standing, kind).get_all():
        if not thing.name.endswith("-ipv6"):
            thing.update(labels={**thing.labels, "somebody": "was-here"})


def labels(standing: Standing) -> list[dict[str, str]]:
    """Return the distinct labels in the account of the hidden host."""
    found = [thing.labels for kind in KINDS for thing in door(standing, kind).get_all()]
    return [one for position, one in enumerate(found) if one not in found[:position]]
