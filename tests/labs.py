"""Labs of this run's own: their names, and a cloud without machines for as long as a test needs one."""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from lab.client import Lab

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
