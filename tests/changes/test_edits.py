"""Edits of the stack file that running hosts are told: whoever visits meanwhile loses nothing.

```text
  edit, `up` ──► falkenstein and press, one after the other
  visitors   ──► falkenstein ──► press, before, meanwhile and after, and while the edit is taken back
```
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.changes.load import visited
from tests.changes.standing import asked

if TYPE_CHECKING:
    from pathlib import Path

    from tests.delivery.standing import Live

pytestmark = pytest.mark.lab
BOTH = frozenset({"falkenstein", "press"})
KEY = base64.b64encode(bytes([31]) * 32).decode()


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One edit, and the one that takes it back.

    Args:
        values: Keys of the stack file, as `Live.change` takes them.
        back: The same, of before.
        told: Hosts that have to hear of it.
        seen: Words that a program on a host says afterwards and not before: host, words, program.
    """

    values: dict[str, Any]
    back: dict[str, Any]
    told: frozenset[str]
    seen: tuple[str, str, tuple[str, ...]]


TABLE = ("nft", "list", "table", "inet", "farshore")
PROXY = ("cat", "/etc/haproxy/haproxy.cfg")
EDITS = {
    "operator": Edit(
        values={"operators__laptop": {"slot": 200, "public_key": KEY, "reach": ["press/web"]}},
        back={"operators__laptop": None},
        told=BOTH,
        seen=("falkenstein", KEY, ("wg", "show", "fs0", "peers")),
    ),
    "firewall": Edit(
        values={"origins__press__egress": {"allow": [{"to": "198.51.100.0/24", "ports": [9418]}]}},
        back={"origins__press__egress": None},
        told=frozenset({"press"}),
        seen=("press", "9418", TABLE),
    ),
    "mtu": Edit(
        values={"shields__falkenstein__wireguard": {"mtu_bytes": 1300}},
        back={"shields__falkenstein__wireguard": None},
        told=BOTH,
        seen=("press", "mtu 1300", ("ip", "link", "show", "fs0g0")),
    ),
    "domain": Edit(
        values={"domains__extra.example.com": {"origin": "press", "service": "web", "tls": "none"}},
        back={"domains__extra.example.com": None},
        told=frozenset({"falkenstein"}),
        seen=("falkenstein", "extra.example.com", PROXY),
    ),
    "service": Edit(
        values={"origins__press__services__extra": {"port": 9000}},
        back={"origins__press__services__extra": None},
        told=frozenset({"press"}),
        seen=("press", "9000", TABLE),
    ),
}
# WireGuard's own port; it stands where the MTU of the whole stands.
PORT = Edit(
    values={"shields__falkenstein__wireguard": {"port": 51900}},
    back={"shields__falkenstein__wireguard": None},
    told=BOTH,
    seen=("falkenstein", "51900", ("wg", "show", "fs0", "listen-port")),
)

WHOLE = Edit(
    values={key: value for edit in EDITS.values() for key, value in edit.values.items()},
    back={key: value for edit in EDITS.values() for key, value in edit.back.items()},
    told=BOTH,
    seen=EDITS["domain"].seen,
)
# Each by itself is no more than all at once, save where one of them fails.
ONE_BY_ONE = [pytest.param(edit, id=name, marks=pytest.mark.long) for name, edit in {**EDITS, "port": PORT}.items()]


@pytest.mark.parametrize("edit", [pytest.param(WHOLE, id="all at once"), *ONE_BY_ONE])
def test_an_edit_and_its_return_lose_nothing(laden: Live, tmp_path: Path, edit: Edit) -> None:
    """The hosts that it concerns are told and no other; no request, no line of the download, no echo is lost."""
    servers = laden.servers()
    host, words, program = edit.seen
    assert words not in laden.says(host, *program)
    with visited(laden, tmp_path) as load:
        assert asked(laden.changed(**edit.values)) == edit.told
        assert words in laden.says(host, *program)
        load.more()
        assert asked(laden.changed(**edit.back)) == edit.told
        assert words not in laden.says(host, *program)
        load.more()
    assert load.report.failures == (), str(load.report)
    assert load.report.broken == {"stream": 0, "socket": 0}
    assert laden.servers() == servers


@pytest.mark.long
def test_a_port_that_moves_in_two_edits_loses_nothing(laden: Live, tmp_path: Path) -> None:
    """First the new service beside the old with the domain on it, then the old goes; and the same way back."""
    domain = "domains__www.example.com__service"
    with visited(laden, tmp_path) as load:
        assert asked(laden.changed(origins__press__services__moved={"port": 8081}, **{domain: "moved"})) == BOTH
        load.more()
        assert asked(laden.changed(origins__press__services__web=None)) == {"press"}
        load.more()
        assert asked(laden.changed(origins__press__services__web={"port": 8080}, **{domain: "web"})) == BOTH
        load.more()
        assert asked(laden.changed(origins__press__services__moved=None)) == {"press"}
        load.more()
    assert load.report.failures == (), str(load.report)
    assert load.report.broken == {"stream": 0, "socket": 0}


@pytest.mark.long
def test_a_port_that_moves_in_one_edit_is_refused_for_a_moment(laden: Live, tmp_path: Path) -> None:
    """The twin: the origin has left the old port before its shield has heard of the new one."""
    with visited(laden, tmp_path) as load:
        load.mark("moves")
        laden.changed(origins__press__services__web__port=8081)
        load.mark("moved")
        load.more()
    laden.changed(origins__press__services__web__port=8080)
    assert load.between("warm", "moves").failures == (), str(load.report)
    moving = load.between("moves", "moved")
    assert moving.failures or moving.longest_s > 3 * load.between("warm", "moves").longest_s, str(load.report)
    assert load.between("moved", "end").failures == (), str(load.report)
