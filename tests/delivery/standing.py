"""A deployment whose stack file changes while it runs, and what a test asks of it.

```text
  operator 192.0.2.20 ──ssh──► falkenstein ──ssh in the tunnel──► press
  visitor  192.0.2.7  ──http─► falkenstein ──────────────────────► press     a request every few milliseconds
```
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from lab.client import until
from tests.first_light.deployed import FARSHORE, ROOT, UP_WITHIN_S, Deployed, farshore
from tests.labs import lab_name
from tools.repair_state import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A request at a time, each a connection of its own, to one shield whatever the records say meanwhile; a line for each
# with the status, 000 where there was none.
_ASK = (
    'while ! test -e "$1"; do curl -sS -o /dev/null -w "%{http_code}\\n" --max-time 10 '
    '--resolve "www.example.com:80:$2" http://www.example.com/; done'
)


@dataclass(frozen=True)
class Peer:
    """What WireGuard says of one peer of an interface."""

    handshake_s: int
    received_bytes: int
    sent_bytes: int


@dataclass(frozen=True)
class Live(Deployed):
    """A deployment and the stack file that it came from.

    Args:
        file: The stack file, which tests change.
    """

    file: Path

    def change(self, **values: Any) -> None:
        """Set keys of the stack file: `shields__falkenstein__ssh=…`; None removes one."""
        document = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        for path, value in values.items():
            first, *rest = path.split("__")
            *parents, last = (f"farshore:{first}", *rest)
            place = document["config"]
            for key in parents:
                place = place.setdefault(key, {})
            if value is None:
                place.pop(last)
            else:
                place[last] = value
        self.file.write_text(yaml.safe_dump(document), encoding="utf-8")

    def config(self) -> dict[str, Any]:
        """Return the values of the stack file."""
        found: dict[str, Any] = yaml.safe_load(self.file.read_text(encoding="utf-8"))["config"]
        return found

    def up(self) -> subprocess.CompletedProcess[str]:
        """Deploy the stack file as it is now, as a person does."""
        return subprocess.run(
            [str(FARSHORE), "lab", "up", "--name", self.name, "--stack-file", str(self.file)],
            capture_output=True,
            text=True,
            timeout=UP_WITHIN_S,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
        )

    def changed(self, **values: Any) -> str:
        """Change the stack file, deploy it, and return what was said."""
        self.change(**values)
        done = self.up()
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def servers(self) -> dict[str, int]:
        """Return the provider's numbers of all servers."""
        found = self.work.outputs()["standing"]["hosts"]
        return {name: int(told["server"]) for name, told in found.items()}

    def peers(self, name: str) -> dict[str, Peer]:
        """Return what a host's WireGuard says of its peers, by their public keys."""
        lines = self.machine(name).run(["wg", "show", "all", "dump"], check=True).stdout.splitlines()
        words = [line.split("\t") for line in lines]
        return {one[1]: Peer(int(one[5]), int(one[6]), int(one[7])) for one in words if len(one) == 9}

    def mtu_bytes(self, name: str) -> int:
        """Return the MTU of a host's first tunnel."""
        links = json.loads(self.machine(name).run(["ip", "-j", "link", "show"], check=True).stdout)
        return next(int(link["mtu"]) for link in links if link["ifname"].startswith("fs"))

    def says(self, name: str, *program: str) -> str:
        """Return what a program says on a host."""
        return self.machine(name).run(list(program), check=True).stdout

    @contextmanager
    def visited(self, folder: Path, *, at_least: int = 20) -> Iterator[list[str]]:
        """Have a visitor ask falkenstein again and again meanwhile; the list has each answer's status afterwards.

        Args:
            folder: For what it writes down.
            at_least: Answers before the change begins.
        """
        answers, stop, seen = folder / "answers", folder / "stop", list[str]()
        visitor = self.lab.place("visitor").start(
            ["sh", "-c", _ASK, "sh", str(stop), self.host("falkenstein").ipv4], output=answers
        )
        try:
            until(lambda: len(answers.read_text().splitlines()) >= at_least or None, 60, "a visitor is answered")
            yield seen
        finally:
            stop.touch()
            visitor.wait(timeout=30)
            seen += answers.read_text().splitlines()

    def believed(self, command: str) -> str:
        """Return the host key that a command believes."""
        return str(plain(self._resource(command)["inputs"]["connection"])["hostKey"])

    def exported(self) -> str:
        """Return the state, with its secrets."""
        return self.work.run(["stack", "export", "--show-secrets", "--stack", self.work.stack])

    def document(self, command: str) -> str:
        """Return what a command sends to its host."""
        return str(plain(self._resource(command)["inputs"]["stdin"]))

    def _resource(self, name: str) -> dict[str, Any]:
        """Return one resource of the state, with its secrets."""
        export = json.loads(self.exported())
        found: dict[str, Any] = next(
            one for one in export["deployment"]["resources"] if one["urn"].endswith(f"::{name}")
        )
        return found

    def delivery_key(self, host: str, folder: Path) -> Path:
        """Write the key by which one host is told changes into a file of its owner's."""
        config = self.config()
        active = config.get("farshore:active", config.get("farshore:generations", [1])[0])
        number = "" if active == 1 else f"-g{active}"
        resource = self._resource(f"farshore-keys-{host}{number}-delivery")
        path = folder / f"{host}.key"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(plain(resource["outputs"]["output"])["private"])
        return path


def stand(letters: str, path: Path) -> Iterator[Live]:
    """Deploy a stack file in a lab of its own, and take it down afterwards.

    Args:
        letters: Of the lab's name.
        path: The stack file, which may be changed meanwhile.
    """
    name = lab_name(letters)
    found = Live(name, "", path)
    try:
        found.changed()
        yield found
    finally:
        farshore("lab", "down", "--name", name)
