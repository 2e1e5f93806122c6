"""Bundles for a host that stands: what it was told, changed, and sealed anew."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloud_init.host.document import digest_of

if TYPE_CHECKING:
    import subprocess

    from lab.client import MachineSpot

HOST = "/usr/local/sbin/farshore-host"
_ALL_OF_IT = """
import json, os
record = json.load(open("/var/lib/farshore/host/confirmed.json"))
for file in record["files"]:
    file["content"] = open(file["path"]).read()
print(json.dumps(record))
"""


@dataclass(frozen=True)
class Bundle:
    """One bundle.

    Args:
        document: As JSON, without its digest.
    """

    document: dict[str, Any]

    def changed(self, path: str, before: str, after: str) -> Bundle:
        """Return it with another text in one file, where the former one stands."""
        document = copy.deepcopy(self.document)
        (file,) = (file for file in document["files"] if file["path"] == path)
        assert before in file["content"], (path, before)
        file["content"] = file["content"].replace(before, after)
        return Bundle(document)

    def added(self, path: str, content: str, *, mode: str = "0644", secret: bool = False) -> Bundle:
        """Return it with another file."""
        document = copy.deepcopy(self.document)
        document["files"].append({"path": path, "mode": mode, "content": content, "secret": secret})
        return Bundle(document)

    def without(self, path: str) -> Bundle:
        """Return it without a file."""
        document = copy.deepcopy(self.document)
        document["files"] = [file for file in document["files"] if file["path"] != path]
        return Bundle(document)

    def said(self, **more: Any) -> Bundle:
        """Return it with other values beside its files."""
        return Bundle({**copy.deepcopy(self.document), **more})

    def content(self, path: str) -> str:
        """Return one file's content."""
        return str(next(file["content"] for file in self.document["files"] if file["path"] == path))

    @property
    def digest(self) -> str:
        """Its digest."""
        return digest_of(self.document)

    @property
    def sealed(self) -> str:
        """What the host takes."""
        return json.dumps({**self.document, "digest": self.digest})


def standing(machine: MachineSpot) -> Bundle:
    """Return what a host was told and somebody confirmed, as its files are."""
    record = json.loads(machine.run(["python3", "-c", _ALL_OF_IT], check=True).stdout)
    files = [
        {"path": file["path"], "mode": f"{file['mode']:04o}", "content": file["content"], "secret": file["secret"]}
        for file in record["files"]
    ]
    kept = {key: record[key] for key in ("stack", "host", "sequence", "units", "masked", "revoked")}
    return Bundle({"schema": 1, **kept, "files": files})


def apply(machine: MachineSpot, bundle: Bundle, *words: str) -> subprocess.CompletedProcess[str]:
    """Have a host apply a bundle."""
    return machine.run([HOST, "apply", *words], given=bundle.sealed, within_s=240)


def applied(machine: MachineSpot, bundle: Bundle, *words: str) -> str:
    """Have a host apply a bundle, which it does, and return what it said."""
    done = apply(machine, bundle, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"applied {bundle.digest}, unconfirmed" in done.stdout, done.stdout
    return done.stdout


def confirmed(machine: MachineSpot, bundle: Bundle) -> None:
    """Confirm a bundle."""
    machine.run([HOST, "confirm", bundle.digest], check=True)


def rolled_back(machine: MachineSpot) -> str:
    """Have a host take back what is unconfirmed, and return what it said."""
    done = machine.run([HOST, "rollback"], within_s=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def status(machine: MachineSpot) -> dict[str, Any]:
    """Return what a host says of itself."""
    return dict(json.loads(machine.run([HOST, "status", "--json"], check=True).stdout))
