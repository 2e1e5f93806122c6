"""What goes wrong, and that repair mends it: the same under either engine."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.repair.standing import STACK, is_of_account

if TYPE_CHECKING:
    from tests.repair.standing import Standing


def check_lost_answer(standing: Standing, path: str, kind: str, name: str) -> None:
    """Lose the answer to a creation: `up` fails on the name for ever; repair adopts what was made, and nothing else."""
    standing.arm(method="POST", path=path, account="vault", drop="after")
    assert standing.run("up").code != 0
    again = standing.run("up", "--refresh")
    assert again.code != 0
    assert "uniqueness_error" in again.said
    before = standing.ids()
    looked = standing.repair()
    assert looked.code == 1
    assert f"{kind} {name}" in looked.said, looked.said
    assert "at the account, but not in the state  adopt it: it is what the program asks for" in looked.said, looked.said
    assert standing.ids() == before, "a look changes nothing"
    mended = standing.repair("--yes")
    assert mended.code == 0, mended.said
    assert f"account vault: {kind} '{name}" in mended.said
    assert "is adopted" in mended.said
    assert "is removed" not in mended.said
    assert standing.ids() == before, "what was made is kept"
    standing.up("--refresh")
    after = standing.ids()
    assert {place: ids for place, ids in before.items() if ids} == {
        place: after[place] for place in before if before[place]
    }
    standing.check_mended()
    standing.check_state_silent()


def check_everything_lost(standing: Standing) -> None:
    """Forget all objects of both accounts, keys and components not: repair adopts them all, servers last."""
    standing.stand()
    before = standing.ids()
    assert all(before.values())
    standing.lose(is_of_account)
    mended = standing.repair("--yes")
    assert mended.code == 0, mended.said
    assert mended.said.count("is adopted") == 10
    assert standing.ids() == before
    standing.check_mended()
    standing.check_state_silent()
    standing.up("--refresh")
    assert standing.ids() == before


def check_killed_engine(standing: Standing) -> None:
    """Kill the engine while it waits for a server: the state has it as being made, and the lock stays."""
    standing.arm(method="POST", path="/servers", account="vault", delay_s=20.0)
    engine = standing.start("up")
    try:
        standing.await_met()
    finally:
        os.killpg(engine.pid, signal.SIGKILL)
        engine.wait()
    locked = standing.repair("--yes")
    assert locked.code == 2
    assert "lock" in locked.said, locked.said
    standing.cancel()
    looked = standing.repair()
    assert looked.code == 1
    assert "the engine ended while it was at work on it (creating)" in looked.said
    assert f"server {STACK}-press" in looked.said
    server = standing.ids()["vault servers"]
    mended = standing.repair("--yes")
    assert mended.code == 0, mended.said
    assert not standing.export()["deployment"].get("pending_operations")
    standing.up("--refresh")
    assert standing.ids()["vault servers"] == server
    standing.check_mended()
