"""A packet out by one tunnel, and its answer by whichever.

While two generations of a tunnel stand, answers come by the active one: a socket that is bound to the interface, as
ping's is, would not see them. Each end proves its own direction, and both ends together prove the tunnel.
"""

from __future__ import annotations

import os
import socket
import struct
import time

_HEADERS = {False: 28, True: 48}  # of IP and ICMP, in IPv4 and IPv6
_ASKS = {False: 8, True: 128}
_ANSWERS = {False: 0, True: 129}
# linux/in.h, linux/in6.h: IP_UNICAST_IF, IP_MTU_DISCOVER and their twins; 2 never fragments.
_OPTIONS = {False: (socket.IPPROTO_IP, 50, 10), True: (socket.IPPROTO_IPV6, 76, 23)}
_TOKEN_BYTES = 16


def echoes(name: str, address: str, size_bytes: int, within_s: float) -> bool:
    """Tell whether a packet of this size, in one piece, leaves by an interface and is answered.

    Args:
        name: Of the interface.
        address: Inside the tunnel.
        size_bytes: Of the whole packet, headers too.
        within_s: For the answer.
    """
    six, token = ":" in address, os.urandom(_TOKEN_BYTES)
    packet = _request(token, size_bytes - _HEADERS[six], six=six)
    kind, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
    level, by_interface, in_one_piece = _OPTIONS[six]
    until = time.monotonic() + within_s
    try:
        with socket.socket(kind, socket.SOCK_RAW, protocol) as one:
            one.setsockopt(level, by_interface, struct.pack("!I", socket.if_nametoindex(name)))
            one.setsockopt(level, in_one_piece, 2)
            one.sendto(packet, (address, 0))
            while time.monotonic() < until:
                one.settimeout(max(0.001, until - time.monotonic()))
                if _is_answer(one.recv(65535), token, six=six):
                    return True
    except OSError:  # no such interface, larger than its packets, no key for the peer, or no answer in time
        return False
    return False


def _request(token: bytes, data_bytes: int, *, six: bool) -> bytes:
    """Return an echo request; the kernel adds the checksum in IPv6."""
    data = token.ljust(data_bytes, b"\0")[: max(data_bytes, _TOKEN_BYTES)]
    head = struct.pack("!BBHHH", _ASKS[six], 0, 0, int.from_bytes(token[:2], "big"), 1)
    return head + data if six else head[:2] + _checksum(head + data) + head[4:] + data


def _checksum(data: bytes) -> bytes:
    """Return the Internet's checksum.

    Source: RFC 1071.
    """
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def _is_answer(data: bytes, token: bytes, *, six: bool) -> bool:
    """Tell whether a packet answers ours; in IPv4 its header comes with it."""
    start = 0 if six or not data else (data[0] & 15) * 4
    return data[start : start + 1] == bytes([_ANSWERS[six]]) and data[start + 8 : start + 8 + len(token)] == token
