"""Making a filesystem on a volume that was never written to, and on nothing else.

Power may go in its middle: a note on the host's own disk, written before the first byte, says that what is there is
half of our own making. A volume is mounted only after the note is gone.
"""

from __future__ import annotations

import os

from cloud_init.host.commands import Command, Deadline, run
from cloud_init.host.disk import LABEL, MAPPED, MAPPED_NAME, Disk, is_blank, signs_of
from cloud_init.host.durable import make_folder, read_text, remove_file, write_file
from cloud_init.host.faults import Refused

DATA_KEY = "/etc/farshore/keys/data.key"
BEGUN = "/var/lib/farshore/data-formatting"
_CRYPTSETUP = "/usr/sbin/cryptsetup"
_NO_KEY = 2  # cryptsetup(8): no permission, as by a wrong key
# The key has 256 random bits: slowing down whoever guesses would only slow down each boot.
_LUKS = ("--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--label", LABEL)


def prepare(disk: Disk, deadline: Deadline) -> str:
    """Return the device that a volume's filesystem is on, unlocked; a blank one is formatted first.

    Raises:
        Refused: What is on it is not ours, or the key does not open it; nothing was written to it.
    """
    if read_text(BEGUN) == disk.number or is_blank(disk.path, deadline):
        format_disk(disk, deadline)
    found = signs_of(disk.path, deadline)
    if disk.encrypted:
        if found.get("TYPE") != "crypto_LUKS":
            raise Refused([_foreign(disk, found)])
        unlock(disk, deadline)
        found = signs_of(MAPPED, deadline)
    if (found.get("TYPE"), found.get("LABEL")) != ("ext4", LABEL):
        raise Refused([_foreign(disk, found)])
    return MAPPED if disk.encrypted else disk.path


def format_disk(disk: Disk, deadline: Deadline) -> None:
    """Make it what it is to be; done again, it begins anew."""
    make_folder(os.path.dirname(BEGUN), 0o700)
    write_file(BEGUN, disk.number, 0o600)
    if disk.encrypted:
        run(Command("", (_CRYPTSETUP, "close", MAPPED_NAME)), deadline)  # of a run that was stopped
        words = (_CRYPTSETUP, "luksFormat", "--batch-mode", *_LUKS, "--key-file", DATA_KEY, disk.path)
        do(Command(f"{disk.where}: encrypted", words, within_s=120), deadline)
        unlock(disk, deadline)
    device = MAPPED if disk.encrypted else disk.path
    do(Command(f"{disk.where}: formatted", ("mkfs.ext4", "-q", "-F", "-L", LABEL, device), within_s=300), deadline)
    os.sync()
    remove_file(BEGUN)


def unlock(disk: Disk, deadline: Deadline) -> None:
    """Have the clear side of an encrypted volume.

    Raises:
        Refused: The key does not open it.
    """
    if os.path.exists(MAPPED):
        return
    words = (_CRYPTSETUP, "open", "--type", "luks2", "--key-file", DATA_KEY, disk.path, MAPPED_NAME)
    said = run(Command("", words, within_s=60), deadline)
    if said.code == _NO_KEY:
        found = f"{disk.where}: the key that this host was told does not open it"
        raise Refused([f"{found}, allowed: the one that it was formatted with; bring back the state that has it"])
    if said.code != 0:
        raise Refused([f"{disk.where}: cryptsetup: {said.err.strip()[:200]}, allowed: opened; see this host's journal"])


def do(command: Command, deadline: Deadline) -> None:
    """Run a program that has to succeed, and say what it did.

    Raises:
        Refused: It did not.
    """
    said = run(command, deadline)
    if said.code != 0:
        words = said.err.strip().split("\n")[-1][:200] or f"exit code {said.code}"
        raise Refused([f"{command.why}: {command.words[0]}: {words}, allowed: success; see this host's journal"])
    print(command.why)


def _foreign(disk: Disk, found: dict[str, str]) -> str:
    """Return why a volume is left alone, and the way out."""
    kind = found.get("TYPE") or found.get("PTTYPE") or "something that nobody knows"
    label = f" labelled {found['LABEL']!r}" if found.get("LABEL") else ""
    wanted = "LUKS with our ext4 in it" if disk.encrypted else f"ext4 labelled {LABEL!r}"
    return (
        f"{disk.where}: {kind}{label} is on it, allowed: a blank one, or {wanted}; nothing was written: save what it "
        f"has, then empty it (blkdiscard -z {disk.path})"
    )
