"""What delivery may ask of a host over SSH: six words; anything else is refused, and nothing of it is repeated."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cloud_init.host import birth, deliver, prove
from cloud_init.host.commands import Deadline
from cloud_init.host.faults import Refused
from cloud_init.host.interface import interfaces_of
from cloud_init.host.prove import FRESH_S, prove_ways, ways_of
from cloud_init.program import MODULES, SEED, render_program
from cloud_init.sshd import DELIVERY_COMMAND
from tests.host.stories import LAPTOP, PRESS, ROUTE, conf, key, running, section, told

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "words",
    [
        "",
        "id",
        "apply; id",
        "apply x",
        "confirm",
        "confirm a b",
        "keys",
        "keys 2",
        "rollback",
        "adopt",
        "sh -c 'apply'",
        "\napply id",
    ],
)
def test_other_words_are_refused_and_not_repeated(words: str) -> None:
    """The key is for delivery alone; what was asked may hold a secret, so it is not said again."""
    with pytest.raises(Refused) as refused:
        deliver.serve(words)
    (said,) = refused.value.faults
    assert said.startswith(
        "ssh: other words, allowed: wait, keys GENERATION NAMES, apply, confirm DIGEST, prove, status;"
    )
    assert "id" not in said.replace("is for delivery", "")


def away(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Have echoes come from everywhere but these addresses; the list has where they were sent, full size or not."""
    asked: list[str] = []

    def echo(_: str, address: str, size_bytes: int, __: float) -> bool:
        asked.append(f"{address} {size_bytes}")
        return address not in addresses

    monkeypatch.setattr(prove, "echoes", echo)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return asked


def test_many_ways_are_proven_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty hosts that wait for each other's question are all asked; those who are away are named, in their order."""
    sections = [section(f"x{n}", n, f"10.0.1.{n}/32") for n in range(10, 50)]
    (interface,) = interfaces_of(told(conf(*sections)).files).values()
    ways = ways_of([interface], None)
    assert len(ways) == 40
    asked = away(monkeypatch, "10.0.1.12", "10.0.1.40")
    found = [str(way) for way, fault in prove_ways(ways, Deadline(30.0), 0.01) if fault == "no answer"]
    assert found == ["fs0 to x12, 10.0.1.12", "fs0 to x40, 10.0.1.40"]
    assert {f"10.0.1.{n} 1420" for n in range(10, 50)} <= set(asked)
    together = threading.Barrier(32)
    monkeypatch.setattr(prove, "echoes", lambda *_: together.wait(30.0) >= 0)
    assert {fault for _, fault in prove_ways(ways[:32], Deadline(30.0))} == {""}


def test_what_there_is_no_time_for_is_not_proven() -> None:
    """A deadline that is over asks nobody, and says so."""
    (interface,) = interfaces_of(told().files).values()
    assert {fault for _, fault in prove_ways(ways_of([interface], None), Deadline(0.0))} == {"not asked in time"}


def test_a_host_that_went_off_just_now_keeps_no_change_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its handshake is still fresh: what counts is whether it answers before the change, and then again after it."""
    second = section("drop", 4, "10.0.0.3/32", "192.0.2.7:51820")
    what = told(conf(PRESS, second, LAPTOP, routes=ROUTE))
    what.files["/etc/wireguard/fs0.conf"] = (0o600, conf(PRESS, second, LAPTOP, routes=ROUTE))
    live = running(what).interfaces
    for name, runs in live["fs0"].peers.items():
        live["fs0"].peers[name] = replace(runs, handshake_s=int(time.time()))
    record = {"files": [{"path": path, "mode": mode, "secret": False} for path, (mode, _) in what.files.items()]}
    monkeypatch.setattr(deliver, "read_interfaces", lambda _: live)
    monkeypatch.setattr(deliver, "read_json", lambda _: record)
    monkeypatch.setattr(
        deliver, "read_disk", lambda paths: {path: what.files[path] for path in paths if path in what.files}
    )
    monkeypatch.setattr(deliver, "_prove_units", lambda *_: [])
    monkeypatch.setattr(deliver, "_prove_table", lambda _: [])
    monkeypatch.setattr(deliver, "PATIENCE_S", 0.01)

    away(monkeypatch, "10.0.0.3")
    worked = deliver.working(Deadline(30.0))
    assert worked == {("fs0", key(2), False)}
    assert deliver.broken(worked, set(), Deadline(30.0)) == []
    away(monkeypatch, "10.0.0.2", "10.0.0.3")
    assert deliver.broken(worked, set(), Deadline(0.2)) == ["tunnel fs0 to press, 10.0.0.2: no answer"]

    stale = {
        name: replace(runs, handshake_s=int(time.time()) - FRESH_S - 1) for name, runs in live["fs0"].peers.items()
    }
    live["fs0"].peers = stale
    asked = away(monkeypatch)
    assert deliver.working(Deadline(30.0)) == set()
    assert asked == []


def test_the_key_runs_the_program_that_is_there() -> None:
    """What the authorized key names is where the program lies, and both program and seed know the word."""
    assert DELIVERY_COMMAND == "/usr/local/sbin/farshore-host ssh"
    for modules in (MODULES, SEED):
        assert 'case["ssh"]' in render_program(modules)


def test_a_birth_is_waited_for_until_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over and born is done at once; over and not born is refused at once; not over is refused when time is.

    Who waited is told the SSH host key that was born there, and nothing else.
    """
    over, born, key = tmp_path / "result.json", tmp_path / "born", tmp_path / "key.pub"
    key.write_text("ssh-ed25519 AAAA\n", encoding="ascii")
    monkeypatch.setattr(birth, "OWN_KEY", str(key))
    monkeypatch.setattr(birth, "BIRTH_OVER", str(over))
    monkeypatch.setattr(birth, "BORN", str(born))
    with pytest.raises(Refused, match="birth: not finished"):
        birth.await_birth(0.0)
    over.touch()
    begun = time.monotonic()
    with pytest.raises(Refused, match="replace its server"):
        birth.await_birth(600.0)
    born.touch()
    assert capsys.readouterr().out == ""
    assert birth.await_birth(600.0) == 0
    assert capsys.readouterr().out == "ssh-ed25519 AAAA\n"
    assert time.monotonic() - begun < 60.0
