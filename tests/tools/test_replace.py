"""`farshore replace` and `farshore resize` at a cloud without machines: what they look at first, and what they leave."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hcloud import Client

from lab.client import Lab
from tests.first_light.deployed import ROOT, farshore
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
    """A stack of two hosts in a cloud without machines."""

    lab: Lab
    file: Path

    def do(self, *words: str) -> CompletedProcess[str]:
        """Run the command as a person would."""
        return farshore(*words, "--lab", self.lab.name, "--config-file", str(self.file))

    def servers(self) -> dict[str, tuple[int, str, str, str]]:
        """Return each host's server: number, size, power and public address."""
        found = {}
        for token in self.lab.tokens.values():
            for server in Client(token=token, api_endpoint=self.lab.endpoint).servers.get_all():
                assert server.labels
                assert server.server_type
                assert server.public_net
                assert server.public_net.ipv4
                host = server.labels["farshore-host"]
                kind, address = str(server.server_type.name), str(server.public_net.ipv4.ip)
                found[host] = (int(server.id or 0), kind, str(server.status), address)
        return found

    def change(self, host: str, **values: Any) -> None:
        """Set keys of a shield in the stack file."""
        document = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        document["config"]["farshore:shields"][host].update(values)
        self.file.write_text(yaml.safe_dump(document), encoding="utf-8")


@pytest.fixture
def stood(tmp_path: Path) -> Iterator[Stood]:
    """Deploy the lab's own stack, which delivery does not reach."""
    name = lab_name("tr")
    folder, file = ROOT / ".lab" / name, unreached_stack_file(tmp_path)
    lab = Lab.start(name, folder, accounts=("edge", "vault"), machines="none")
    try:
        work = Workspace.of_lab(lab)
        work.prepare(file, lab.tokens)
        work.run(["up", "--yes", "--skip-preview", *work.where])
        yield Stood(lab, file)
    finally:
        lab.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_nothing_is_deleted_for_a_server_that_is_not_to_be_had(stood: Stood) -> None:
    """Sold out, unheard of, moved, unknown or not agreed to: each is said, and the servers are those of before."""
    before = stood.servers()
    stood.lab.door.ask("POST", "faults", SOLD_OUT)
    done = stood.do("replace", "falkenstein", "--yes")
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr == (
        "farshore:shields.falkenstein.server_type: 'cx23' is not to be had in fsn1 now, allowed: none, everything is "
        "sold out there; wait, or choose another type\nnothing was changed\n"
    )
    stood.lab.door.ask("DELETE", "faults")
    assert "nothing was changed; to do it, run it again with --yes" in stood.do("replace", "falkenstein").stdout
    assert "host: 'berlin', allowed: falkenstein, press; name one" in stood.do("replace", "berlin", "--yes").stderr
    stood.change("falkenstein", server_type="cx999")
    assert "server_type: 'cx999', allowed: " in stood.do("replace", "falkenstein", "--yes").stderr
    stood.change("falkenstein", server_type="cx23", location="nbg1")
    done = stood.do("replace", "falkenstein", "--yes")
    assert "location: 'nbg1', allowed: 'fsn1', where it stands; add a host of another name" in done.stderr
    work = Workspace.of_lab(stood.lab)
    work.prepare(stood.file, stood.lab.tokens)
    assert work.show("up", "--yes", "--skip-preview") != 0
    assert stood.servers() == before


def test_a_host_gets_a_new_server_at_its_old_addresses(stood: Stood) -> None:
    """One number is another, and nothing else of either host."""
    before = stood.servers()
    done = stood.do("replace", "falkenstein", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    after = stood.servers()
    assert after["falkenstein"][0] != before["falkenstein"][0]
    assert after["falkenstein"][1:] == before["falkenstein"][1:]
    assert after["press"] == before["press"]


@pytest.mark.long
def test_a_server_that_was_given_another_size_is_on(stood: Stood) -> None:
    """Its provider leaves it off; the stack file says the new size, and its disk can't become smaller again."""
    number, _, power, address = stood.servers()["falkenstein"]
    assert power == "running"
    done = stood.do("resize", "falkenstein", "cx33", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert stood.servers()["falkenstein"] == (number, "cx33", "running", address)
    assert "cx33" in stood.file.read_text(encoding="utf-8")
    done = stood.do("resize", "falkenstein", "cx23", "--yes")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "server_type: 'cx23' for a x86 disk of 80 GB, allowed: " in done.stderr
    assert "cx33" in stood.file.read_text(encoding="utf-8")
    assert stood.servers()["falkenstein"] == (number, "cx33", "running", address)


@pytest.mark.long
def test_a_server_is_on_after_an_edit_by_hand_too(stood: Stood) -> None:
    """Whatever its provider leaves off: the twin, which changes the server and nothing else, does."""
    stood.change("falkenstein", server_type="cx33")
    work = Workspace.of_lab(stood.lab)
    work.prepare(stood.file, stood.lab.tokens)
    up = ("up", "--yes", "--skip-preview", *work.where)
    said = work.run(up)
    assert "server_type: cx23 to cx33; it is switched off for that, and on again" in " ".join(said.split())
    assert stood.servers()["falkenstein"][1:3] == ("cx33", "running")
    stood.change("falkenstein", server_type="cx43")
    work.prepare(stood.file, stood.lab.tokens)
    work.run([*up, "--target", "**falkenstein-server"])
    assert stood.servers()["falkenstein"][1:3] == ("cx43", "off")
    work.run(up)
    assert stood.servers()["falkenstein"][1:3] == ("cx43", "running")
