"""Run dnsmasq in a namespace, from a configuration to its end."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from lab.internet.namespace import run_inside
from lab.launch import end, launch

if TYPE_CHECKING:
    from ipaddress import IPv4Address
    from pathlib import Path

    from lab.launch import Setting

_READY_WITHIN_S: Final = 10.0


class Dnsmasq:
    """One dnsmasq.

    Args:
        setting: Where it runs.
        base: Path of its files, without their endings.
        answers_on: One of its addresses.
    """

    def __init__(self, setting: Setting, base: Path, *, answers_on: IPv4Address) -> None:
        self._setting = setting
        self._config = base.with_suffix(".conf")
        self._log = base.with_suffix(".log")
        self._answers_on = str(answers_on)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, config: str) -> None:
        """Start it and return when it answers: a machine's first DHCP request, if lost, is repeated after 4 s.

        Raises:
            RuntimeError: It ended, or it doesn't answer.
        """
        await asyncio.to_thread(self._config.write_text, config, encoding="ascii")
        command = ["dnsmasq", f"--conf-file={self._config}", "--user=root", "--log-facility=-"]
        self._process = await launch(command, self._setting, output=self._log)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _READY_WITHIN_S
        where = f"dnsmasq in {self._setting.namespace}"
        while not await asyncio.to_thread(self._answers):
            code = self._process.returncode
            if code is not None:
                raise RuntimeError(f"{where}: ended (exit {code}), allowed: running; see {self._log}")
            if loop.time() > deadline:
                raise RuntimeError(f"{where}: no answer in {_READY_WITHIN_S:.0f} s, allowed: one; see {self._log}")
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """End it, if it runs."""
        await end(self._process)
        self._process = None

    def _answers(self) -> bool:
        def connect() -> bool:
            try:
                socket.create_connection((self._answers_on, 53), timeout=1).close()
            except OSError:
                return False
            return True

        assert self._setting.namespace is not None
        return run_inside(self._setting.namespace, connect)
