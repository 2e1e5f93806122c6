"""Visitors by the hundred a second while something changes.

```text
  visitor 192.0.2.7 ──► shield ──► haproxy ──► tunnel ──► press
     216 requests a second on 8 connections that are kept, 40 on 4 through TLS passed on
      60 a second on new connections, 8 through TLS
       1 download that never ends (TLS), 1 websocket with an echo each 100 ms
```

They take a tenth of a core. At three times this pace, against a page of the same machine and beside a load of 7 on two
cores, they still asked in time (963 requests a second); at six times they fell behind.
"""

from __future__ import annotations

import logging
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lab.client import until
from tests.changes.report import Report

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.first_light.deployed import Deployed

_LOG: Final = logging.getLogger(__name__)
PLAIN, SAFE = "www.example.com", "secure.example.com"
WARM: Final = 200  # answers before a change may begin
ANSWERED_WITHIN_S: Final = 60.0
LAST_ANSWER_WITHIN_S: Final = 40.0


@dataclass
class Load:
    """Visitors of one shield, and what they saw once they have gone.

    Args:
        name: Of the shield.
        folder: For what they write.
        visitors: Their program.
        share: Of the whole pace.
        marks: Moments of the monotonic clock, by name.
    """

    name: str
    folder: Path
    visitors: subprocess.Popen[str]
    share: float = 1.0
    marks: dict[str, float] = field(default_factory=dict)
    _report: Report | None = None

    @property
    def report(self) -> Report:
        """What they saw.

        Raises:
            AssertionError: They are still there.
        """
        assert self._report is not None, f"visitors of {self.name}: still there, allowed: gone; leave the `with` first"
        return self._report

    def mark(self, name: str) -> None:
        """Give this moment a name."""
        self.marks[name] = time.monotonic()

    def between(self, begin: str, end: str) -> Report:
        """Return what was due between two moments."""
        return self.report.between(self.marks[begin], self.marks[end])

    def more(self, answers: int = 400) -> None:
        """Wait until so many more answers have come."""
        before = self._count()

        def enough() -> bool | None:
            assert self.visitors.poll() is None, self._said()
            return self._count() >= before + answers or None

        until(enough, ANSWERED_WITHIN_S / self.share, f"{answers} more answers for visitors of {self.name}")

    def finish(self) -> None:
        """Have the visitors go once each has its answer, and read what they saw."""
        self.visitors.terminate()
        code = self.visitors.wait(timeout=LAST_ANSWER_WITHIN_S)
        assert code == 0, self._said()
        self._report = Report.read(self.folder / "diary")
        _LOG.info("visitors of %s: %s", self.name, self._report)

    def _count(self) -> int:
        said = self._said().split()
        return int(said[-1]) if said else 0

    def _said(self) -> str:
        return (self.folder / "said").read_text(encoding="utf-8")


@contextmanager
def visited(deployed: Deployed, folder: Path, *, shield: str = "falkenstein", share: float = 1.0) -> Iterator[Load]:
    """Have visitors come to one shield, whatever the records say, from their first answers to the end of the block.

    Args:
        deployed: Where.
        folder: For what they write, which need not be there.
        shield: Whom they ask.
        share: Of the whole pace: two shields at a half each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.changes.visitors", deployed.host(shield).ipv4, PLAIN, SAFE, str(share)]
    visitors = deployed.lab.place("visitor").start([*command, str(folder / "diary")], output=folder / "said")
    load = Load(shield, folder, visitors, share)
    try:
        load.more(WARM)
        load.mark("warm")
        yield load
        load.mark("end")
        load.finish()
    finally:
        if visitors.poll() is None:
            visitors.kill()
            visitors.wait()
