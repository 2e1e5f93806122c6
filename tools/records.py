"""The lab's DNS records: a domain is sent to a shield once that shield answers for it, as its owner should do it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lab.client import until
from plan.endpoints import parse_host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from lab.client import Lab

ANSWERS_WITHIN_S: Final = 60.0


def publish_known(lab: Lab, outputs: Mapping[str, Any]) -> None:
    """Publish what hosts need to find each other, and of the domains' records those that were published before."""
    before = lab.published_names()
    known = {
        name: [address for address in addresses if address in before.get(name, ())]
        for name, addresses in _domains(outputs).items()
    }
    lab.publish_names({**_endpoints(outputs), **{name: addresses for name, addresses in known.items() if addresses}})


def publish_answering(lab: Lab, outputs: Mapping[str, Any], console: Console) -> None:
    """Publish every record, once each new one leads to an answer: a new shield has to have seen its origins first.

    Raises:
        TimeoutError: One does not.
    """
    before, visitor = lab.published_names(), lab.place("visitor")
    for name, addresses in sorted(_domains(outputs).items()):
        scheme, port = ("http", 80) if outputs["origins"][name]["tls"] == "none" else ("https", 443)
        for address in addresses:
            if address in before.get(name, ()):
                continue
            way = f"{name}:{port}:{f'[{address}]' if ':' in address else address}"
            ask = ["curl", "-sS", "-k", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "3", "--resolve", way]

            def answers(ask: list[str], url: str) -> bool | None:
                return visitor.run([*ask, url]).stdout == "200" or None

            with console.status(f"asking for {name} at {address}"):
                until(partial(answers, ask, f"{scheme}://{name}/"), ANSWERS_WITHIN_S, f"200 for {name} from {address}")
    lab.publish_names(names_of(outputs))


def names_of(outputs: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the DNS records that the deployment asks for, as the lab's resolver takes them.

    A shield that is dialled by a name has the name too: in the lab no router stands before it.
    """
    return {**_endpoints(outputs), **_domains(outputs)}


def _domains(outputs: Mapping[str, Any]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for record in outputs["dns"]:
        names.setdefault(record["name"], []).append(record["value"])
    return names


def _endpoints(outputs: Mapping[str, Any]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for of, tunnel in outputs["tunnels"].items():
        host = (tunnel["endpoint"] or "").rpartition(":")[0].strip("[]")
        if host and isinstance(parse_host(host), str):
            names.setdefault(host, list(outputs["shields"][of.partition("/")[0]].values()))
    return names
