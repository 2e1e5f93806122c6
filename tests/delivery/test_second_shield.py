"""A second shield for an origin that runs: born, told to the origin, used, and taken away again.

```text
  falkenstein ─┬─ press         before and after
  nuremberg   ─┘                meanwhile
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import until
from tests.first_light.deployed import PAGE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.delivery.standing import Live

pytestmark = [pytest.mark.lab, pytest.mark.long]  # a third machine is born
NUREMBERG = {"slot": 1, "account": "edge", "location": "nbg1", "ssh": ["192.0.2.20/32"]}


def test_a_second_shield_comes_and_goes_while_the_origin_runs(live: Live, tmp_path: Path) -> None:
    """The origin gets a tunnel to it while it runs, visitors of the first lose nothing, and its page comes by both."""
    servers = live.servers()
    with live.visited(tmp_path) as answers:
        live.changed(shields__nuremberg=NUREMBERG, origins__press__shields=["falkenstein", "nuremberg"])
    assert set(answers) == {"200"}
    assert {name: live.servers()[name] for name in servers} == servers
    address = live.host("nuremberg").ipv4

    def page() -> bool | None:
        return PAGE in live.fetch("http://www.example.com/", "--resolve", f"www.example.com:80:{address}") or None

    until(page, 30, "the page by the second shield")
    assert len(live.peers("press")) == 2
    live.changed(shields__nuremberg=None, origins__press__shields=["falkenstein"])
    assert len(live.peers("press")) == 1
    assert live.servers() == servers
    assert live.page()
