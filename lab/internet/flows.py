"""The flows that a site's firewall knows: what it lets back in because the machine has asked for it.

Read and written when a lab is saved and stood up again; without them a tunnel would stay silent until its inner end
speaks by itself. UDP alone: a TCP connection across the edge of the lab has lost its other end anyhow.
"""

from __future__ import annotations

import socket
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from pyroute2 import NFCTSocket
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple

from lab.internet.namespace import run_inside

if TYPE_CHECKING:
    from collections.abc import Iterable

_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
_SEEN_REPLY: Final = 2  # linux/netfilter/nf_conntrack_common.h
_ASSURED: Final = 4
_CONFIRMED: Final = 8  # every entry that the table has


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One flow of UDP, in the direction of its first packet.

    Args:
        source: Address.
        destination: Address.
        source_port: As the packets have it.
        destination_port: As the packets have it.
        answered: Whether anything has come back.
        lasts_s: For how long it is known without another packet.
    """

    source: str
    destination: str
    source_port: int
    destination_port: int
    answered: bool
    lasts_s: int

    def as_json(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return asdict(self)


def read_flows(namespace: str) -> list[Flow]:
    """Return the flows of UDP that a namespace's kernel knows."""

    def read() -> list[Flow]:
        found = []
        for family in _FAMILIES:
            with NFCTSocket(nfgen_family=family) as table:
                found += [flow for entry in table.dump() if (flow := _flow(entry)) is not None]
        return found

    return run_inside(namespace, read)


def write_flows(namespace: str, flows: Iterable[Flow]) -> None:
    """Make a namespace's kernel know flows; it knows none of them yet."""

    def write() -> None:
        for flow in flows:
            family = socket.AF_INET6 if ":" in flow.source else socket.AF_INET
            with NFCTSocket(nfgen_family=family) as table:
                there = NFCTAttrTuple(
                    family=family,
                    saddr=flow.source,
                    daddr=flow.destination,
                    proto=socket.IPPROTO_UDP,
                    sport=flow.source_port,
                    dport=flow.destination_port,
                )
                status = _CONFIRMED | (_SEEN_REPLY | _ASSURED if flow.answered else 0)
                table.entry("add", timeout=flow.lasts_s, status=status, tuple_orig=there, tuple_reply=there.reverse())

    run_inside(namespace, write)


def _flow(entry: Any) -> Flow | None:
    there = NFCTAttrTuple.from_netlink(entry["nfgen_family"], entry.get_attr("CTA_TUPLE_ORIG"))
    if there.proto != socket.IPPROTO_UDP:
        return None
    return Flow(
        source=there.saddr,
        destination=there.daddr,
        source_port=there.sport,
        destination_port=there.dport,
        answered=bool(entry.get_attr("CTA_STATUS") & _SEEN_REPLY),
        lasts_s=entry.get_attr("CTA_TIMEOUT"),
    )
