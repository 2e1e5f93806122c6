"""Whoever comes or goes, all others keep their addresses, keys, ports and interfaces: identity is a slot and a name."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.plan.generated import Config, sound_configs
from tests.plan.test_generated import planned

if TYPE_CHECKING:
    from plan import Plan

FEW: Final = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MANY: Final = settings(FEW, max_examples=10_000)
KINDS: Final = ("shields", "origins", "operators", "gateways", "meshes")
SEEN: Final[Counter[str]] = Counter()  # what went, of the examples that were compared
Identity = dict[tuple[str, ...], Any]


def identity(plan: Plan) -> Identity:
    """Return what must not change of each host, device, interface and tunnel, by its names."""
    found: Identity = {}
    for host in plan.hosts:
        found[host.name,] = (host.slot, host.server_name, host.address, host.address6)
        for one in host.interfaces:
            found[host.name, one.name] = (one.generation, one.addresses, one.listen_port, str(one.private_key))
            for peer in one.peers:
                found[host.name, one.name, peer.name] = (
                    str(peer.public_key), str(peer.preshared_key), str(peer.endpoint), peer.allowed_ips[:2],
                )  # fmt: skip
    for device in plan.devices:
        found[device.name,] = (device.slot, device.public_key)
        for tunnel in device.tunnels:
            found[device.name, "", tunnel.shield] = (
                tunnel.addresses,
                str(tunnel.peer.public_key),
                str(tunnel.peer.endpoint),
            )
    return found


def without(config: Config, kind: str, name: str) -> Config:
    """Return a stack file without one host, device or mesh, and without whatever named it."""
    left = copy.deepcopy(config)
    gone = {name, *left[kind].pop(name).get("lans", {})}

    def keep(names: list[Any]) -> list[Any]:
        return [one for one in names if str(one).partition("/")[0] not in gone]

    for entry in (*left["origins"].values(), *left["gateways"].values()):
        entry["shields"] = keep(entry["shields"])
        for part in (*entry.get("services", {}).values(), *entry["lans"].values()):
            part["from"] = keep(part["from"])
    for entry in left["operators"].values():
        entry["reach"] = keep(entry["reach"])
        assume(not entry["shields"] or keep(entry["shields"]))
        entry["shields"] = keep(entry["shields"])
    for mesh in left["meshes"].values():
        mesh["links"] = [pair for pair in mesh["links"] if not gone & set(pair)]
    left["domains"] = {domain: said for domain, said in left["domains"].items() if said["origin"] not in gone}
    left["secrets"]["psks"].pop(name, None)
    left.pop("policy", None)
    return left


@st.composite
def removals(draw: st.DrawFn) -> tuple[Config, Config]:
    """Return a sound stack file, and the same without one of its parts."""
    config = draw(sound_configs())
    config.pop("policy", None)
    kind = draw(st.sampled_from([kind for kind in KINDS if config[kind]]))
    return config, without(config, kind, draw(st.sampled_from(list(config[kind]))))


def stays(both: tuple[Config, Config]) -> None:
    """What is in both plans is the same in both: seen forwards somebody goes, seen backwards somebody comes."""
    more, less = both
    # A host whose last shield goes has nobody left; a flow may lose its only way.
    assume(less["shields"] and less["origins"])
    assume(all(entry["shields"] for kind in ("origins", "gateways") for entry in less[kind].values()))
    try:
        after = identity(planned(less))
    except ValueError:
        assume(condition=False)
        raise
    before = identity(planned(more))
    assert after.items() <= before.items()
    gone = {names[0] for names in before.keys() - after.keys() if len(names) == 1}
    assert len(gone) <= 1
    SEEN[next(kind for kind in KINDS if more[kind].keys() != less[kind].keys())] += 1


def test_nobody_else_changes() -> None:
    """A shield, origin, device or mesh goes or comes."""
    SEEN.clear()
    FEW(given(removals())(stays))()
    assert all(SEEN[kind] for kind in KINDS), SEEN


@pytest.mark.long
def test_nobody_else_changes_in_ten_thousand() -> None:
    """The same, long enough to meet what is rare."""
    MANY(given(removals())(stays))()


def test_a_position_would_have_changed() -> None:
    """The twin: another slot is another address, on every host that knows of it."""
    from tests.stacks import changed

    before, after = (identity(planned(changed(origins__press__slot=slot))) for slot in (2, 3))
    assert {names for names, said in after.items() if before[names] != said} == {
        ("press",), ("press", "fs0g0"), ("falkenstein", "fs0", "press"),
    }  # fmt: skip
