"""What stands outside the clouds: LANs, somebody's NAT, a gateway behind it. Each is a network namespace of this run."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lab.internet.links import make_link
from lab.internet.namespace import make_namespace, namespace_path, remove_namespace, run_inside, set_sysctls
from lab.spots import Spot
from tests.firewall.hearing import Hearing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# A mount namespace with a /run of its own, where wireguard-go leaves its socket, and a process namespace whose end
# ends whatever was started there. The host's own /run, /etc and processes are neither changed nor reached.
_HOLD: Final = (
    "mount -t tmpfs -o mode=0755 tmpfs /run && mkdir -m 0700 /run/wireguard && echo ready && exec sleep infinity"
)
DROPPED_AFTER_S: Final = 1.5  # a packet and its first repetition (1 s) had their time


@dataclass(frozen=True, kw_only=True)
class Box(Spot):
    """A device of somebody's: this machine's programs, a network and processes of its own.

    Args:
        namespace: Its network.
        held_by: Process that keeps its other namespaces.
    """

    namespace: str
    held_by: int

    def command(self, program: Sequence[str], *, user: str = "root") -> list[str]:
        """Return the command that runs a program there."""
        own = f"/proc/{self.held_by}/ns"
        enter = [f"--net={namespace_path(self.namespace)}", f"--mount={own}/mnt", f"--pid={own}/pid_for_children"]
        become = [] if user == "root" else ["runuser", "--user", user, "--"]
        return ["nsenter", *enter, "--", *become, *program]


class Outside:
    """Namespaces of this process, which go with it."""

    def __init__(self) -> None:
        self._prefix = f"out{os.getpid()}"
        self._made: list[str] = []
        self._holders: list[subprocess.Popen[str]] = []

    def network(self, who: str, *, forwards: bool = False) -> str:
        """Make a namespace and return its name."""
        name = f"{self._prefix}-{who}"
        make_namespace(name)
        self._made.append(name)
        sysctls = {"ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0"}
        forwarding = {"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1"}
        set_sysctls(name, sysctls | (forwarding if forwards else {}))
        return name

    def box(self, who: str) -> Box:
        """Make a namespace and what a device has beside it."""
        namespace = self.network(who)
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"]
        command += ["--pid", "--fork", "--kill-child", "sh", "-c", _HOLD]
        holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self._holders.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        return Box(namespace=namespace, held_by=holder.pid)

    def remove(self) -> None:
        """Remove all of it."""
        for holder in self._holders:
            holder.kill()
            holder.communicate()
        for name in self._made:
            remove_namespace(name)


def join(near: tuple[str, str, str], far: tuple[str, str, str]) -> None:
    """Join two namespaces by a cable; of each end its namespace, its name and its addresses."""
    make_link(*near[:2], *far[:2])
    for namespace, interface, addresses in (near, far):
        for address in addresses.split():
            ip(namespace, "addr", "add", address, "dev", interface, *(["nodad"] if ":" in address else []))


def ip(namespace: str, *arguments: str) -> None:
    """Change addresses or routes of a namespace, in the words of the command of this name."""
    subprocess.run(["ip", "-n", namespace, *arguments], check=True, capture_output=True, timeout=10)


def nft(namespace: str, text: str) -> None:
    """Change the rules of a namespace, in the words of the command of this name."""
    inside = ["nsenter", f"--net={namespace_path(namespace)}", "nft", "-f", "-"]
    subprocess.run(inside, input=text, text=True, check=True, capture_output=True, timeout=10)


@contextlib.contextmanager
def hearing(namespace: str, address: str, port: int) -> Iterator[Hearing]:
    """Listen on a TCP port in a namespace."""

    def listen() -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen(16)
        return made

    with run_inside(namespace, listen) as listening:
        heard = Hearing([listening])
        try:
            yield heard
        finally:
            for one in heard.accepted:
                one.close()


def connecting(*ways: tuple[str, str, int]) -> list[bool]:
    """Tell of several connections, all tried at once, which come about: namespace, address and port of each."""
    with ThreadPoolExecutor(len(ways)) as tries:
        return list(tries.map(lambda way: connects(*way), ways))


def connects(namespace: str, address: str, port: int, *, within_s: float = DROPPED_AFTER_S) -> bool:
    """Tell whether a TCP connection from a namespace comes about."""

    def connect() -> bool:
        try:
            socket.create_connection((address, port), timeout=within_s).close()
        except OSError:
            return False
        return True

    return run_inside(namespace, connect)
