"""Data outlives its server: recreated, replaced, grown, while its machine runs, is born, and is gone.

```text
  volume ── press (first server) ── gone
    └────── press (second server): the same row
```
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from lab.client import until
from tests.delivery.standing import stand
from tests.first_light.deployed import ROOT, UP_WITHIN_S, farshore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.delivery.standing import Live

pytestmark = [pytest.mark.lab, pytest.mark.long]
GIB = 1 << 30


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One shield, and one origin with a volume; a container has no device mapper, so it is not encrypted."""
    document = yaml.safe_load((ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8"))
    document["config"]["farshore:addresses"] = "keep"
    document["config"]["farshore:origins"]["press"]["data"] = {"size_gb": 10, "encrypted": False}
    path = tmp_path_factory.mktemp("recreate") / "Pulumi.live.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    yield from stand("rc", path)


def test_a_row_outlives_everything_else(kept: Live) -> None:
    """Written and not even synced, it is read after; servers and keys are others, addresses and outputs the same."""
    servers, addresses = kept.servers(), [kept.host(name).public for name in ("falkenstein", "press")]
    key = kept.says("press", "cat", "/etc/farshore/keys/fs0g0.key")
    kept.says("press", "sh", "-c", "echo row >/srv/row; echo mine >/root/gone")
    done = farshore("recreate", "--lab", kept.name, "--config-file", str(kept.file), "--yes", within_s=2 * UP_WITHIN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "outputs are what they were" in done.stdout
    assert kept.says("press", "cat", "/srv/row") == "row\n"
    assert not kept.machine("press").has("/root/gone")
    assert kept.says("press", "cat", "/etc/farshore/keys/fs0g0.key") != key
    assert [kept.host(name).public for name in ("falkenstein", "press")] == addresses
    assert not set(kept.servers().values()) & set(servers.values())
    assert kept.page()
    assert "ok    unit srv.mount" in kept.says("press", "farshore-host", "prove")


def test_another_server_for_the_origin_alone_finds_the_row(kept: Live) -> None:
    """The engine unplugs nothing from a machine that runs: the server goes down first, and the volume with it."""
    kept.says("press", "sh", "-c", "echo second >>/srv/row")
    done = farshore("replace", "press", "--lab", kept.name, "--config-file", str(kept.file), "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert kept.says("press", "cat", "/srv/row") == "row\nsecond\n"
    assert kept.page()


def test_it_grows_with_the_next_up_and_its_server_stays(kept: Live) -> None:
    """A container's kernel lets no mounted filesystem grow, so it does at the next boot; smaller is refused."""
    servers = kept.servers()
    said = kept.changed(origins__press__data__size_gb=12)
    assert "farshore:origins.press.data.size_gb: 10 to 12; it grows in place" in said
    assert kept.servers() == servers
    assert json.loads(kept.says("press", "cat", "/etc/farshore/data"))["size_gb"] == 12
    press = kept.machine("press")
    pid = press.leader_pid
    press.run(["systemctl", "reboot"])
    until(lambda: press.leader_pid not in {None, pid} or None, 60, "another first process")
    press.wait_born()
    until(lambda: press.run(["findmnt", "/srv"]).returncode == 0 or None, 60, "mounted")
    assert int(kept.says("press", "findmnt", "-bno", "SIZE", "/srv")) > 11.5 * GIB
    assert kept.says("press", "cat", "/srv/row") == "row\nsecond\n"
    kept.change(origins__press__data__size_gb=11)
    try:
        refused = kept.up()
        assert refused.returncode != 0
        assert "data.size_gb: 11, allowed: 12 and more: a volume can't shrink" in refused.stdout + refused.stderr
    finally:
        kept.change(origins__press__data__size_gb=12)


def test_its_place_moves_while_the_host_runs_unless_a_file_is_open_there(kept: Live) -> None:
    """Busy, the host is what it was, and `up` fails; let go of, it moves with its row."""
    kept.says("press", "systemd-run", "--quiet", "--unit=busy", "sh", "-c", "exec sleep 1000 3</srv/row")
    kept.change(origins__press__data__mount="/opt/data")
    assert kept.up().returncode != 0
    assert kept.says("press", "cat", "/srv/row") == "row\nsecond\n"
    kept.says("press", "systemctl", "stop", "busy")
    kept.changed()
    assert kept.says("press", "cat", "/opt/data/row") == "row\nsecond\n"
    assert not kept.machine("press").has("/srv/row")
    kept.changed(origins__press__data__mount="/srv")
    assert kept.says("press", "cat", "/srv/row") == "row\nsecond\n"


def test_a_volume_that_is_protected_is_not_taken_out_and_a_released_one_is(kept: Live) -> None:
    """Refused with the way; by that way it goes, the host is told so, and its server stays."""
    servers = kept.servers()
    data = kept.config()["farshore:origins"]["press"]["data"]
    kept.change(origins__press__data=None)
    refused = kept.up()
    assert refused.returncode != 0
    assert "data: nothing, and its volume is protected" in refused.stdout + refused.stderr
    kept.changed(origins__press__data=data, addresses="release")
    kept.changed(origins__press__data=None)
    assert kept.servers() == servers
    assert kept.machine("press").run(["findmnt", "/srv"]).returncode != 0
    assert "data volume" not in kept.says("press", "farshore-host", "prove")
    assert kept.page()
