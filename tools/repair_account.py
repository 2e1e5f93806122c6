"""One cloud account as `farshore repair` sees it: what stands in it, by id, and the few things done to it.

A hidden host's public addresses are not read. Firewalls' rules, where those can stand, are, and not
shown.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Any, Final

from hcloud import APIException, Client
from hcloud.actions import ActionException, ActionFailedException, ActionTimeoutException
from hcloud.firewalls import FirewallResource

from tools.repair_model import KINDS, Found

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcloud.firewalls import BoundFirewall
    from hcloud.primary_ips import BoundPrimaryIP
    from hcloud.servers import BoundServer
    from hcloud.ssh_keys import BoundSSHKey

    from tools.repair_model import Kind

ACTION_POLL_S: Final = 0.5
QUIET_STATUS: Final = frozenset({"running", "off"})
CHANGING: Final = frozenset({"initializing", "starting", "stopping", "migrating", "rebuilding", "deleting"})
"""How a server is called while something is done to it; what it is afterwards is what has to be mended."""
REQUEST_WITHIN_S: Final = 60.0


class Account:
    """One cloud project.

    Args:
        name: As in the stack file.
        token: Opens it; kept here and shown nowhere.
        endpoint: Address of the API.
    """

    def __init__(self, name: str, *, token: str, endpoint: str) -> None:
        self.name = name
        self._client = Client(
            token=token,
            api_endpoint=endpoint,
            application_name="farshore-repair",
            poll_interval=ACTION_POLL_S,
            timeout=REQUEST_WITHIN_S,
        )

    def found(self) -> tuple[Found, ...]:
        """Return everything in the account of the kinds that Farshore makes, whoever made it.

        A server that is changing is waited for, as long as the client waits for an action: a look that comes a moment
        too early would call one that is given another type well, which stays without power, and one whose creation
        goes on after its answer was lost half made.

        Raises:
            AccountError: The account did not answer.
        """
        with self._explaining("reading"):
            return tuple(
                self._found(kind, settled)
                for kind in KINDS
                for thing in self._door(kind).get_all()
                if (settled := self._settled(thing) if kind == "server" else thing) is not None
            )

    def remove(self, thing: Found) -> None:
        """Delete one object, and a server with all that is on it; one that is gone already is well.

        A server is locked while something is under way, and one whose creation was cut off may still be: that is
        awaited first.

        Raises:
            AccountError: The account refused.
        """
        with self._explaining(f"removing {thing.kind} {thing.name!r}"):
            try:
                bound = self._door(thing.kind).get_by_id(thing.id)
                if thing.kind == "server":
                    _await_quiet(bound)
                done = bound.delete()
            except APIException as error:
                if error.code != "not_found":
                    raise
                return
            if thing.kind == "server":
                done.wait_until_finished()

    def power_on(self, thing: Found) -> None:
        """Start a server and wait until the account says that it runs.

        Raises:
            AccountError: The account refused.
        """
        with self._explaining(f"starting {thing.kind} {thing.name!r}"):
            server = self._client.servers.get_by_id(thing.id)
            _await_quiet(server)
            server.power_on().wait_until_finished()

    def attach(self, server: Found, missing: tuple[Found, ...]) -> None:
        """Give a server its firewall back, and then its addresses, for which it is switched off and on.

        Raises:
            AccountError: The account refused.
        """
        with self._explaining(f"attaching to server {server.name!r}"):
            bound = self._client.servers.get_by_id(server.id)
            _await_quiet(bound)
            for thing in missing:
                if thing.kind == "firewall":
                    resource = FirewallResource(type=FirewallResource.TYPE_SERVER, server=bound)
                    for action in self._client.firewalls.get_by_id(thing.id).apply_to_resources([resource]):
                        action.wait_until_finished()
            addresses = [thing for thing in missing if thing.kind == "primary_ip"]
            if not addresses:
                return
            if not server.off:
                bound.power_off().wait_until_finished()
            try:
                for thing in addresses:
                    address = self._client.primary_ips.get_by_id(thing.id)
                    address.assign(assignee_id=server.id, assignee_type="server").wait_until_finished()
            finally:
                bound.power_on().wait_until_finished()

    def public_address(self, server: Found, family: str) -> str:
        """Return a server's public address: for a shield, whose address is no secret.

        Args:
            server: The shield's.
            family: ipv4 or ipv6.

        Raises:
            AccountError: The account did not answer, or the server has none.
        """
        with self._explaining(f"reading server {server.name!r}"):
            net = self._client.servers.get_by_id(server.id).public_net
        said = (net.ipv4 if family == "ipv4" else net.ipv6) if net else None
        if said is None:
            raise AccountError(f"account {self.name}: server {server.name!r} without {family}, allowed: with it")
        return str(said.ip) if family == "ipv4" else str(IPv6Network(str(said.ip)).network_address + 1)

    def _settled(self, server: BoundServer) -> BoundServer | None:
        """Return a server as it is when it has stopped changing, None if it is gone by then."""
        if server.status not in CHANGING:
            return server
        try:
            with suppress(ActionTimeoutException):
                _await_quiet(server)
            return self._client.servers.get_by_id(int(server.id or 0))
        except APIException as error:
            if error.code != "not_found":
                raise
            return None

    def _door(self, kind: Kind) -> Any:
        """Return the client's part for one kind; the parts share methods, but no type."""
        doors: dict[Kind, Any] = {
            "server": self._client.servers,
            "primary_ip": self._client.primary_ips,
            "firewall": self._client.firewalls,
            "ssh_key": self._client.ssh_keys,
        }
        return doors[kind]

    def _found(self, kind: Kind, thing: Any) -> Found:
        labels = thing.labels or {}
        status = thing.status if kind == "server" else "running"
        return Found(
            account=self.name,
            kind=kind,
            id=int(thing.id),
            name=str(thing.name),
            host=labels.get("farshore-host", ""),
            stack=labels.get("farshore-stack", ""),
            off=status == "off",
            busy=status not in QUIET_STATUS,
            created=thing.created,
            traits={"name": thing.name, "labels": dict(labels), **_TRAITS[kind](thing)},
        )

    @contextmanager
    def _explaining(self, doing: str) -> Iterator[None]:
        try:
            yield
        except APIException as error:
            raise AccountError(
                f"account {self.name}: {doing}: {error.message} ({error.code}), allowed: success; run repair again"
            ) from error
        except ActionException as error:
            raise AccountError(
                f"account {self.name}: {doing}: {error.message}, allowed: success; run repair again"
            ) from error
        except OSError as error:  # the client's own connection errors are among these
            raise AccountError(
                f"account {self.name}: {doing}: no answer ({type(error).__name__}), allowed: one; run repair again"
            ) from error


def _server_traits(server: BoundServer) -> dict[str, Any]:
    image, public = server.image, server.public_net
    block: dict[str, Any] = {}
    for side, address in (
        ("ipv4", public.primary_ipv4 if public else None),
        ("ipv6", public.primary_ipv6 if public else None),
    ):
        block |= {f"{side}Enabled": address is not None}
        if address is not None:
            block |= {side: address.id}
    return {
        "serverType": server.server_type.name if server.server_type else None,
        "image": (image.name or str(image.id)) if image else None,
        "location": server.location.name if server.location else None,
        "firewallIds": sorted(one.firewall.id for one in (public.firewalls if public else None) or ()),
        "publicNets": [block],
    }


def _address_traits(address: BoundPrimaryIP) -> dict[str, Any]:
    return {
        "type": address.type,
        "location": address.location.name if address.location else None,
        "autoDelete": address.auto_delete,
    }


def _firewall_traits(firewall: BoundFirewall) -> dict[str, Any]:
    named = {"direction": "direction", "protocol": "protocol", "port": "port", "description": "description"}
    named |= {"source_ips": "sourceIps", "destination_ips": "destinationIps"}
    rules = [
        {ours: value for theirs, ours in named.items() if (value := getattr(rule, theirs))}
        for rule in firewall.rules or ()
    ]
    return {"rules": rules}


def _key_traits(key: BoundSSHKey) -> dict[str, Any]:
    return {"publicKey": key.public_key}


# What a program can ask for, in Pulumi's names, by kind.
_TRAITS: Final[dict[Kind, Any]] = {
    "server": _server_traits,
    "primary_ip": _address_traits,
    "firewall": _firewall_traits,
    "ssh_key": _key_traits,
}


def _await_quiet(server: BoundServer) -> None:
    """Wait until no action of a server is under way; whether one fails is not our business."""
    for action in server.get_actions(status=["running"]):
        with suppress(ActionFailedException):
            action.wait_until_finished()


class AccountError(Exception):
    """An account refused or did not answer."""
