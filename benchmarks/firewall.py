"""What the firewall costs: our table beside none, and beside the least that any has to do.

`conntrack` is a table with default drop and nothing but `ct state established,related accept` (and the one port that
is measured): whoever filters by connection pays that. Ratios to it say what is ours. Packets are counted by the
processor time of whoever sends them, which on a pair of interfaces is the time of the whole way through the host's
hooks, so that a busy machine disturbs little; the tunnel's throughput is by the clock. Rounds are interleaved, each
with every table once; the spread is from the first to the third quartile.
"""

from __future__ import annotations

import socket
import statistics
import sys
import threading
import time
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import TYPE_CHECKING, Final

from benchmarks.tunnel import PORT, Bench
from cloud_init import Material
from cloud_init.nftables import render_nftables
from lab.internet.namespace import run_inside
from plan.model.firewall import Firewall, Flow, Permit

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS: Final = 10
BURSTS: Final = 40
BURST: Final = 500
STREAM_S: Final = 1.0
APP: Final = 8443
REFERENCE: Final = "conntrack"
ASKED: Final = Permit(
    networks=(IPv4Network("203.0.113.1"),), protocol="udp", ports=(5353,), user=None, because="measured"
)
_LEAST: Final = f"""
table inet least {{
  chain input {{
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    udp dport {{ {PORT}, {APP} }} accept
    tcp dport {APP} accept
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    udp dport {APP} accept
  }}
  chain output {{
    type filter hook output priority filter; policy accept;
    ct state established,related accept
  }}
}}
"""


def firewall(peers: int) -> Firewall:
    """Return a shield's firewall with so many peers, each with a flow to the host and one through it."""
    others = tuple(IPv4Address("10.0.16.0") + number for number in range(1, peers))
    every = (IPv4Address("10.0.0.1"), IPv4Address("10.0.9.1"), *others)

    def flow(source: IPv4Address, destination: str, protocol: str) -> Flow:
        return Flow(
            name="press/web",
            protocol="tcp" if protocol == "tcp" else "udp",
            ports=(APP,),
            sources=(IPv4Network(source),),
            destinations=(IPv4Network(destination),),
            because=(),
        )

    return Firewall(
        visitor_ports=(80, 443),
        wireguard_ports=(PORT,),
        peers=(IPv4Address("203.0.113.1"), *(IPv4Address("198.51.0.0") + number for number in range(1, peers))),
        roaming=False,
        accepts=tuple(
            flow(source, to, protocol)
            for source in every
            for to in ("10.0.0.2", "10.0.9.2")
            for protocol in ("tcp", "udp")
        ),
        forwards=tuple(flow(source, "10.0.8.9", "udp") for source in every),
        internet=(),
        masquerades=(),
        expiries=(),
        ssh_sources=(),
        inside=(ip_network("10.0.0.0/16"), ip_network("fd5a::/48")),
        egress=None,
    )


def tables() -> dict[str, str]:
    """Return what is compared, by name."""
    one = firewall(1)
    return {
        "none": "",
        REFERENCE: _LEAST,
        "ours, 1 peer": render_nftables(one, Material({})),
        "ours, 1000 peers": render_nftables(firewall(1000), Material({})),
        "ours, restricted": render_nftables(replace(one, egress=(ASKED,)), Material({})),
    }


def main() -> None:
    """Measure, and print a table for each way through the host."""
    with Bench() as bench:
        ways: dict[str, Callable[[], float]] = {
            "tunnel throughput, Mbit/s": lambda: stream_mbit_s(bench),
            "inside a tunnel, to the host, packets/s": lambda: packets_per_s(bench, "10.0.9.1", "10.0.9.2", "host"),
            "through the host, packets/s": lambda: packets_per_s(bench, "10.0.9.1", "10.0.8.9", "back"),
            "from the Internet, established, packets/s": lambda: answers_per_s(bench),
            "a tunnel's outer packets, packets/s": lambda: outer_per_s(bench),
        }  # fmt: skip
        seen: dict[str, dict[str, list[float]]] = {way: {name: [] for name in tables()} for way in ways}
        for turn in range(ROUNDS):
            order = [*tables().items()]
            for name, table in order[turn % len(order) :] + order[: turn % len(order)]:
                print(f"\rround {turn + 1} of {ROUNDS}: {name:<20}", end="", file=sys.stderr, flush=True)
                bench.nft(table)
                for way, measure in ways.items():
                    if (value := measure()) > 0:
                        seen[way][name].append(value)
        print("\r" + " " * 50, end="\r", file=sys.stderr)
    for way, by_table in seen.items():
        report(way, by_table)


def report(way: str, by_table: dict[str, list[float]]) -> None:
    """Print medians, and ratios to `none` and to the least within each round, with their spread."""
    print(f"{way:<56} {'median':>9}  {'of none':>8}  of {REFERENCE} (quartiles)")
    for name, values in by_table.items():
        ratios = [mine / theirs for mine, theirs in zip(values, by_table[REFERENCE], strict=True)]
        of_none = statistics.median(mine / theirs for mine, theirs in zip(values, by_table["none"], strict=True))
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"  {name:<54} {statistics.median(values):>9.0f}  {of_none:>8.2f}  {middle:.2f} ({low:.2f} to {high:.2f})"
        )


def packets_per_s(bench: Bench, source: str, destination: str, receiver: str) -> float:
    """Return small datagrams of one established flow per second."""
    with _bound(bench, receiver, destination, APP) as far, _bound(bench, "far", source, 0) as near:
        near.connect((destination, APP))
        _establish(near, far)
        return _blast(near)


def answers_per_s(bench: Bench) -> float:
    """Return the same for answers to what the host asked on the Internet."""
    with _bound(bench, "host", "203.0.113.10", 0) as asking, _bound(bench, "far", "203.0.113.1", 5353) as answering:
        asking.connect(("203.0.113.1", 5353))
        asking.send(b"question")
        answering.connect(answering.recvfrom(100)[1])
        _establish(asking, answering)
        return _blast(answering)


def outer_per_s(bench: Bench) -> float:
    """Return the same for datagrams to WireGuard's own port; what they hold is nothing, and is thrown away there."""
    with _bound(bench, "far", "203.0.113.1", 0) as near:
        near.connect(("203.0.113.10", PORT))
        return _blast(near)


def stream_mbit_s(bench: Bench) -> float:
    """Return what one TCP connection carries through the tunnel to the host."""
    listening = run_inside(bench.name("host"), lambda: socket.create_server(("10.0.0.2", APP)))
    near = run_inside(bench.name("far"), lambda: socket.create_connection(("10.0.0.2", APP), timeout=30))
    with listening, near:
        far, _ = listening.accept()
        with far:
            stop = threading.Event()
            chunk = bytes(1 << 18)

            def send() -> None:
                while not stop.is_set():
                    near.sendall(chunk)

            sender = threading.Thread(target=send)
            sender.start()
            received, buffer = 0, bytearray(1 << 20)
            begun = now = time.monotonic()
            while now - begun < STREAM_S:
                received += far.recv_into(buffer)
                now = time.monotonic()
            stop.set()
            while sender.is_alive():
                far.recv_into(buffer)
            sender.join()
            return received * 8 / (now - begun) / 1e6


def _bound(bench: Bench, who: str, address: str, port: int) -> socket.socket:
    def act() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((address, port))
        made.settimeout(10)
        return made

    return run_inside(bench.name(who), act)


def _establish(near: socket.socket, far: socket.socket) -> None:
    """Let each side hear the other: from then on the connection is established."""
    near.send(b"hello")
    far.sendto(b"hello", far.recvfrom(100)[1])
    near.recv(100)


def _blast(near: socket.socket) -> float:
    payload = bytes(64)
    near.settimeout(None)  # without a time-out, a send is one system call
    fastest_s = min(_burst_s(near, payload) for _ in range(BURSTS))
    return BURST / fastest_s


def _burst_s(near: socket.socket, payload: bytes) -> float:
    begun = time.perf_counter()
    for _ in range(BURST):
        near.send(payload)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
