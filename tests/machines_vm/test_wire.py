"""Lines between the lab and a virtual machine survive whatever a broken session leaves on the port."""

from __future__ import annotations

import pytest

from lab.machines.qemu_wire import Line, Reader, render_line


@pytest.mark.parametrize("content", [b"", b"\n", bytes(range(256)), b"a b\nc"])
def test_any_bytes_come_back(content: bytes) -> None:
    """Content is bytes, and none of them ends a line or a field."""
    line = Line("5e55", "in", content)
    assert Reader().feed(render_line(line)) == [line]


def test_a_line_may_come_in_pieces() -> None:
    """A line counts when its end is there, and not before."""
    reader, whole = Reader(), render_line(Line("5e55", "out", b"said"))
    assert reader.feed(whole[:5]) == []
    assert reader.feed(whole[5:]) == [Line("5e55", "out", b"said")]


@pytest.mark.parametrize("rest", [b"5e55 out aGFs", b"5e55 out !!!", b"\xff\xfe", b"a b c d", b"aGFsZg=="])
def test_what_a_broken_session_left_is_read_as_nothing(rest: bytes) -> None:
    """A newline of its own before the first line ends whatever came before, without spoiling what follows."""
    reader, first = Reader(), Line("900d", "run", b"[]")
    assert first in reader.feed(rest + b"\n" + render_line(first))
    assert reader.feed(render_line(first)) == [first]
