"""What delivery may ask of a host over SSH: five words; anything else is refused, and nothing of it is repeated."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cloud_init.host import birth, deliver
from cloud_init.host.faults import Refused
from cloud_init.program import MODULES, SEED, render_program
from cloud_init.sshd import DELIVERY_COMMAND

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "words",
    ["", "id", "apply; id", "apply x", "confirm", "confirm a b", "rollback", "adopt", "sh -c 'apply'", "\napply id"],
)
def test_other_words_are_refused_and_not_repeated(words: str) -> None:
    """The key is for delivery alone; what was asked may hold a secret, so it is not said again."""
    with pytest.raises(Refused) as refused:
        deliver.serve(words)
    (said,) = refused.value.faults
    assert said.startswith("ssh: other words, allowed: wait, apply, confirm DIGEST, prove, status;")
    assert "id" not in said.replace("is for delivery", "")


def test_the_key_runs_the_program_that_is_there() -> None:
    """What the authorized key names is where the program lies, and both program and seed know the word."""
    assert DELIVERY_COMMAND == "/usr/local/sbin/farshore-host ssh"
    for modules in (MODULES, SEED):
        assert 'case["ssh"]' in render_program(modules)


def test_a_birth_is_waited_for_until_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over and born is done at once; over and not born is refused at once; not over is refused when time is.

    Who waited is told the SSH host key that was born there, and nothing else.
    """
    over, born, key = tmp_path / "result.json", tmp_path / "born", tmp_path / "key.pub"
    key.write_text("ssh-ed25519 AAAA\n", encoding="ascii")
    monkeypatch.setattr(birth, "OWN_KEY", str(key))
    monkeypatch.setattr(birth, "BIRTH_OVER", str(over))
    monkeypatch.setattr(birth, "BORN", str(born))
    with pytest.raises(Refused, match="birth: not finished"):
        birth.await_birth(0.0)
    over.touch()
    begun = time.monotonic()
    with pytest.raises(Refused, match="replace its server"):
        birth.await_birth(600.0)
    born.touch()
    assert capsys.readouterr().out == ""
    assert birth.await_birth(600.0) == 0
    assert capsys.readouterr().out == "ssh-ed25519 AAAA\n"
    assert time.monotonic() - begun < 60.0
