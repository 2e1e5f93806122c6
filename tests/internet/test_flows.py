"""What a namespace's kernel knows of UDP is read, and known again in another namespace.

```text
  inside 10.0.0.2 ── far ══ near 10.0.0.1 outside     near lets nothing in that far has not asked for
```
"""

from __future__ import annotations

import socket
import subprocess
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from lab.internet.flows import Flow, read_flows, write_flows
from lab.internet.links import add_addresses, add_route, make_link
from lab.internet.namespace import configure, make_namespace, namespace_path, remove_namespace, run_inside
from tests.labs import lab_name

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.lab

FLOW = Flow(
    source="10.0.0.2",
    destination="10.0.0.1",
    source_port=40000,
    destination_port=51820,
    answered=True,
    lasts_s=100,
)
FLOW6 = replace(FLOW, source="2001:db8::2", destination="2001:db8::1")
NEW = replace(FLOW, source_port=40001, answered=False)


@pytest.fixture
def namespace() -> Iterator[str]:
    """Return the name of a namespace of the test's own."""
    name = f"fs-{lab_name('f')}"
    make_namespace(name)
    yield name
    remove_namespace(name)


def timeless(flows: list[Flow]) -> set[Flow]:
    """Return flows without the time that runs away."""
    return {replace(flow, lasts_s=0) for flow in flows}


def test_flows_are_known_as_they_were(namespace: str) -> None:
    """Of either family, answered or not; and they last as long as they had left."""
    assert read_flows(namespace) == []
    write_flows(namespace, [FLOW, FLOW6, NEW])
    found = read_flows(namespace)
    assert timeless(found) == timeless([FLOW, FLOW6, NEW])
    assert all(95 <= flow.lasts_s <= 100 for flow in found)


@pytest.mark.parametrize("known", [True, False])
def test_an_answer_comes_in_only_if_its_flow_is_known(namespace: str, *, known: bool) -> None:
    """A firewall that lets in what was asked for lets in the answer to a flow that was written, and no other packet."""
    far = f"{namespace}-far"
    make_namespace(far)
    try:
        make_link(namespace, "near", far, "far")
        _plug(namespace, "near", own="10.0.0.1", other="10.0.0.2")
        _plug(far, "far", own="10.0.0.2", other="10.0.0.1")
        closed = "add table inet t; add chain inet t in { type filter hook input priority 0; policy drop; };"
        _nft(far, f"{closed} add rule inet t in ct state established accept")
        if known:
            write_flows(far, [FLOW])
        with run_inside(far, lambda: _bound("10.0.0.2", 40000)) as inside:
            with run_inside(namespace, lambda: _bound("10.0.0.1", 51820)) as outside:
                outside.sendto(b"answer", ("10.0.0.2", 40000))
            if known:
                assert inside.recv(10) == b"answer"
            else:
                with pytest.raises(TimeoutError):
                    inside.recv(10)
    finally:
        remove_namespace(far)


def test_what_is_no_udp_is_left_out(namespace: str) -> None:
    """A TCP connection's other end does not outlive its lab."""
    _nft(namespace, "add table inet t; add chain inet t o { type filter hook output priority 0; ct state new accept; }")

    def connect() -> None:
        with socket.create_server(("127.0.0.1", 80)):
            socket.create_connection(("127.0.0.1", 80), timeout=5).close()

    run_inside(namespace, connect)
    assert read_flows(namespace) == []


def _plug(namespace: str, interface: str, *, own: str, other: str) -> None:
    def plug(netlink: Any) -> None:
        add_addresses(netlink, interface, [IPv4Address(own)])
        add_route(netlink, f"{other}/32", interface)

    configure(namespace, plug)


def _bound(address: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((address, port))
    opened.settimeout(1)
    return opened


def _nft(namespace: str, commands: str) -> None:
    enter = ["nsenter", f"--net={namespace_path(namespace)}", "--", "nft", "-f", "-"]
    subprocess.run(enter, input=commands.replace("; add", "\nadd"), check=True, capture_output=True, text=True)
