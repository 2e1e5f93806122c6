"""The engine at a pseudo terminal: what a person sees there, and what they can answer."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from itertools import takewhile
from typing import TYPE_CHECKING

import pytest

from tests.engine.vectors import ENGINE

if TYPE_CHECKING:
    from tests.engine.runs import Shop

pytestmark = pytest.mark.lab

PROGRAM = (
    "class Group(pulumi.ComponentResource):\n"
    "    def __init__(self, name):\n"
    "        super().__init__('v:index/group:Group', name, {})\n"
    "        for at in (1, 2):\n"
    "            Command(f'{name}-{at}', create='echo ONE', opts=O(parent=self))\n"
    "Group('g')\n"
    "Command('last', create='true', opts=O(depends_on=[]))\n"
    "pulumi.export('site', {'hosts': ['a', 'b'], 'note': 'one\\ntwo'})\n"
    "pulumi.export('hidden', pulumi.Output.secret('hush'))\n"
)


def at_terminal(shop: Shop, *arguments: str, typed: bytes = b"") -> tuple[int, str]:
    """Run a command at a terminal of 120 columns, and return its exit code and what it showed, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
    process = subprocess.Popen(
        [*ENGINE, *arguments],
        cwd=shop.work,
        env=shop.environment(TERM="xterm", COLUMNS="120"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
            if typed and b"[yes/no]" in shown:
                os.write(ours, typed)
                typed = b""
    except OSError:  # EIO: the last holder of the other end is gone
        pass
    finally:
        os.close(ours)
    code = process.wait(60)
    return code, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n").replace("\r", "\n")


def last_tree(shown: str) -> list[str]:
    """Return the lines of the last picture of the tree, columns apart by bars, without durations."""
    lines = [re.sub(r" \([0-9.]+s\)", "", line).rstrip() for line in shown.splitlines()]
    at = max(number for number, line in enumerate(lines) if re.match(r" +Type +Name +(Plan|Status)", line))
    rows = takewhile(re.compile(r".{2} (pulumi:pulumi:Stack|[│ ]*[├└]─ )").match, lines[at + 1 :])
    return [re.sub(r"(?<=\w) {2,}", " | ", line) for line in rows]


def test_a_person_at_a_terminal_sees_the_tree_and_the_outputs(shop: Shop) -> None:
    """Guides go through the levels, types are short, nested outputs stand over several lines, secrets are hidden."""
    shop.program(PROGRAM)
    code, shown = at_terminal(shop, "up", "--yes", "--skip-preview")
    assert code == 0, shown
    tree = last_tree(shown)
    assert tree[0] == "+  pulumi:pulumi:Stack | shop-dev | created"
    groups = [line for line in tree if "Group" in line]
    guide = "   " if groups == ["+  └─ v:index:Group | g | created"] else "│  "
    assert guide == "   " or groups == ["+  ├─ v:index:Group | g | created"]
    children = sorted(line[: line.index("command")] for line in tree if "| g-" in line)
    assert children == sorted([f"+  {guide}├─ ", f"+  {guide}└─ "])
    assert len(tree) == 5
    assert (
        "Outputs:\n"
        "    hidden: [secret]\n"
        "    site  : {\n"
        "        hosts: [\n"
        '            [0]: "a"\n'
        '            [1]: "b"\n'
        "        ]\n"
        "        note : <<~EOT\n"
        "            one\n"
        "            two\n"
        "        EOT\n"
        "    }\n"
        "\n"
        "Resources:\n"
        "    + 5 created\n" in shown
    )
    assert "hush" not in shown


def test_what_stays_is_counted_and_listed_only_when_asked_for(shop: Shop) -> None:
    """Beside one that changes stands what is above it, and nothing else."""
    shop.program(PROGRAM)
    assert shop.up().code == 0
    shop.program(PROGRAM.replace("'echo ONE'", "'echo ONE' if at == 1 else 'echo TWO'"))
    code, shown = at_terminal(shop, "preview", "--diff")
    assert code == 0, shown
    assert last_tree(shown) == [
        "   pulumi:pulumi:Stack | shop-dev",
        "   └─ v:index:Group | g",
        "~     └─ command:local:Command | g-2 | update | [diff: ~create]",
    ]
    assert '      ~ create: "echo ONE" => "echo TWO"\n' in shown
    assert "    ~ 1 to update\n    4 unchanged\n" in shown
    _, all_of_them = at_terminal(shop, "preview", "--show-sames")
    assert len(last_tree(all_of_them)) == 5


@pytest.mark.parametrize(("typed", "code"), [(b"no\n", 1), (b"maybe\nyes\n", 0)])
def test_an_up_at_a_terminal_asks_after_its_preview(shop: Shop, typed: bytes, code: int) -> None:
    """It does nothing unless the answer is yes."""
    shop.program("Command('a', create='true')\n")
    ended, shown = at_terminal(shop, "up", typed=typed)
    assert ended == code, shown
    assert "Previewing update (dev):" in shown
    assert ("a" in shop.rows()) == (code == 0)
