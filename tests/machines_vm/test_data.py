"""An encrypted data volume on Debian's own kernel: born, written, rebooted, read; unreadable without its key; grown."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from components.keys import data_key
from lab.client import until
from tests.machines.data_volume import GIB, end_of, on, order_volume, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from lab.client import Lab, MachineSpot
    from tests.machines.ordering import Customer

pytestmark = [pytest.mark.lab, pytest.mark.vm]
WORD = "the-row-that-nobody-may-read"
ARGUMENTS = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '"


def shows(disk: Path, word: bytes) -> bool:
    """Tell whether a word stands anywhere in what was written to a disk; its holes were not."""
    with disk.open("rb") as file:
        fd, at, size = file.fileno(), 0, disk.stat().st_size
        while at < size:
            try:
                start = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                return False
            at = os.lseek(fd, start, os.SEEK_HOLE)
            if word in os.pread(fd, at - start, start):
                return True
    return False


def test_an_encrypted_volume_keeps_its_row_over_a_reboot_and_shows_it_to_nobody_else(
    machine: MachineSpot, somebody: Customer, lab: Lab
) -> None:
    """LUKS2 by the key that the host was told; the raw device has no plain text, another key opens nothing, it grows."""
    key = data_key()["private"]
    volume = order_volume(somebody, machine, key=key)
    volume.tell(machine)
    on(machine, f"systemctl start srv.mount; for n in $(seq 100); do echo {WORD} >>/srv/row; done; sync", 300)
    assert on(machine, "findmnt -no SOURCE,FSTYPE,LABEL /srv").split() == [
        "/dev/mapper/farshore-data",
        "ext4",
        "farshore",
    ]
    assert "crypto_LUKS" in on(machine, f"blkid -p {volume.device}")
    assert "Version:       \t2" in on(machine, f"cryptsetup luksDump {volume.device}")

    raw = lab.folder / f"run/volumes/{volume.number}.raw"  # as whoever has the disk sees it
    assert shows(raw, b"farshore"), "LUKS writes its label in clear: what is there is found"
    assert not shows(raw, WORD.encode())
    assert key not in on(machine, "journalctl --no-pager -o cat -b; " + ARGUMENTS)
    assert on(machine, "stat -c %a /etc/farshore/keys/data.key") == "600"

    pid = machine.leader_pid
    somebody.act(machine, "reset")
    until(lambda: machine.leader_pid not in {None, pid} or None, 60, "another process")
    machine.wait_born(420)
    until(lambda: machine.run(["findmnt", "/srv"]).returncode == 0 or None, 60, "mounted")
    assert on(machine, "sort -u /srv/row") == WORD

    before = int(on(machine, "findmnt -bno SIZE /srv"))
    larger = volume.grow(12)
    larger.tell(machine)
    on(machine, "systemctl reload farshore-data.service", 200)
    assert int(on(machine, "findmnt -bno SIZE /srv")) - before > 1.8 * GIB
    assert on(machine, "sort -u /srv/row") == WORD

    on(machine, "systemctl stop srv.mount farshore-data.service; test ! -e /dev/mapper/farshore-data")
    replace(larger, key=data_key()["private"]).tell(machine)
    ends = end_of(machine, volume.device)
    assert refusal(machine) == (
        f"data volume {volume.number}: the key that this host was told does not open it, allowed: the one that it was "
        "formatted with; bring back the state that has it"
    )
    assert end_of(machine, volume.device) == ends
    larger.tell(machine)
    on(machine, "systemctl start srv.mount", 200)
    assert on(machine, "sort -u /srv/row") == WORD
    on(machine, "systemctl disable --now srv.mount; systemctl stop farshore-data.service")
    volume.end()
