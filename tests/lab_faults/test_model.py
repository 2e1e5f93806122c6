"""Faults are values: what they say of themselves, and what is no fault."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest
from pydantic import ValidationError

from lab.faults.model import (
    Blackhole,
    Block,
    Cut,
    Fault,
    FaultError,
    FillDisk,
    HideMetadata,
    Slow,
    ends_of,
    fault_figures,
    fault_name,
    parse_fault,
    render_fault,
    say_wrong,
)


def test_every_kind_has_a_name_of_its_own() -> None:
    """It is the first word of what tells one fault from another, and the verb of the command."""
    kinds = [dataclasses.fields(kind)[-1].default for kind in get_args(Fault)]
    assert len(set(kinds)) == len(kinds) == 13


@pytest.mark.parametrize(
    ("fault", "name", "figures", "ends"),
    [
        (Cut("press"), "cut press", {}, ("press",)),
        (
            Block("ashburn", "press", protocol="udp", port=51820),
            "block ashburn press udp 51820",
            {},
            ("ashburn", "press"),
        ),
        (Block("press", family="ipv6"), "block press ipv6", {}, ("press",)),
        (
            Slow("ashburn", "press", latency_ms=40, loss_ratio=0.01),
            "slow ashburn press",
            {"latency_ms": 40.0, "loss_ratio": 0.01},
            ("ashburn", "press"),
        ),
        (FillDisk("press", free_bytes=7), "fill-disk press", {"free_bytes": 7}, ("press",)),
        (HideMetadata("press"), "hide-metadata press", {"answer": "silence"}, ("press",)),
    ],
)
def test_a_fault_is_told_by_where_it_is_and_changed_in_its_figures(
    fault: Fault, name: str, figures: dict[str, object], ends: tuple[str, ...]
) -> None:
    """Over the wire and back it is the same one."""
    assert (fault_name(fault), fault_figures(fault), ends_of(fault)) == (name, figures, ends)
    assert parse_fault(render_fault(fault)) == fault


def test_a_fault_never_changes() -> None:
    """A change is another value, which replaces it."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(Cut("press"), "host", "other")  # noqa: B010 - written plainly, the type checker sees it
    slow = Slow("press", latency_ms=40)
    assert fault_name(dataclasses.replace(slow, latency_ms=80)) == fault_name(slow)


@pytest.mark.parametrize("larger_than_bytes", [1279, 1500])
def test_a_black_hole_leaves_ipv6_its_link(larger_than_bytes: int) -> None:
    """First and last of what is allowed are taken; the message has what was asked."""
    with pytest.raises(ValidationError) as raised:
        Blackhole("press", larger_than_bytes=larger_than_bytes)
    assert say_wrong(raised.value).startswith(f"larger_than_bytes: {larger_than_bytes}, Input should be ")
    assert Blackhole("press", larger_than_bytes=1280).larger_than_bytes == 1280
    assert Blackhole("press", larger_than_bytes=1499).larger_than_bytes == 1499


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "Unable to extract tag using discriminator 'kind'"),
        ('{"kind": "melt", "host": "press"}', "Input tag 'melt' found using 'kind' does not match any"),
        ('{"kind": "cut"}', "Field required"),
        ('{"kind": "cut", "host": ""}', "at least 1 character"),
        ('{"kind": "cut", "host": "press", "hard": true}', "cut.hard: True, Unexpected keyword argument"),
        ('{"kind": "slow", "one": "press", "loss_ratio": 1.1}', "slow.loss_ratio: 1.1, Input should be less than"),
        ('{"kind": "block", "one": "press", "port": 80}', "allowed with a port: 'tcp', 'udp'; name one"),
        ("no JSON", "Invalid JSON"),
    ],
)
def test_what_is_no_fault_is_refused_in_one_line(text: str, reason: str) -> None:
    """It says where, what was found and what is allowed."""
    with pytest.raises(FaultError) as raised:
        parse_fault(text.encode())
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)
