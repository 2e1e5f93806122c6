"""examples/connected in a lab of its own, with an operator's device on the road.

```text
  laptop (a machine of nobody's) ─► falkenstein 10.0.0.1 ◄─ press 10.0.0.2 (LAN 192.168.9.0/24), db 10.0.0.3
                                    nuremberg   10.0.1.1 ◄─ press, replica 10.0.0.4 ═══ mesh ═══ db
```
"""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hcloud import Client
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.server_types import ServerType

from cloud_init.device import PRIVATE_KEY
from tests.first_light.deployed import ROOT, Deployed

if TYPE_CHECKING:
    from pathlib import Path

    from lab.client import MachineSpot

EXAMPLE = ROOT / "examples" / "connected" / "Pulumi.connected.yaml"
LAPTOP = "laptop"


@dataclass(frozen=True)
class Key:
    """A device's key, made by the device."""

    private: str
    public: str


def new_key() -> Key:
    """Return a key as `wg genkey` and `wg pubkey` make it."""
    key = X25519PrivateKey.generate()
    return Key(
        private=base64.b64encode(key.private_bytes_raw()).decode(),
        public=base64.b64encode(key.public_key().public_bytes_raw()).decode(),
    )


def write_example(path: Path, operators: dict[str, Any]) -> Path:
    """Write the example with operators of this run, whose keys nobody else has."""
    content: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    content["config"]["farshore:operators"] = operators
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Connected(Deployed):
    """The example as it stands.

    Args:
        split: Key of the device that carries only what it may reach.
        full: Key of the one that carries everything.
    """

    split: Key
    full: Key

    def laptop(self) -> MachineSpot:
        """Return the device on the road, made if there is none: a machine that has nothing to do with the stack."""
        client = Client(token=self.lab.tokens["edge"], api_endpoint=self.lab.endpoint)
        if client.servers.get_by_name(LAPTOP) is None:
            made = client.servers.create(
                name=LAPTOP,
                server_type=ServerType(name="cx23"),
                image=Image(name="debian-12"),
                location=Location(name="nbg1"),
                user_data="#cloud-config\npackages: [wireguard-tools]\n",
            )
            made.action.wait_until_finished()
        machine = self.lab.machine(LAPTOP)
        machine.wait_born()
        return machine

    def dial(self, device: str, shield: str, key: Key) -> None:
        """Have the laptop dial a shield as a device, and nothing else any more."""
        said = self.work.run(["stack", "output", "devices", "--json", "--stack", self.work.stack])
        text = json.loads(said)[device][shield].replace(PRIVATE_KEY, f"PrivateKey = {key.private}")
        laptop = self.laptop()
        self.hang_up()
        path = "/etc/wireguard/road.conf"
        laptop.run(["sh", "-c", f"umask 077; cat >{path}"], given=text, check=True)
        laptop.run(["wg-quick", "up", "road"], check=True)

    def hang_up(self) -> None:
        """Have the laptop dial nobody."""
        self.laptop().run(["sh", "-c", "ip link show road >/dev/null 2>&1 && wg-quick down road || true"], check=True)

    def answer(self, host: str, address: str, port: int, *, within_s: int = 5) -> str:
        """Return what a port says to a host, an empty text where it says nothing."""
        machine = self.laptop() if host == LAPTOP else self.machine(host)
        script = f"exec 3<>/dev/tcp/{address}/{port} && timeout 3 cat <&3"
        return machine.run(["timeout", str(within_s), "bash", "-c", script]).stdout.strip()

    def answers(self, *ways: tuple[str, str, int]) -> list[str]:
        """Return the same for several hosts, addresses and ports, all asked at once: silence takes its time."""
        with ThreadPoolExecutor(len(ways)) as tries:
            return list(tries.map(lambda way: self.answer(*way), ways))
