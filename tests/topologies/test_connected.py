"""Everything that can be connected is, by name, and nothing else is: seen with packets on real machines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cloud_init.resolve import SERVICE, TIMER
from lab.client import until
from tests.topologies.standing import LAPTOP
from tools.records import names_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.topologies.standing import Connected

pytestmark = pytest.mark.lab


def test_one_origin_answers_behind_both_shields(connected: Connected) -> None:
    """Its one address is asked from each shield's own, and the way back is that shield's tunnel."""
    press = connected.machine("press")
    for shield, own in (("falkenstein", "10.0.0.1"), ("nuremberg", "10.0.1.1")):
        page = connected.machine(shield).run(
            [
                "curl",
                "-sS",
                "--max-time",
                "5",
                "--interface",
                own,
                "-H",
                "Host: www.example.com",
                "http://10.0.0.2:8080/",
            ]
        )
        assert "hello from the far shore" in page.stdout, page.stderr
        device = "fs0g0" if shield == "falkenstein" else "fs1g0"
        assert f"dev {device}" in press.run(["ip", "route", "get", own], check=True).stdout
    shields = {shield: connected.host(shield).ipv4 for shield in ("falkenstein", "nuremberg")}
    for address in shields.values():
        body = connected.fetch("http://www.example.com/", "--resolve", f"www.example.com:80:{address}")
        assert "hello from the far shore" in body


def test_an_origin_reaches_another_by_name_and_only_that_way(connected: Connected) -> None:
    """`db` takes 5432 from press, through their shield; the other way, another port and another host are dropped."""
    assert connected.answer("press", "10.0.0.3", 5432).endswith("db")
    others = (
        ("press", "10.0.0.3", 22), ("db", "10.0.0.2", 8080), ("falkenstein", "10.0.0.3", 5432),
        ("press", "10.0.0.4", 5432),
    )  # fmt: skip
    assert connected.answers(*others) == ["", "", "", ""]


def test_a_mesh_needs_no_shield(connected: Connected) -> None:
    """The two stand behind different shields: their packets go straight, and no shield sees them."""
    before = counters(connected, "nuremberg")
    assert connected.answer("db", "10.0.0.4", 5432).endswith("replica")
    assert connected.answer("replica", "10.0.0.3", 5432) == ""
    assert "dev fm0g0" in connected.machine("db").run(["ip", "route", "get", "10.0.0.4"], check=True).stdout
    assert counters(connected, "nuremberg")["forward_drop"] == before["forward_drop"]


def test_a_shield_that_is_dialled_by_name_is_looked_up_until_it_is_found(connected: Connected) -> None:
    """While no resolver knows the name the interface comes up all the same; known again, it is dialled at once."""
    replica, nuremberg = connected.machine("replica"), connected.host("nuremberg")
    own = {f"{nuremberg.ipv4}:51820", f"[{nuremberg.ipv6}]:51820"}  # a name has both; the resolver says which first

    def dialled() -> str:
        return replica.run(["wg", "show", "fs1g0", "endpoints"], check=True).stdout.split()[1]

    assert dialled() in own
    assert replica.run(["systemctl", "is-active", TIMER]).stdout.strip() == "active"
    names = names_of(connected.work.outputs())
    connected.lab.publish_names({name: names[name] for name in names if name != "nuremberg.example.net"})
    try:
        unknown = ["sh", "-c", "! getent ahosts nuremberg.example.net"]
        until(lambda: replica.run(unknown).returncode == 0 or None, 30, "the name gone")
        replica.run(["systemctl", "restart", "wg-quick@fs1g0"], check=True)
        assert dialled() == "(none)"
        replica.run(["systemctl", "start", SERVICE], check=True)
        assert dialled() == "(none)"
        said = replica.run(["journalctl", "-u", SERVICE, "--since=-2min", "-o", "cat"], check=True).stdout
        assert "fs1g0: nuremberg.example.net:51820 can't be looked up" in said
    finally:
        connected.lab.publish_names(names)
    until(lambda: replica.run(unknown).returncode or None, 30, "the name")
    replica.run(["systemctl", "start", SERVICE], check=True)
    assert dialled() in own
    until(lambda: True if replica.run(["ping", "-c1", "-W1", "10.0.1.1"]).returncode == 0 else None, 30, "the tunnel")


def test_both_ends_use_the_smaller_mtu(connected: Connected) -> None:
    """A full-size packet passes each tunnel, and one byte more does not."""
    press = connected.machine("press")
    for address, mtu_bytes in (("10.0.0.1", 1420), ("10.0.1.1", 1380)):
        payload = mtu_bytes - 28
        ping = ["ping", "-c", "1", "-W", "3", "-M", "do"]
        assert press.run([*ping, "-s", str(payload), address]).returncode == 0, address
        assert press.run([*ping, "-s", str(payload + 1), address]).returncode != 0, address


def test_a_split_tunnel_reaches_what_is_named(connected: Connected) -> None:
    """The page and the database, and neither another port of theirs nor another host; the rest takes its own way."""
    connected.dial("laptop", "falkenstein", connected.split)
    try:
        laptop = connected.laptop()
        page = until(
            lambda: laptop.run(["curl", "-sS", "--max-time", "3", "http://10.0.0.2:8080/"]).stdout or None,
            20,
            "the page",
        )
        assert "hello from the far shore" in page
        assert connected.answer(LAPTOP, "10.0.0.3", 5432).endswith("db")
        assert connected.answer(LAPTOP, "10.0.0.1", 22).startswith("SSH-2.0")
        assert connected.answers((LAPTOP, "10.0.0.2", 8443), (LAPTOP, "10.0.0.2", 22)) == ["", ""]
        assert "dev eth0" in laptop.run(["ip", "route", "get", "192.0.2.7"], check=True).stdout
    finally:
        connected.hang_up()
    assert connected.answer(LAPTOP, "10.0.0.2", 8080) == ""


def test_the_other_shield_lets_it_in_as_well(connected: Connected) -> None:
    """At nuremberg the device has another address, so that the answer finds the way it came."""
    connected.dial("laptop", "nuremberg", connected.split)
    try:
        laptop = connected.laptop()
        assert "10.0.1.200" in laptop.run(["ip", "-o", "addr", "show", "road"], check=True).stdout
        page = until(
            lambda: laptop.run(["curl", "-sS", "--max-time", "3", "http://10.0.0.2:8080/"]).stdout or None,
            20,
            "the page",
        )
        assert "hello from the far shore" in page
        # db is not behind this shield.
        assert connected.answer(LAPTOP, "10.0.0.3", 5432) == ""
    finally:
        connected.hang_up()


def test_a_full_tunnel_leaves_by_the_shield(connected: Connected, tmp_path: Path) -> None:
    """A stranger's server sees the shield's address, in both families; nothing inside is reached without a name."""
    connected.dial("phone", "falkenstein", connected.full)
    try:
        laptop, shield = connected.laptop(), connected.host("falkenstein").ipv4
        visitor = connected.lab.place("visitor")
        log = tmp_path / "server.log"
        server = visitor.start(["python3", "-u", "-m", "http.server", "8099", "--bind", "192.0.2.7"], output=log)
        try:
            until(
                lambda: laptop.run(["curl", "-sS", "--max-time", "3", "http://192.0.2.7:8099/"]).stdout or None,
                20,
                "a page of the Internet",
            )
        finally:
            server.terminate()
            server.wait(timeout=10)
        seen = set(re.findall(r"(\d+\.\d+\.\d+\.\d+) - - ", log.read_text(encoding="utf-8")))
        assert seen == {shield}
        assert connected.answers((LAPTOP, "10.0.0.2", 8080), (LAPTOP, "10.0.0.3", 5432)) == ["", ""]
    finally:
        connected.hang_up()


def counters(connected: Connected, host: str) -> dict[str, int]:
    """Return how many packets each named counter of a host has seen."""
    said = connected.machine(host).run(["nft", "list", "counters", "table", "inet", "farshore"], check=True).stdout
    return {name: int(count) for name, count in re.findall(r"counter (\S+) \{\s+packets (\d+)", said)}
