"""Any stack file: a sound one is planned, checked and rendered; a bad one is refused in words; nothing ever breaks."""

from __future__ import annotations

import base64
import gzip
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from cloud_init import Material, render_bundle, render_user_data
from cloud_init.delivered import BIRTH_PATH
from cloud_init.device import render_device
from cloud_init.material import _stand_in
from cloud_init.program import PROGRAM_PATH, SEED, render_program
from cloud_init.user_data import MAX_USER_DATA_BYTES
from plan import StackError, check, load, make_plan
from plan.model.refs import Ref
from tests.plan.generated import Config, broken_configs, sound_configs
from tests.stacks import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from plan import Host, Plan

FEW: Final = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MANY: Final = settings(FEW, max_examples=10_000)
# What is loaded is the same; written in C, it takes a tenth of the time.
FAST: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LONGEST: Final = 2000  # characters of one message, whatever stands in the file
FOREIGN: Final = re.compile(
    r"Input should|valid (string|integer|dict)|pydantic|Traceback|validation error|object at 0x"
)


class _Anything(dict[str, str]):
    """Material for whatever is asked."""

    def __missing__(self, asked: str) -> str:
        kind, _, of = asked.partition(":")
        return _stand_in(Ref(kind, of))  # type: ignore[arg-type] # a reference's own text begins with its kind


MATERIAL: Final = Material(_Anything())


def planned(config: Config, text: str | None = None) -> Plan:
    """Return the plan of a stack file's values."""
    return make_plan(load(config, project="farshore", stack="dev", day=DAY, files={}, text=text)[0])


def rendered(plan: Plan) -> dict[str, str]:
    """Return every text that a plan becomes, by host or device and path."""
    found: dict[str, str] = {}
    for host in plan.hosts:
        found |= {f"{host.name}{file.path}": file.content for file in render_bundle(host, MATERIAL).files}
    for device in plan.devices:
        for tunnel in device.tunnels:
            found[f"{device.name}/{tunnel.shield}"] = render_device(device, tunnel, MATERIAL)
    return found


def sound(config: Config) -> None:
    """A sound stack file becomes a plan that the checker agrees with, and texts in which descriptions are comments."""
    plan = planned(config)
    assert check(plan) == ()
    files = rendered(plan)
    bare = rendered(_undescribed(plan))
    assert {path: _meant(text) for path, text in files.items()} == {path: _meant(text) for path, text in bare.items()}
    # The two that differ most: each of them costs as much as all the rest.
    for host in {plan.shields[0].name: plan.shields[0], plan.origins[-1].name: plan.origins[-1]}.values():
        arrives(host)


def arrives(host: Host) -> None:
    """What cloud-init reads is what was rendered, letter by letter."""
    packed = render_user_data(host, MATERIAL)
    assert len(packed) <= MAX_USER_DATA_BYTES
    said = yaml.load(gzip.decompress(base64.b64decode(packed)).decode(), Loader=FAST)  # noqa: S506 - CSafeLoader, or SafeLoader
    bundle = render_bundle(host, MATERIAL)
    program = {PROGRAM_PATH: {render_program(), render_program(SEED)}}  # the whole, or what has room
    *told, birth = said["write_files"]
    assert birth["path"] == BIRTH_PATH
    assert [one["path"] for one in told] == [f.path for f in bundle.files]
    assert all(one["content"] in program.get(f.path, {f.content}) for one, f in zip(told, bundle.files, strict=True))
    assert "ssh_authorized_keys" not in said  # root's keys are a file of the bundle's


def _meant(text: str) -> list[str]:
    """Return the lines of a text that are no comment, as wg-quick(8), nft(8), haproxy and systemd end them."""
    return [line for line in re.split(r"[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", text) if not line.startswith("#")]


def _undescribed(plan: Plan) -> Plan:
    """Return a plan without any description."""

    def bare(host: Host) -> Host:
        interfaces = tuple(
            replace(one, peers=tuple(replace(peer, description=None) for peer in one.peers)) for one in host.interfaces
        )
        return replace(host, description=None, interfaces=interfaces)

    devices = tuple(
        replace(
            device,
            description=None,
            tunnels=tuple(replace(one, peer=replace(one.peer, description=None)) for one in device.tunnels),
        )
        for device in plan.devices
    )
    return replace(
        plan,
        shields=tuple(map(bare, plan.shields)),
        origins=tuple(map(bare, plan.origins)),
        devices=devices,
    )


def broken(config: Config) -> None:
    """A changed stack file is taken, or refused with one message of ours; what is taken is sound."""
    said = refusal(config)
    head, *faults = said.splitlines() or [""]
    assert not faults or head == f"the stack file has {len(faults)} fault{'s' if len(faults) > 1 else ''}"
    for fault in faults or [f"  {head}"] * bool(head):
        assert re.fullmatch(r"  (Pulumi\.dev\.yaml:\d+: )?farshore:.*: .+, allowed: .+; .+", fault), fault
        assert len(fault) < LONGEST, fault
        assert not FOREIGN.search(fault), fault


def refusal(config: Config) -> str:
    """Return what is said of a stack file; of one that is taken nothing, after all of it was made."""
    try:
        plan = planned(config, written(config))
        assert check(plan) == ()
        for host in plan.hosts:
            render_bundle(host, MATERIAL)
    except StackError as error:
        return str(error)
    return ""


def written(config: Config) -> str | None:
    """Return a stack file's text, where a stack file can say it."""
    try:
        return yaml.safe_dump(
            {"config": {f"farshore:{key}": value for key, value in config.items()}}, allow_unicode=True
        )
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


@pytest.mark.parametrize("case", [sound, broken], ids=["sound", "broken"])
def test_any_stack_file(case: Callable[[Any], None]) -> None:
    """A few hundred in every run; ten thousand of each in `make test-long`."""
    configs = sound_configs() if case is sound else broken_configs()
    FEW(given(configs)(case))()


@pytest.mark.long
@pytest.mark.parametrize("case", [sound, broken], ids=["sound", "broken"])
def test_ten_thousand_stack_files(case: Callable[[Any], None]) -> None:
    """The same, long enough to meet what is rare."""
    configs = sound_configs() if case is sound else broken_configs()
    MANY(given(configs)(case))()
