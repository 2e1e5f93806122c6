"""The shield's edge in haproxy's format.

Pure. TLS passes through, chosen by SNI: the shield's country never sees plain text. A name that nobody declared is
closed without an answer and without a certificate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address

    from plan.model import Site

# Time-outs: haproxy's own manual asks for all of them. `tunnel` is for websockets and TLS passed through, which are
# silent for long; `http-request` ends a client that sends its headers drop by drop.
_HEAD: Final = """\
# Farshore's own file. Change the stack file, not this file: it is written again.
global
    log /dev/log local0
    user haproxy
    group haproxy
    stats socket /run/haproxy/admin.sock mode 600 level admin

defaults
    log global
    option dontlognull
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    timeout http-request 10s
    timeout http-keep-alive 15s
    timeout queue 10s
"""


def render_haproxy(sites: Sequence[Site], source: IPv4Address) -> str:
    """Return the whole configuration of one shield.

    Args:
        sites: Domains, in order.
        source: The shield's tunnel address, from which origins expect to be asked.
    """
    passed = [site for site in sites if site.tls == "passthrough"]
    plain = [site for site in sites if site.tls == "none"]
    backends = {(site.tls, site.origin, site.service): site for site in sites}
    return "\n".join(
        [
            _HEAD,
            *_https(passed),
            *_http(passed, plain),
            *(line for site in backends.values() for line in _backend(site, source)),
        ]
    )


def _https(sites: Sequence[Site]) -> list[str]:
    return [
        "frontend https",
        "    mode tcp",
        "    option tcplog",
        "    bind :443",
        "    bind :::443 v6only",
        "    tcp-request inspect-delay 5s",
        "    tcp-request content accept if { req.ssl_hello_type 1 }",
        "    tcp-request content reject",
        *(f"    use_backend {_name(site)} if {{ req.ssl_sni -i {site.domain} }}" for site in sites),
        "",
    ]


def _http(passed: Sequence[Site], plain: Sequence[Site]) -> list[str]:
    # A reload closes a visitor's idle connection with its next answer: closed at once, it loses a request on its way.
    return [
        "frontend http",
        "    mode http",
        "    option httplog",
        "    option forwardfor",
        "    option idle-close-on-response",
        "    bind :80",
        "    bind :::80 v6only",
        *(
            f"    http-request redirect scheme https code 308 if {{ hdr(host),field(1,:) -i {site.domain} }}"
            for site in passed
        ),
        *(f"    use_backend {_name(site)} if {{ hdr(host),field(1,:) -i {site.domain} }}" for site in plain),
        "    default_backend nobody",
        "",
        "backend nobody",
        "    mode http",
        "    http-request reject",
        "",
    ]


def _backend(site: Site, source: IPv4Address) -> list[str]:
    return [
        f"backend {_name(site)}",
        f"    mode {'tcp' if site.tls == 'passthrough' else 'http'}",
        f"    source {source}",
        f"    server {site.origin} {site.address}:{site.port} check inter 2s downinter 1s fall 3 rise 1",
        "",
    ]


def _name(site: Site) -> str:
    """Return the backend of a service: domains that share a service share its health checks."""
    return f"{site.tls}-{site.origin}-{site.service}"
