"""A whole deployment in a lab of its own, and what a test asks of it.

```text
  visitor 192.0.2.7 ─┐                                    ┌─ site ── press (FI, account vault) 10.0.0.2
                     ├── inet ── site ── falkenstein ─────┤
  attacker ──────────┘          (DE, account edge)        └ WireGuard inside: 10.0.0.1 ── 10.0.0.2
                                 80, 443 → haproxy
```
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.client import Lab, MachineSpot, until
from tools.deployment import Host, hosts_of
from tools.workspace import Workspace

ROOT = Path(__file__).parents[2]
FARSHORE = ROOT / "bin" / "farshore"
UP_WITHIN_S = 400.0
PAGE = "hello from the far shore"
# The deployments, by the release of their `falkenstein` and `press`. Ubuntu's is asked for by name: make test-long.
EACH = [
    pytest.param("deployed", id="debian-12"),
    pytest.param("mixed", id="debian-13", marks=pytest.mark.long_on_vm),
    pytest.param("noble", id="ubuntu-24.04", marks=pytest.mark.long),
]
# The same, the newer ones asked for by name: for what takes a minute each and hangs on the kernel more than on the release.
ONE_AND_LONG = [
    pytest.param(each.values[0], id=str(each.id), marks=each.marks if number == 0 else pytest.mark.long)
    for number, each in enumerate(EACH)
]


def farshore(*arguments: str, within_s: float = UP_WITHIN_S) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would, without a terminal."""
    return subprocess.run(
        [str(FARSHORE), *arguments],
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
    )


def of_release(image: str) -> str:
    """Return the lab's stack file with hosts of one image."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8"))
    for hosts in ("farshore:shields", "farshore:origins"):
        for host in content["config"][hosts].values():
            host["image"] = image
    return str(yaml.safe_dump(content, allow_unicode=True))


def both_releases(newer: str = "debian-13") -> str:
    """Return a stack file with each of two releases as shield and as origin, every origin behind every shield.

    ```text
      falkenstein (newer)      ─┬─ press (newer)      www.example.com, secure.example.com
      nuremberg   (debian-12)  ─┴─ drop  (debian-12)  drop.example.com
    ```
    """
    content: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8"))
    config = content["config"]
    shields, origins = config["farshore:shields"], config["farshore:origins"]
    shields["nuremberg"] = {**shields["falkenstein"], "slot": 1, "location": "nbg1", "image": "debian-12"}
    shields["falkenstein"]["image"] = newer
    origins["press"]["shields"] = list(shields)
    origins["drop"] = {**origins["press"], "slot": 3}  # without an image: the default
    origins["press"]["image"] = newer
    config["farshore:domains"]["drop.example.com"] = {"origin": "drop", "service": "web", "tls": "none"}
    return str(yaml.safe_dump(content, allow_unicode=True))


@dataclass(frozen=True)
class Deployed:
    """A deployment that stands.

    Args:
        name: Of its lab.
        said: What `up` printed.
    """

    name: str
    said: str

    @property
    def lab(self) -> Lab:
        """The lab."""
        return Lab.open(ROOT / ".lab" / self.name)

    @property
    def work(self) -> Workspace:
        """Pulumi's side."""
        return Workspace.of_lab(self.lab)

    def host(self, name: str) -> Host:
        """Return a host as the cloud knows it."""
        return hosts_of(self.lab).named(name)

    def machine(self, name: str) -> MachineSpot:
        """Return a host from inside."""
        return self.lab.machine(self.host(name).server_name)

    def address6(self, name: str) -> str:
        """Return a host's public IPv6 address, from the host itself."""
        said = self.machine(name).run(["ip", "-6", "-o", "addr", "show", "scope", "global", "dev", "eth0"]).stdout
        found = re.search(r"inet6 (2001:db8:\S+)/64", said)
        assert found, said
        return found[1]

    def fetch(self, url: str, *more: str) -> str:
        """Return what a visitor gets: the body, or an empty text."""
        visitor = self.lab.place("visitor")
        return visitor.run(["curl", "-sS", "-k", "--max-time", "5", *more, url]).stdout

    def page(self, url: str = "http://www.example.com/", within_s: float = 30.0) -> str:
        """Wait for the page and return it."""
        return until(lambda: body if PAGE in (body := self.fetch(url)) else None, within_s, f"the page at {url}")

    def gone(self, url: str = "http://www.example.com/", within_s: float = 30.0) -> None:
        """Wait until the page is not there any more."""
        until(lambda: True if PAGE not in self.fetch(url) else None, within_s, f"no page at {url}")

    def control(self, path: str) -> Any:
        """Return what the lab's own door says."""
        return self.lab.door.ask("GET", path)

    def scan(self, *targets: str) -> dict[str, set[int]]:
        """Return the open TCP ports of addresses, all 65535 looked at from an attacker's place."""
        command = ["nmap", "-n", "-Pn", "-p-", "--open", "--min-rate", "20000", "--max-retries", "2", "-oG", "-"]
        attacker = self.lab.place("attacker")
        found: dict[str, set[int]] = {target: set() for target in targets}
        for flags, family in (([], [t for t in targets if ":" not in t]), (["-6"], [t for t in targets if ":" in t])):
            if not family:
                continue
            done = attacker.run([*command, *flags, *family], within_s=180)
            assert done.returncode == 0, done.stderr
            assert f"{len(family)} IP address{'es' if len(family) > 1 else ''}" in done.stdout, done.stdout
            for line in done.stdout.splitlines():
                if "Ports:" in line:
                    address = line.split()[1]
                    found[address] |= {int(port) for port in re.findall(r"(\d+)/open/", line)}
        return found


def undo_firewall(machine: MachineSpot, name: str) -> None:
    """Flush a guest's nftables; `redo_firewall` loads them again."""
    machine.run(["nft", "delete", "table", "inet", "farshore"], check=True)
    assert "farshore" not in machine.run(["nft", "list", "tables"]).stdout, name


def redo_firewall(machine: MachineSpot) -> None:
    """Load a guest's nftables as its unit does."""
    machine.run(["nft", "-f", "/etc/farshore/farshore.nft"], check=True)
