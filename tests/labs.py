"""Labs of this run's own: their names, and a cloud without machines, or a stack at one, for as long as a test needs it."""

from __future__ import annotations

import itertools
import os
import re
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from lab.client import Lab
from tools.workspace import ROOT, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_COUNTERS: Final[dict[str, itertools.count[int]]] = defaultdict(itertools.count)


def lab_name(letters: str) -> str:
    """Return a name that no other lab has, of this run or of one beside it.

    Args:
        letters: One or two that tell a person whose lab it is; used twice, they get a number.
    """
    before = next(_COUNTERS[letters])
    return f"{letters}{os.getpid() % 1000000}" + (f"-{before}" if before else "")


@contextmanager
def cloud_alone(letters: str, folder: Path, *, accounts: Sequence[str] = ("edge", "vault")) -> Iterator[Lab]:
    """Run a cloud without machines.

    Args:
        letters: Of its name.
        folder: The lab's own, which need not be there.
        accounts: Its projects.
    """
    lab = Lab.start(lab_name(letters), folder, accounts=accounts, machines="none")
    try:
        yield lab
    finally:
        lab.stop()


def unreached_stack_file(folder: Path) -> Path:
    """Write the lab's stack file with nobody who is told anything: a cloud without machines has nobody who answers.

    Args:
        folder: For the copy.
    """
    text, count = re.subn(r", ssh: \[[^]]*\]", "", (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8"))
    assert count == 1, "the lab's shield names whom its SSH answers"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "Pulumi.unreached.yaml"
    path.write_text(text + "  farshore:delivery: none\n", encoding="utf-8")
    return path


@contextmanager
def stack_alone(letters: str, folder: Path, stack: str) -> Iterator[tuple[Lab, Workspace]]:
    """Run a cloud without machines, with the lab's stack file prepared for it and nothing deployed.

    Args:
        letters: Of the cloud's name.
        folder: For the cloud and for Pulumi.
        stack: Pulumi's name of it.
    """
    with cloud_alone(letters, folder / "cloud") as lab:
        work = Workspace(folder=folder / "pulumi", stack=stack, endpoint=lab.endpoint)
        work.prepare(unreached_stack_file(folder), lab.tokens)
        yield lab, work
