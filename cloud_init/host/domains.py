"""Domains of a shield: whether its own edge brings an answer from the origin behind."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_init.host.places import DOMAINS

if TYPE_CHECKING:
    from cloud_init.host.commands import Deadline

_HTTP = ("127.0.0.1", 80)
_HTTPS = ("127.0.0.1", 443)
_DOMAIN_WITHIN_S = 6.0  # haproxy gives an origin 5 s to take a connection, then says so itself
_EDGE_FAULTS = {"502": "bad answer", "503": "nobody to send it to", "504": "no answer in time"}


@dataclass(frozen=True)
class Domain:
    """One name that visitors use.

    Args:
        name: As visitors write it.
        tls: It is asked by TLS on 443, which passes through to the origin; else by HTTP on 80.
    """

    name: str
    tls: bool


def domains_of(files: dict[str, tuple[int, str]]) -> list[Domain]:
    """Return the domains that a host's files list, one a line: `http` or `tls`, and the name."""
    lines = files.get(DOMAINS, (0, ""))[1].splitlines()
    words = [line.split() for line in lines if line and not line.startswith("#")]
    return [Domain(name, way == "tls") for way, name in words]


def ask_domain(domain: Domain, deadline: Deadline) -> str:
    """Return why a domain has no answer from its origin, by a new connection to the edge; empty where it has one.

    What the origin says counts as an answer, a refusal as well: an alert of its TLS, a page that is not there.
    """
    within_s = deadline.left_s(_DOMAIN_WITHIN_S)
    if not within_s:
        return "not asked in time"
    try:
        with socket.create_connection(_HTTPS if domain.tls else _HTTP, timeout=within_s) as line:
            return _ask_tls(line, domain.name) if domain.tls else _ask_http(line, domain.name)
    except TimeoutError:
        return "no answer in time"
    except OSError as error:
        return f"no answer: {error.strerror or 'closed'}"


def _ask_tls(line: socket.socket, name: str) -> str:
    """Shake hands as a visitor does; whom the certificate names is the visitors' to judge."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.wrap_socket(line, server_hostname=name).close()
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return "no answer: closed"
    except ssl.SSLError:
        return ""
    return ""


def _ask_http(line: socket.socket, name: str) -> str:
    line.sendall(f"HEAD / HTTP/1.1\r\nHost: {name}\r\nUser-Agent: farshore-host\r\nConnection: close\r\n\r\n".encode())
    with line.makefile("rb") as answer:
        first = answer.readline(64).decode("latin-1")
    if not first.startswith("HTTP/"):
        return "no answer in HTTP" if first else "no answer: closed"
    return _EDGE_FAULTS.get(first[9:12], "")
