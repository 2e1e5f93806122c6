"""Network namespaces: make one, remove one, do something inside one.

A thread has a network namespace of its own, so whatever shall happen inside one is done by a thread made for it
and thrown away with it; no thread ever has to find its way back.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pyroute2 import IPRoute

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

T = TypeVar("T")

FOLDER: Final = Path("/run/netns")  # where `ip netns` looks as well
_CLONE_NEWNET: Final = 0x40000000
_MS_BIND: Final = 4096
_MNT_DETACH: Final = 2
_libc = ctypes.CDLL(None, use_errno=True)


def namespace_path(name: str) -> Path:
    """Return the file that stands for a namespace, as nsenter(1) wants it."""
    return FOLDER / name


def make_namespace(name: str) -> None:
    """Make a network namespace with its loopback up.

    Unlike `ip netns add` it leaves the mount of its folder alone: the host's mounts are nobody's to change.
    """
    path = namespace_path(name)
    FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.touch(mode=0o000, exist_ok=False)

    def make() -> None:
        _check(_libc.unshare(_CLONE_NEWNET), "unshare")
        source = f"/proc/self/task/{threading.get_native_id()}/ns/net"
        _check(_libc.mount(source.encode(), bytes(path), b"none", _MS_BIND, None), f"mount {path}")
        with IPRoute() as netlink:
            netlink.link("set", index=1, state="up")

    try:
        _in_own_thread(make)
    except BaseException:
        remove_namespace(name)
        raise


def remove_namespace(name: str) -> None:
    """Remove a network namespace, if it is there."""
    path = namespace_path(name)
    if _libc.umount2(bytes(path), _MNT_DETACH) and ctypes.get_errno() not in {errno.EINVAL, errno.ENOENT}:
        raise OSError(ctypes.get_errno(), f"umount {path}")
    path.unlink(missing_ok=True)


def run_inside(name: str, action: Callable[[], T]) -> T:
    """Return what `action` returns when it is called inside the namespace."""

    def act() -> T:
        with namespace_path(name).open("rb") as namespace:
            _check(_libc.setns(namespace.fileno(), _CLONE_NEWNET), f"setns {name}")
        return action()

    return _in_own_thread(act)


def configure(name: str, change: Callable[[Any], T]) -> T:
    """Return what `change` returns when it is given a netlink socket of the namespace."""

    def act() -> T:
        with IPRoute() as netlink:
            return change(netlink)

    return run_inside(name, act)


def set_sysctls(name: str, values: dict[str, str]) -> None:
    """Write `net.*` settings of a namespace; keys as paths below /proc/sys/net."""

    def act() -> None:
        for key, value in values.items():
            (Path("/proc/sys/net") / key).write_text(value, encoding="ascii")

    run_inside(name, act)


def listen_inside(name: str, address: str, port: int, *, interface: str | None = None) -> socket.socket:
    """Return a listening TCP socket that belongs to the namespace, whoever serves it.

    Args:
        name: Of the namespace.
        address: To listen on.
        port: To listen on.
        interface: Needed for a link-local IPv6 address.
    """

    def act() -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            scope = socket.if_nametoindex(interface) if interface else 0
            listening.bind((address, port, 0, scope))
        else:
            listening.bind((address, port))
        listening.listen(64)
        return listening

    return run_inside(name, act)


def _in_own_thread(action: Callable[[], T]) -> T:
    answer: Future[T] = Future()

    def act() -> None:
        try:
            answer.set_result(action())
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            answer.set_exception(error)

    thread = threading.Thread(target=act, name="in-namespace")
    thread.start()
    thread.join()
    return answer.result()


def _check(failed: int, what: str) -> None:
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
