"""A thousand origins behind three shields: loading, planning, checking and rendering, beside half as many.

Pure Python, no root; seconds are of the processor. Each size runs in a process of its own, so that its memory is its
own; the sizes take turns.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from bisect import bisect_left
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from cloud_init import (
    RenderError,
    draft_user_data,
    placeholder,
    render_bundle,
    render_delivered,
    render_user_data,
)
from cloud_init.user_data import MAX_USER_DATA_BYTES
from plan import check, load, make_plan

if TYPE_CHECKING:
    from plan import Stack

SHIELDS: Final = 3
MANY: Final = 1000
ROUNDS: Final = 3
ASKED_S: Final = 2.0
ASKED_MIB: Final = 200
ASKED_RATIO: Final = 2.2


def main() -> None:
    """Print what each part costs, and the ratio of twice the hosts."""
    runs: dict[int, list[dict[str, float]]] = {MANY // 2: [], MANY: []}
    for _ in range(ROUNDS):
        for count, found in runs.items():
            command = [sys.executable, "-m", "benchmarks.plan", str(count)]
            found.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    parts = ("load", "plan", "check", "render", "whole")
    best = {
        count: {part: statistics.median(run[part] for run in found) for part in parts} for count, found in runs.items()
    }
    print(f"plan: {MANY} origins behind {SHIELDS} shields, median of {ROUNDS}, beside {MANY // 2}")
    for part in parts:
        many, half = best[MANY][part], best[MANY // 2][part]
        print(f"  {part:8} {many:6.2f} s   beside {half:6.2f} s   {many / half:4.2f} x")
    print(f"  asked: the whole in {ASKED_S:.0f} s, twice the hosts {ASKED_RATIO} x")
    print(f"  memory {max(run['mib'] for run in runs[MANY]):.0f} MiB, asked {ASKED_MIB}")
    last = runs[MANY][-1]
    print(
        f"  bundle of a shield with {MANY} peers: {last['bundle']:.0f} bytes in {last['files']:.0f} files; "
        f"user data holds {MAX_USER_DATA_BYTES}, which is {most_peers()} peers with a domain each"
    )
    birth, later = by_either_way()
    print(f"  the same shield where delivery reaches it: {birth} bytes by user data, {later} by SSH")


def by_either_way() -> tuple[int, int]:
    """Return how many bytes go by user data and how many by SSH, for a shield with all of them."""
    shield = make_plan(read(MANY, ssh=["198.51.100.0/24"])).shields[0]
    material = placeholder(shield)
    return len(render_user_data(shield, material)), len(render_delivered(shield, material, sequence=1))


def most_peers() -> int:
    """Return how many origins one shield's user data holds."""

    def fits(count: int) -> bool:
        try:
            draft_user_data(make_plan(read(count)).shields)
        except RenderError:
            return False
        return True

    return bisect_left(range(MANY), 1, key=lambda count: int(not fits(count + 1)))


def read(count: int, **shields: Any) -> Stack:
    """Return the stack with so many origins, and with more said of each shield."""
    return load(stack_file(count, **shields), project="farshore", stack="bench", day=date(2026, 11, 1), files={})[0]


def stack_file(count: int, **shields: Any) -> dict[str, Any]:
    """Return a stack file with so many origins, each behind every shield, of which more is said."""
    slots = [slot for slot in range(2, 65000) if slot % 256 not in {0, 1, 255}]
    names = [f"shield{number}" for number in range(SHIELDS)]
    return {
        "accounts": {"edge": {"company": "A", "home": "DE"}, "vault": {"company": "B", "home": "FI"}},
        "secrets": {"tokens": {"edge": "e" * 64, "vault": "v" * 64}},
        "shields": {
            name: {"slot": slot, "account": "edge", "location": "fsn1", **shields} for slot, name in enumerate(names)
        },
        "origins": {
            f"origin{number}": {
                "slot": slots[number],
                "account": "vault",
                "location": "hel1",
                "shields": names,
                "services": {"web": {"port": 8443}},
            }
            for number in range(count)
        },
        "domains": {
            f"d{number}.example.com": {"origin": f"origin{number}", "service": "web"} for number in range(count)
        },
    }


def measure(count: int) -> dict[str, float]:
    """Return what one run costs: seconds for each part, and MiB."""
    marks = [time.process_time()]
    stack = read(count)
    marks.append(time.process_time())
    plan = make_plan(stack)
    marks.append(time.process_time())
    findings = check(plan)
    marks.append(time.process_time())
    assert not findings, findings[0]
    bundles = [render_bundle(host, placeholder(host)) for host in plan.hosts]
    marks.append(time.process_time())
    spent = {part: marks[at + 1] - marks[at] for at, part in enumerate(("load", "plan", "check", "render"))}
    return {
        **spent,
        "whole": sum(spent.values()),
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "bundle": sum(len(file.content.encode()) for file in bundles[0].files),
        "files": len(bundles[0].files),
    }


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(measure(int(sys.argv[1]))))
    else:
        main()
