"""All keys of a deployment change under load: nobody waits longer than during any other `up`.

```text
  edits of an unrelated rule, `up`   ──► five of them: how long visitors wait while hosts are told something
  stage, switch, prune, each an `up` ──► visitors notice no more than that
```
"""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Final

import pytest

from tests.changes.load import visited

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.delivery.standing import Live
    from tools.lab import Machines

pytestmark = [pytest.mark.lab, pytest.mark.long]  # eight times `up`
# Without KVM two machines on two cores emulate each instruction of every packet's cipher.
SHARE: Final[Mapping[Machines, float]] = {"nspawn": 1.0, "vm": 0.2}
_LOG: Final = logging.getLogger(__name__)
BASELINES: Final = 5
ENOUGH: Final = 10_000
LAPTOP: Final = {"public_key": base64.b64encode(bytes([32]) * 32).decode(), "reach": ["press/web"]}


def test_ten_thousand_requests_and_new_keys(laden: Live, tmp_path: Path, machines: Machines) -> None:
    """None fails, the download and the websocket go on, and the longest wait is one of an unrelated edit's."""
    servers = laden.servers()
    with visited(laden, tmp_path, share=SHARE[machines]) as load:
        for number in range(BASELINES):
            load.mark(f"edit {number}")
            rule = {"to": "198.51.100.0/24", "ports": [9400 + number]}
            laden.changed(origins__press__egress={"allow": [rule]}, operators__laptop={**LAPTOP, "slot": 200 + number})
            load.more()
        load.mark("rotation")
        laden.changed(generations=[1, 2])
        load.more()
        load.mark("switch")
        laden.changed(active=2)
        load.more()
        load.mark("switched")
        laden.changed(generations=[2])
        load.more(ENOUGH)
        load.mark("rotated")
    laden.changed(origins__press__egress=None, operators__laptop=None)
    edits = [
        load.between(f"edit {number}", f"edit {number + 1}" if number + 1 < BASELINES else "rotation")
        for number in range(BASELINES)
    ]
    rotation, switch = load.between("rotation", "rotated"), load.between("switch", "switched")
    _LOG.info("edits: longest waits %s s", [round(one.longest_s, 3) for one in edits])
    _LOG.info("rotation: %s", rotation)
    _LOG.info("switch alone: %s", switch)
    assert load.report.failures == (), str(load.report)
    assert load.report.broken == {"stream": 0, "socket": 0}
    assert len(rotation.requests) >= ENOUGH
    assert rotation.longest_s <= max(one.longest_s for one in edits), str(rotation)
    assert laden.servers() == servers
