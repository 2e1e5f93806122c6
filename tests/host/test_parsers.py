"""What the programs that will read files are given to look at before anything is touched."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from cloud_init.host import journal, parsers
from cloud_init.host.commands import Deadline
from cloud_init.host.faults import Refused
from tests.host.stories import LAPTOP, PRESS, ROUTE, conf, key, told

if TYPE_CHECKING:
    from pathlib import Path

CONF = "/etc/wireguard/fs0.conf"
PROXY = "/etc/haproxy/haproxy.cfg"


def test_parsers_read_files_whole_save_what_wg_quick_only_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Peers and commands of an interface are not staged, which 1,000 peers make a second long; all of the rest is."""
    monkeypatch.setattr(journal, "NEW", str(tmp_path))
    new = told(conf(PRESS, LAPTOP, routes=ROUTE))
    journal.stage_files(new, [CONF, PROXY])
    staged = tmp_path / CONF[1:]
    assert staged.read_text(encoding="utf-8") == (
        "[Interface]\nAddress = 10.0.0.1/32\nListenPort = 51820\nMTU = 1420\nTable = off\n\n# press\n"
    )
    assert stat.S_IMODE(staged.stat().st_mode) == 0o600
    assert (tmp_path / PROXY[1:]).read_text(encoding="utf-8") == new.files[PROXY][1]


def test_what_wg_quick_is_not_given_is_read_all_the_same() -> None:
    """A line of a peer, or a command, that the program does not know is refused before any parser is asked."""
    for bad, words in (
        (conf(PRESS, LAPTOP.replace("AllowedIPs", "Hooks"), routes=ROUTE), "Hooks = 10.0.0.200/32"),
        (conf(PRESS, LAPTOP, routes="PostUp = sh -c id\n"), "PostUp = sh -c id"),
    ):
        with pytest.raises(Refused) as refused:
            parsers.check_staged(told(bad), frozenset(), [CONF], Deadline(30.0))
        line = bad.splitlines().index(words) + 1
        assert refused.value.faults[0].startswith(f"{CONF}: line {line}: nothing that the program knows")
        assert key(3) not in refused.value.faults[0]
