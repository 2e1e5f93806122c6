"""The visitors themselves: they come fast enough, see nothing where nothing happens, and see what does.

A change that "loses nothing" means something only because plain restarts, beside it, are seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.changes.load import visited

if TYPE_CHECKING:
    from pathlib import Path

    from tests.delivery.standing import Live

pytestmark = pytest.mark.lab
TUNNELS = (("falkenstein", "wg-quick@fs0"), ("press", "wg-quick@fs0g0"))


def test_three_hundred_requests_a_second_are_answered_where_nothing_happens(laden: Live, tmp_path: Path) -> None:
    """All kinds of visitors come, none fails, and what is to last lasts."""
    with visited(laden, tmp_path) as load:
        load.more(2000)
    calm = load.report
    assert calm.failures == (), str(calm)
    assert set(calm.answers) == {"kept", "kept-tls", "new", "new-tls", "stream", "socket"}
    assert calm.rate >= 300, str(calm)
    assert calm.broken == {"stream": 0, "socket": 0}
    assert calm.connections["kept"] == 8
    assert calm.connections["new"] >= len(calm.answers["new"])


def test_a_plain_restart_of_both_ends_is_seen(laden: Live, tmp_path: Path) -> None:
    """The control: interfaces that go and come hold visitors up or lose them, a proxy that goes and comes loses them."""
    with visited(laden, tmp_path) as load:
        load.more(1000)
        load.mark("tunnels")
        for host, unit in TUNNELS:
            laden.says(host, "systemctl", "stop", unit)
        for host, unit in TUNNELS:
            laden.says(host, "systemctl", "start", unit)
        load.more(1000)
        load.mark("proxy")
        laden.says("falkenstein", "systemctl", "restart", "haproxy.service")
        load.more(1000)
    calm, tunnels, proxy = (
        load.between("warm", "tunnels"),
        load.between("tunnels", "proxy"),
        load.between("proxy", "end"),
    )
    assert calm.failures == (), str(calm)
    assert tunnels.failures or tunnels.longest_s > 3 * calm.longest_s, f"{calm}\n{tunnels}"
    assert proxy.failures, str(proxy)
    assert load.report.broken["stream"] >= 1
    assert load.report.broken["socket"] >= 1
