"""examples/sites in a lab of its own, with the LANs and the office that it speaks of.

```text
  archive 192.168.20.9 ── press (machine) ─► falkenstein (machine) ◄─ operator's place ── office ─┬─ desks 192.168.30.9
                                                                      192.0.2.20, NAT            └─ printers 192.168.31.9
```
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from cloud_init.device import PRIVATE_KEY
from lab.client import until
from lab.internet.namespace import set_sysctls
from tests.first_light.deployed import ROOT, Deployed
from tests.topologies.outside import Box, Outside, ip, join, nft
from tools.workspace import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from tests.topologies.standing import Key

EXAMPLE = ROOT / "examples" / "sites" / "Pulumi.sites.yaml"
ARCHIVE: Final = ("192.168.20.9", "fdaa:20::9")
DESKS: Final = ("192.168.30.9", "fdaa:30::9")
PRINTERS: Final = "192.168.31.9"
AT_PRINTERS: Final = "192.168.31.1"  # the gateway there
ROUTER: Final = "operator"  # the place that stands for the office's NAT
ROUTER_IPV4: Final = "192.0.2.20"
FORGETS_AFTER_S: Final = 4  # the NAT, a silent flow; a household's router takes 30 s and more
KEEPALIVE_S: Final = 1
NAT: Final = """
table ip household {
  chain out { type nat hook postrouting priority srcnat; oifname "eth0" masquerade; }
  chain through { type filter hook forward priority filter; policy drop; ct state established,related accept; iifname "home0" accept; }
}
"""


def write_sites(path: Path, key: Key) -> Path:
    """Write the example with a gateway's key of this run, and a keepalive that suits a NAT that forgets this fast."""
    content: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    office = content["config"]["farshore:gateways"]["office"]
    office |= {"public_key": key.public, "keepalive_s": KEEPALIVE_S}
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Sites(Deployed):
    """The example as it stands.

    Args:
        key: The gateway's.
        file: The gateway's own, for wg-quick(8).
        outside: What is nobody's server.
        office: The gateway.
        archive: Namespace of the host behind press.
        desks: Namespace of a host behind the gateway.
        printers: Namespace of one that knows no way back.
    """

    key: Key
    file: Path
    outside: Outside
    office: Box
    archive: str
    desks: str
    printers: str

    @property
    def router(self) -> str:
        """Namespace of the office's NAT."""
        return self.lab.place(ROUTER).namespace

    def provider_of(self, host: str) -> str:
        """Return the namespace of a host's provider, as it is on the other end of the host's cable."""
        prefix, _, number = str(self.machine(host).entry["namespace"]).rpartition("-m")
        return f"{prefix}-s{number}"

    def shield_key(self) -> str:
        """Return the public key of the office's only peer."""
        return self.office.run(["wg", "show", "office", "peers"], check=True).stdout.strip()

    def dial(self) -> None:
        """Have the gateway dial, and wait until it is answered."""
        said = self.work.run(["stack", "output", "devices", "--json", "--stack", self.work.stack])
        text = json.loads(said)["office"]["falkenstein"].replace(PRIVATE_KEY, f"PrivateKey = {self.key.private}")
        write_private(self.file, text)
        self.office.run(["wg-quick", "up", str(self.file)], check=True)
        until(self.answered, 20, "a handshake of the gateway")

    def hang_up(self) -> None:
        """Have the gateway dial nobody."""
        self.office.run(["wg-quick", "down", str(self.file)], check=True)

    def answered(self) -> bool | None:
        """Return True once there was a handshake."""
        said = self.office.run(["wg", "show", "office", "latest-handshakes"], check=True).stdout.split()
        return True if said and int(said[-1]) > 0 else None

    def connect(self) -> None:
        """Lay the cables: a LAN behind press, a NAT at the operator's place, the gateway and its LANs behind it."""
        router, office = self.router, self.office.namespace
        press = self.machine("press").entry["namespace"]
        for near, far in (
            ((press, "lan0", "192.168.20.1/24 fdaa:20::1/64"), (self.archive, f"{ARCHIVE[0]}/24 {ARCHIVE[1]}/64")),
            ((router, "home0", "192.168.1.1/24"), (office, "192.168.1.2/24")),
            ((office, "desks0", "192.168.30.1/24 fdaa:30::1/64"), (self.desks, f"{DESKS[0]}/24 {DESKS[1]}/64")),
            ((office, "print0", f"{AT_PRINTERS}/24"), (self.printers, f"{PRINTERS}/24")),
        ):
            join(near, (far[0], "eth0", far[1]))
        for namespace, way in (
            (self.archive, "192.168.20.1"), (self.archive, "fdaa:20::1"),
            (self.desks, "192.168.30.1"), (self.desks, "fdaa:30::1"),
            (office, "192.168.1.1"),
        ):  # fmt: skip
            ip(namespace, "-6" if ":" in way else "-4", "route", "add", "default", "via", way)
        forgets = {f"netfilter/nf_conntrack_udp_timeout{kind}": str(FORGETS_AFTER_S) for kind in ("", "_stream")}
        set_sysctls(router, {"ipv4/ip_forward": "1"} | forgets)
        nft(router, NAT)
