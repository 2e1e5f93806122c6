"""The two accounts as Hetzner's own client sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from hcloud import Client

if TYPE_CHECKING:
    from tests.failures.standing import Standing

Kind = Literal["PrimaryIp", "SshKey", "Firewall", "Server"]
PATHS: Final[dict[Kind, str]] = {
    "PrimaryIp": "primary_ips",
    "SshKey": "ssh_keys",
    "Firewall": "firewalls",
    "Server": "servers",
}


def door(standing: Standing, account: str, kind: Kind) -> Any:
    """Return the client's part for one kind in one account; the parts share methods, but no type."""
    client = Client(token=standing.cloud.tokens[account], api_endpoint=standing.cloud.endpoint, poll_interval=0.01)
    return getattr(client, PATHS[kind])


def identity(standing: Standing, account: str, kind: Kind, name: str) -> int:
    """Return the id of one object."""
    return int(door(standing, account, kind).get_by_name(name).id)


def drift(standing: Standing, account: str, kind: Kind) -> None:
    """Change a label behind Pulumi's back, so that there is something to update."""
    for thing in door(standing, account, kind).get_all():
        if not thing.name.endswith("-ipv6"):
            thing.update(labels={**thing.labels, "somebody": "was-here"})


def all_labels(standing: Standing) -> dict[str, list[dict[str, str]]]:
    """Return the distinct labels in each account."""
    found: dict[str, list[dict[str, str]]] = {}
    for account in standing.cloud.tokens:
        of_one = [thing.labels for kind in PATHS for thing in door(standing, account, kind).get_all()]
        found[account] = [one for position, one in enumerate(of_one) if one not in of_one[:position]]
    return found
