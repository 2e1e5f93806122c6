"""The steps of a rotation of keys: where a deployment stands, what comes next, what is before it.

Pure: a plan and what running hosts were told in, an edit of the stack file out. What a step does is the program's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ruamel.yaml.comments import CommentedSeq

from tools.plan import PROJECT

if TYPE_CHECKING:
    from ruamel.yaml.comments import CommentedMap

    from plan import Host, Plan
    from plan.standing import Standing

Step = Literal["stage", "switch", "prune", "back"]


class RotationError(Exception):
    """Keys can't be rotated as things stand; the text says why, and what to do."""


@dataclass(frozen=True)
class Keys:
    """Which keys stand, the older first, and which are in use."""

    generations: tuple[int, ...]
    active: int

    @classmethod
    def of(cls, plan: Plan) -> Keys:
        """Return a plan's."""
        return cls(plan.generations, plan.active)

    @property
    def newest(self) -> int:
        """Return the newer generation, or the only one."""
        return self.generations[-1]

    def __str__(self) -> str:
        return f"generations {list(self.generations)}, active {self.active}"


def next_step(keys: Keys) -> tuple[Step, Keys]:
    """Return the step that leads further, and where it leads."""
    newest = keys.newest
    if len(keys.generations) == 1:
        return "stage", Keys((newest, newest + 1), newest)
    if keys.active != newest:
        return "switch", Keys(keys.generations, newest)
    return "prune", Keys((newest,), newest)


def step_back(keys: Keys) -> Keys:
    """Return where a step back leads.

    Raises:
        RotationError: One generation stands: what was before it is gone.
    """
    if len(keys.generations) == 1:
        raise RotationError(
            f"generations: {list(keys.generations)}, allowed: two that stand; the keys before it are gone, and new "
            "ones come with `farshore rotate`"
        )
    older = keys.generations[0]
    return Keys(keys.generations, older) if keys.active != older else Keys((older,), older)


def write_keys(config: CommentedMap, keys: Keys) -> None:
    """Change the `config` of a stack file to these keys; a key that is there keeps its place and its comments.

    Entries of devices that name the only generation are left as they are: they are right.
    """
    generations = CommentedSeq(keys.generations)
    generations.fa.set_flow_style()
    config[f"{PROJECT}:generations"] = generations
    active = f"{PROJECT}:active"
    if active in config or keys.active != keys.generations[0]:
        config[active] = keys.active


def lagging(plan: Plan, standing: Standing) -> tuple[str, ...]:
    """Return the hosts whose running servers were told other keys than the plan has."""
    wanted = Keys.of(plan)
    return tuple(
        host.name
        for host in plan.hosts
        if (told := standing.hosts.get(host.name)) is None or Keys(told.generations, told.active) != wanted
    )


def was_pruning(plan: Plan, standing: Standing) -> bool:
    """Tell whether a rotation was at its last step: the stack file has one generation, and some host two."""
    return len(plan.generations) == 1 and any(
        len(standing.hosts[host.name].generations) > 1 for host in plan.hosts if host.name in standing.hosts
    )


def check_reach(plan: Plan, standing: Standing) -> None:
    """Refuse where a host can't be told while it runs: it would be left behind with the old keys.

    Raises:
        RotationError: With every such host.
    """
    said = [line for host in plan.hosts if (line := out_of_reach(host, standing))]
    if said:
        raise RotationError("\n".join(said))


def tunnel_ends(plan: Plan, generation: int) -> dict[str, set[tuple[str, str]]]:
    """Return the ends of all tunnels between hosts, of one generation: interface and peer, by the host's name."""
    found: dict[str, set[tuple[str, str]]] = {host.name: set() for host in plan.hosts}
    for tunnel in plan.tunnels:
        if tunnel.generation == generation:
            found[tunnel.near].add((tunnel.near_interface, tunnel.far))
            found[tunnel.far].add((tunnel.far_interface, tunnel.near))
    return found


def left_behind(plan: Plan) -> tuple[str, ...]:
    """Return the devices that still dial the older of two generations."""
    return tuple(device.name for device in plan.devices if device.generation != plan.generations[-1])


def out_of_reach(host: Host, standing: Standing) -> str:
    """Return why delivery does not reach a host, and what to do; empty where it does."""
    told = standing.hosts.get(host.name)
    if told is None:
        return f"{host.key}: not there yet, allowed: a host that runs; `up` first"
    if host.way is None:
        found = "answers no SSH of delivery's, itself or through a shield"
        return (
            f"{host.key}.ssh: {found}, allowed: a host that is told while it runs; see docs/day2.md, or destroy and up"
        )
    if not told.delivery:
        found = "its server was born closed to delivery"
        return f"{host.key}.ssh: {found}, allowed: one that was told to answer; replace it once (docs/day2.md)"
    return ""
