"""`farshore recreate` at a cloud without machines: what it looks at first, what stays, and how it goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hcloud import Client

from lab.client import Lab, until
from tests.first_light.deployed import FARSHORE, ROOT, UP_WITHIN_S, farshore
from tests.labs import lab_name, unreached_stack_file
from tools.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from subprocess import CompletedProcess

pytestmark = pytest.mark.lab
SOLD_OUT = {"method": "*", "path": "/server*", "sold_out": "fsn1", "times": None}


@dataclass(frozen=True)
class Stood:
    """A stack of two hosts, one with a volume, in a cloud without machines."""

    lab: Lab
    file: Path

    @property
    def words(self) -> list[str]:
        """Return the command, without consent."""
        return ["recreate", "--lab", self.lab.name, "--config-file", str(self.file)]

    def do(self, *more: str) -> CompletedProcess[str]:
        """Run it as a person would."""
        return farshore(*self.words, *more)

    def change(self, **values: Any) -> None:
        """Set keys of the stack file's top."""
        document = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        document["config"] |= {f"farshore:{key}": value for key, value in values.items()}
        self.file.write_text(yaml.safe_dump(document), encoding="utf-8")

    def up(self) -> None:
        """Deploy."""
        work = Workspace.of_lab(self.lab)
        work.prepare(self.file, self.lab.tokens)
        work.run(["up", "--yes", "--skip-preview", *work.where])

    def numbers(self, kind: str) -> set[tuple[int, str]]:
        """Return the numbers and names of all servers, addresses or volumes."""
        doors = (getattr(Client(token=one, api_endpoint=self.lab.endpoint), kind) for one in self.lab.tokens.values())
        return {(int(thing.id), str(thing.name)) for door in doors for thing in door.get_all()}

    def keys(self) -> dict[str, str]:
        """Return every key of the state, by its name."""
        export = json.loads(
            (work := Workspace.of_lab(self.lab)).run(["stack", "export", "--show-secrets", "--stack", work.stack])
        )
        stashes = [row for row in export["deployment"]["resources"] if row["type"] == "pulumi:index:Stash"]
        return {row["urn"].rpartition("::")[2]: json.dumps(row["outputs"]["output"]) for row in stashes}

    @property
    def journal(self) -> Path:
        """Return where a run notes how far it has come."""
        work = Workspace.of_lab(self.lab)
        return work.folder / f".recreate-{work.stack}.json"


@pytest.fixture
def stood(tmp_path: Path) -> Iterator[Stood]:
    """Deploy the lab's own stack, kept, with an encrypted volume: no machine is there to open it."""
    name = lab_name("rr")
    folder, file = ROOT / ".lab" / name, unreached_stack_file(tmp_path)
    lab = Lab.start(name, folder, accounts=("edge", "vault"), machines="none")
    try:
        found = Stood(lab, file)
        origins = yaml.safe_load(file.read_text(encoding="utf-8"))["config"]["farshore:origins"]
        origins["press"]["data"] = {"size_gb": 10}
        found.change(addresses="keep", origins=origins)
        found.up()
        yield found
    finally:
        lab.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_servers_and_keys_are_new_and_addresses_and_volumes_are_not(stood: Stood) -> None:
    """Looked at and agreed to first; every key but the volume's is another, and what was said is true."""
    kinds = ("primary_ips", "volumes")
    kept, servers, keys = {kind: stood.numbers(kind) for kind in kinds}, stood.numbers("servers"), stood.keys()
    stood.lab.door.ask("POST", "faults", SOLD_OUT)
    done = stood.do("--yes")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "is not to be had in fsn1 now" in done.stderr
    assert "nothing was changed" in done.stderr
    stood.lab.door.ask("DELETE", "faults")
    done = stood.do()
    assert done.returncode == 1
    assert "the disks of falkenstein, press but what is in /srv are erased" in done.stdout
    assert (stood.numbers("servers"), stood.keys()) == (servers, keys)
    assert not stood.journal.exists()

    done = stood.do("--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kept: 4 public addresses, 1 data volume, with what opens each" in done.stdout
    assert "new keys at all 2 ends of tunnels" in done.stdout
    assert "those of data volumes stay: farshore-vault.press-data-key" in done.stdout
    assert "outputs are what they were" in done.stdout
    assert not stood.journal.exists()
    assert {kind: stood.numbers(kind) for kind in kinds} == kept
    assert not stood.numbers("servers") & servers
    now = stood.keys()
    assert now.keys() == keys.keys()
    assert {name for name in keys if keys[name] == now[name]} == {"farshore-vault.press-data-key"}
    assert not [key for key in (*keys.values(), *now.values()) if key in done.stdout]


@pytest.mark.long
def test_what_would_not_stay_is_refused_before_anything_is_touched(stood: Stood) -> None:
    """Released addresses, a smaller volume: said with the way, and all of it stands."""
    servers, origins = (
        stood.numbers("servers"),
        yaml.safe_load(stood.file.read_text(encoding="utf-8"))["config"]["farshore:origins"],
    )
    stood.change(addresses="release")
    assert "farshore:addresses: release, allowed: keep" in stood.do("--yes").stderr
    press = origins["press"]
    stood.change(addresses="keep", origins={"press": {**press, "data": {"size_gb": 10, "encrypted": False}}})
    assert "data.encrypted: false, allowed: true, as it was formatted" in stood.do("--yes").stderr
    stood.change(origins={"press": {**press, "location": "ash"}})
    assert "location: 'ash', allowed: 'hel1', where it stands" in stood.do("--yes").stderr
    assert stood.numbers("servers") == servers


@pytest.mark.long
@pytest.mark.parametrize("step", ["destroy", "up"])
def test_interrupted_in_each_step_the_same_command_goes_on(stood: Stood, step: str) -> None:
    """As by Ctrl-C: what was begun is named, asked about anew, and brought to its end."""
    kept, servers = stood.numbers("volumes") | stood.numbers("primary_ips"), stood.numbers("servers")
    process = subprocess.Popen(
        [str(FARSHORE), *stood.words, "--yes"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        until(
            lambda: (stood.journal.exists() and json.loads(stood.journal.read_text("utf-8"))["step"] == step) or None,
            120,
            f"the step {step}",
        )
    finally:
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=UP_WITHIN_S)
    assert process.returncode != 0, said
    assert f"a recreation was begun and not finished: {step} is next" in stood.do().stdout
    done = stood.do("--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "outputs are what they were" in done.stdout
    assert stood.numbers("volumes") | stood.numbers("primary_ips") == kept
    assert not stood.numbers("servers") & servers
    assert not stood.journal.exists()
