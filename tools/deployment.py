"""What stands in the lab after `up`: its hosts as the cloud knows them, the first page, the summary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Any, Final

from hcloud import Client
from rich.table import Table

from lab.client import Lab, LabError, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hcloud.servers import BoundServer
    from rich.console import Console

    from lab.client import PlaceSpot

LISTENERS: Final = "/usr/local/lib/farshore/listeners"
PAGE_WITHIN_S: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Host:
    """One server of the deployment, as its cloud knows it; an address that it has not is empty."""

    name: str
    server_name: str
    account: str
    country: str
    city: str
    ipv4: str
    ipv6: str

    @property
    def public(self) -> str:
        """Return its public address, of the elder family that it has."""
        return self.ipv4 or self.ipv6


@dataclass(frozen=True)
class Hosts:
    """All servers of the deployment."""

    all: tuple[Host, ...]

    def named(self, name: str) -> Host:
        """Return the host of this name.

        Raises:
            LabError: There is none.
        """
        for host in self.all:
            if name in {host.name, host.server_name}:
                return host
        raise LabError(f"host: {name!r}, allowed: {', '.join(host.name for host in self.all) or 'none yet'}; name one")


def hosts_of(lab: Lab) -> Hosts:
    """Return the servers that Farshore made in a lab's accounts."""
    found = [
        _host(account, server)
        for account, token in lab.tokens.items()
        for server in Client(token=token, api_endpoint=lab.endpoint).servers.get_all(label_selector="farshore-host")
    ]
    return Hosts(tuple(sorted(found, key=lambda host: (host.account, host.name))))


def _host(account: str, server: BoundServer) -> Host:
    """Return a server in our words; the API always fills what is asserted here."""
    assert server.labels is not None
    assert server.name is not None
    assert server.location is not None
    assert server.public_net is not None
    ipv4, ipv6 = server.public_net.ipv4, server.public_net.ipv6
    return Host(
        name=server.labels["farshore-host"],
        server_name=server.name,
        account=account,
        country=str(server.location.country),
        city=str(server.location.city),
        ipv4=str(ipv4.ip) if ipv4 else "",
        ipv6=str(IPv6Network(str(ipv6.ip)).network_address + 1) if ipv6 else "",
    )


def tell_listeners(lab: Lab, hosts: Sequence[Host], console: Console) -> None:
    """Print what hidden hosts' own look at their listeners finds; each finding is a line of its own."""
    for host in hosts:
        machine = lab.machine(host.server_name)
        if machine.has(LISTENERS):  # a shield has none
            for line in machine.run([LISTENERS]).stdout.splitlines():
                console.print(f"  warning: {host.name}: {line}", soft_wrap=True)


def await_page(lab: Lab, outputs: dict[str, Any], console: Console) -> None:
    """Ask for each domain as a visitor until it answers."""
    visitor = lab.place("visitor")
    for domain, said in sorted(outputs["origins"].items()):
        url = f"{'http' if said['tls'] == 'none' else 'https'}://{domain}/"
        ask = ["curl", "-sS", "-k", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "3", url]
        with console.status(f"asking for {url}"):
            until(partial(_ok, visitor, ask), PAGE_WITHIN_S, f"200 from {url}")
        console.print(f"  {url} answers")


def _ok(visitor: PlaceSpot, ask: Sequence[str]) -> bool | None:
    return visitor.run(ask).stdout == "200" or None


def show_summary(name: str, hosts: Hosts, outputs: dict[str, Any], console: Console) -> None:
    """Print what there is now, what to enter at an edge, and what to try."""
    table = Table("host", "country", "account", "public address", "tunnel address", box=None, pad_edge=False)
    shields = outputs["shields"]
    tunnel = {said["origin"]: said["address"] for said in outputs["origins"].values()}
    for host in hosts.all:
        shield = shields.get(host.name)
        table.add_row(
            host.name,
            f"{host.country} ({host.city})",
            host.account,
            "\n".join(shield.values()) if shield else "hidden",
            tunnel.get(host.name, ""),
        )
    console.print()
    console.print(table)
    console.print("\nto enter at an edge, as the origin of each domain:")
    for domain, said in sorted(outputs["origins"].items()):
        console.print(f"  {domain} -> {said['address']}:{said['port']}  (tls {said['tls']})")
    other = f" --name {name}" if name != "lab" else ""
    hidden = next((host.name for host in hosts.all if host.name not in shields), hosts.all[0].name)
    page = next(iter(sorted(outputs["origins"])), "")
    tls = outputs["origins"].get(page, {}).get("tls")
    commands = [
        (f"bin/farshore lab visit{other} {'http' if tls == 'none' else 'https'}://{page}/", "as a visitor"),
        (f"bin/farshore lab scan{other} {hidden}", "as an attacker"),
        (f"bin/farshore lab shell{other} {hidden}", "on the host"),
        (f"make down{f' LAB={name}' if other else ''}", "and all of it is gone"),
    ]
    console.print("\nto try:")
    width = max(len(command) for command, _ in commands)
    for command, what in commands:
        console.print(f"  {command:{width}}   # {what}", soft_wrap=True)
