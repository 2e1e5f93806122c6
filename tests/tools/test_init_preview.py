"""What `farshore init` writes is previewed by the real program without a fault, and the preview ends with its cost."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.labs import cloud_alone
from tools.workspace import ROOT, EngineError, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.client import Lab

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("operator")]
COST = "about 11.98 EUR a month without VAT by Hetzner's prices of "


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A cloud without machines."""
    with cloud_alone("i", tmp_path_factory.mktemp("init")) as lab:
        yield lab


def test_what_init_writes_previews_cleanly(cloud: Lab, tmp_path: Path) -> None:
    """With no change by hand but the tokens; with a fault put into it, there is no preview and no cost."""
    file = tmp_path / "Pulumi.live.yaml"
    done = subprocess.run(
        [str(ROOT / "bin" / "farshore"), "init", "--yes", "--config-file", str(file)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    work = Workspace(folder=tmp_path / "pulumi", stack="live", endpoint=cloud.endpoint)
    work.prepare(file, cloud.tokens)
    where = ["--stack", "live", "--config-file", str(work.stack_file)]
    said = work.run(["preview", *where])
    assert "29 to create" in said
    assert said.count(COST) == 1
    told = said.splitlines()
    last_warning = max(at for at, line in enumerate(told) if "nothing judges them" in line)
    assert next(at for at, line in enumerate(told) if COST in line) > last_warning
    text = work.stack_file.read_text(encoding="utf-8")
    work.stack_file.write_text(text.replace("location: hel1", "location: nbg1"), encoding="utf-8")
    with pytest.raises(EngineError) as error:
        work.run(["preview", *where])
    assert "move one of them to another country" in str(error.value)
    assert COST not in str(error.value)
