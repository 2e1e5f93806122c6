"""What the engine starts ends with it, even when the engine is killed while it starts something."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.engine.children import bound
from tests.engine.runs import until
from tests.engine.vectors import ROOT

pytestmark = pytest.mark.lab

ENDS_WITHIN_S = 60.0


@pytest.mark.parametrize("alive", [True, False])
def test_a_child_of_a_dead_engine_is_not_begun(tmp_path: Path, alive: bool) -> None:  # noqa: FBT001 - a table's column
    """The engine died between the fork and the child's first instruction; a living engine's child is begun."""
    mark = tmp_path / "begun"
    parent = os.getpid() if alive else 1
    done = subprocess.run(
        bound(["touch", str(mark)], parent, signal.SIGTERM), stdin=subprocess.DEVNULL, timeout=60, check=False
    )
    assert mark.exists() is alive
    assert done.returncode == (0 if alive else 1)


def test_a_child_that_runs_ends_with_the_engine(tmp_path: Path) -> None:
    """By the signal that it asked for, and what it was started with comes through unchanged."""
    log = tmp_path / "log"
    child = "import os, sys, time; print(os.getpid(), sys.argv[1:], flush=True); time.sleep(600)"
    engine = (
        "import os, signal, subprocess, sys\n"
        "from lab.engine.children import bound\n"
        f"command = bound([sys.executable, '-c', {child!r}, 'a b', '$c', ''], os.getpid(), signal.SIGTERM)\n"
        f"subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=open({str(log)!r}, 'w')).wait()\n"
    )
    started = subprocess.Popen([sys.executable, "-c", engine], stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        said = until(lambda: log.read_text() if log.exists() and log.read_text() else None, what="the child's words")
        pid, _, rest = said.strip().partition(" ")
        assert rest == "['a b', '$c', '']"
    finally:
        started.kill()
        started.wait()

    def gone() -> bool | None:
        try:
            state = (Path("/proc") / pid / "stat").read_text()
        except FileNotFoundError:
            return True
        return state.rpartition(")")[2].split()[0] == "Z" or None

    until(gone, what="the child's end")


TOLD_OFTEN = """
import os, select, signal
from lab.engine.plugins.serve import listen_for_end

def tell(process):
    for _ in range(300):
        os.kill(process, signal.SIGTERM)
    os._exit(0)

for _ in range(30):
    told = listen_for_end()
    tellers = [os.fork() or tell(os.getppid()) for _ in range(2)]
    select.select([told], [], [])
    for teller in tellers:
        os.waitpid(teller, 0)
    os.close(told)
print("ended")
"""


def test_a_plugin_that_is_told_many_times_at_once_hears_it() -> None:
    """An engine of many threads that is killed has the kernel tell its children once for each of them."""
    done = subprocess.run(
        [sys.executable, "-c", TOLD_OFTEN],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr


def test_a_plugin_ends_when_it_is_told() -> None:
    """At once, with success."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "lab.engine.plugins.hcloud"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as plugin:
        try:
            assert plugin.stdout is not None
            assert plugin.stdout.readline().strip().isdecimal()
            plugin.send_signal(signal.SIGTERM)
            assert plugin.wait(ENDS_WITHIN_S) == 0
        finally:
            plugin.kill()
