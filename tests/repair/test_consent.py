"""The word of consent: what it has to be, and that nobody gives it unasked."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from tests.repair.stories import STACK, state, thing, things, whole
from tools import repair
from tools.repair_compare import find_differences

DARK = find_differences(STACK, [thing("server", 10, off=True), *things()[1:]], state(*whole()))
DOOMED = find_differences(STACK, things(), state(*whole()[1:]))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A terminal; what is asked there is kept."""
    questions: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)

    def confirm(text: str) -> bool:
        questions.append(text)
        return True

    monkeypatch.setattr(typer, "confirm", confirm)
    return questions


def answer(monkeypatch: pytest.MonkeyPatch, questions: list[str], text: str) -> None:
    """Type this at the next prompt."""

    def prompt(question: str, **_: Any) -> str:
        questions.append(question)
        return text

    monkeypatch.setattr(typer, "prompt", prompt)


@pytest.mark.parametrize("text", ["", "y", "yes", "Dev", "de", "devx", "dev dev", "/dev"])
def test_only_the_stacks_name_erases(monkeypatch: pytest.MonkeyPatch, asked: list[str], text: str) -> None:
    """Habit is no consent."""
    answer(monkeypatch, asked, text)
    assert not repair._consents(STACK, DOOMED)
    answer(monkeypatch, asked, f" {STACK} ")
    assert repair._consents(STACK, DOOMED)
    assert asked == ["to go on, type the stack's name (dev)"] * 2


def test_what_erases_nothing_takes_a_yes(asked: list[str]) -> None:
    """No name is to be typed for a server that is powered on."""
    assert repair._consents(STACK, DARK)
    assert asked == ["\nmend it now?"]


def test_without_a_terminal_nobody_consents(monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    """A pipe's words are no person's."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    answer(monkeypatch, asked, STACK)
    assert not repair._consents(STACK, DOOMED)
    assert not repair._consents(STACK, DARK)
    assert asked == []
