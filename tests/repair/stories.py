"""A small deployment as its state, its accounts and its program tell of it: what the tests of repair bend."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tools.repair_model import Found, State
from tools.repair_state import read_state
from tools.repair_wishes import read_wishes

if TYPE_CHECKING:
    from tools.repair_model import Wish

STACK = "dev"
HIDDEN = "198.51.100.7"
URN = f"urn:pulumi:{STACK}::farshore"
PROVIDER_URN = f"{URN}::pulumi:providers:hcloud::farshore-vault-provider"
PROVIDER = f"{PROVIDER_URN}::11111111-1111-4111-8111-111111111111"
PARENT = f"{URN}::farshore:components:Origin::farshore-vault.press"
KEY = f"{URN}::pulumi:index:Stash::press-ssh-host"
LABELS = {"farshore-stack": STACK, "farshore-host": "press"}
BEFORE, THEN, AFTER = "2026-11-01T09:59:59Z", "2026-11-01T10:00:00.123456789Z", "2026-11-01T10:00:09Z"
TOKENS = {
    "server": "hcloud:index/server:Server",
    "primary_ip": "hcloud:index/primaryIp:PrimaryIp",
    "firewall": "hcloud:index/firewall:Firewall",
    "ssh_key": "hcloud:index/sshKey:SshKey",
}
INPUTS: dict[str, dict[str, Any]] = {
    "server": {
        "serverType": "cx23",
        "image": "debian-12",
        "location": "hel1",
        "firewallIds": [20],
        "publicNets": [{"ipv4Enabled": True, "ipv4": 30, "ipv6Enabled": True, "ipv6": 31}],
    },
    "primary_ip": {"type": "ipv4", "location": "hel1", "autoDelete": False},
    "firewall": {"rules": [{"direction": "in", "protocol": "udp", "port": "51820", "sourceIps": [f"{HIDDEN}/32"]}]},
    "ssh_key": {"publicKey": "ssh-ed25519 AAAA"},
}
OBJECTS = (("server", 10), ("firewall", 20), ("primary_ip", 30), ("primary_ip", 31), ("ssh_key", 40))


def name_of(kind: str, number: int) -> str:
    """Return an object's name at the account."""
    return f"dev-press-{'ipv4' if number == 30 else 'ipv6'}" if kind == "primary_ip" else "dev-press"


def urn_of(kind: str, number: int) -> str:
    """Return a resource's URN."""
    return f"{URN}::{TOKENS[kind]}::{name_of(kind, number)}-{kind}"


def inputs_of(kind: str, number: int) -> dict[str, Any]:
    """Return what a resource is asked to be."""
    inputs = {"name": name_of(kind, number), "labels": dict(LABELS), **copy.deepcopy(INPUTS[kind])}
    return inputs | ({"type": "ipv6"} if number == 31 else {})


def row(kind: str, number: int, **more: Any) -> dict[str, Any]:
    """Return a resource of the state."""
    made = {"urn": urn_of(kind, number), "custom": True, "type": TOKENS[kind], "id": str(number), "created": THEN}
    return made | {"inputs": inputs_of(kind, number), "parent": PARENT, "provider": PROVIDER} | more


def export(*rows: dict[str, Any], pending: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """Return an exported state: these rows, and what each deployment has besides."""
    always = [
        {"urn": PROVIDER_URN, "custom": True, "type": "pulumi:providers:hcloud", "id": PROVIDER.rpartition("::")[2]},
        {"urn": PARENT, "custom": False, "type": "farshore:components:Origin"},
        {"urn": KEY, "custom": True, "type": "pulumi:index:Stash", "id": "stash", "created": THEN},
    ]
    return {"version": 3, "deployment": {"resources": [*always, *rows], "pending_operations": list(pending)}}


def whole() -> list[dict[str, Any]]:
    """Return the rows of a deployment that stands."""
    return [row(kind, number) for kind, number in OBJECTS]


def state(*rows: dict[str, Any], pending: tuple[dict[str, Any], ...] = ()) -> State:
    """Return a state that was read."""
    return read_state(export(*rows, pending=pending))


def thing(kind: Any, number: int, *, created: str = AFTER, **more: Any) -> Found:
    """Return an object at the account `vault`."""
    traits = inputs_of(kind, number) | more.pop("traits", {})
    about = {"host": "press", "stack": STACK, "traits": traits, "created": datetime.fromisoformat(created)} | more
    return Found(account="vault", kind=kind, id=number, name=name_of(kind, number), **about)


def things() -> list[Found]:
    """Return everything at the account."""
    return [thing(kind, number) for kind, number in OBJECTS]


def step(kind: str, number: int, *, op: str = "create", **inputs: Any) -> dict[str, Any]:
    """Return a step of a preview in which a resource is to be made."""
    born = {"userData": "[secret]", "sshKeys": ["40"]} if kind == "server" else {}
    wanted = row(kind, number, dependencies=[KEY], propertyDependencies={"name": [KEY, f"{URN}::gone"]})
    del wanted["id"], wanted["created"]
    wanted["inputs"] = {"__defaults": [], **wanted["inputs"], **born, **inputs}
    return {"op": op, "urn": wanted["urn"], "newState": wanted}


def wishes(*steps: dict[str, Any]) -> dict[tuple[str, str, str], Wish]:
    """Return what a preview's steps ask for."""
    import json

    return read_wishes(json.dumps({"steps": list(steps)}))


NOW = datetime(2026, 11, 2, tzinfo=UTC)
