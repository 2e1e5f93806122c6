"""Taking back what nobody confirmed: by hand, by the timer, or at boot before the network is up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from cloud_init.host.commands import Command, Deadline, run
from cloud_init.host.durable import read_json, read_text, remove_file, write_json
from cloud_init.host.interface import interfaces_of, without_peers
from cloud_init.host.journal import (
    JOURNAL,
    OLD_TREE,
    forget_old,
    note_stats,
    paths_of,
    read_disk,
    read_record,
    told_by,
)
from cloud_init.host.live import Live, read_live
from cloud_init.host.places import MARKER, NAMED_ENDPOINTS, RECORD, UNITS
from cloud_init.host.steps import plan_steps, reopened
from cloud_init.host.switch import remove_files, run_commands, set_kernel, write_files

if TYPE_CHECKING:
    from cloud_init.host.document import Told

TIMER_UNIT = "farshore-undo"
ROLLBACK_WITHIN_S = 150.0


def take_back(*, at_boot: bool) -> tuple[list[str], list[str]]:
    """Bring back what was there before, files and what runs, and return what that reopened and what failed.

    A key that was revoked is not brought back. Whatever interrupts it, it can be done again.
    """
    deadline = Deadline(ROLLBACK_WITHIN_S)
    marker, record, journal = read_json(MARKER), read_record(), read_json(JOURNAL)
    now = told_by(marker, read_disk([*paths_of(marker), *paths_of(record)]))
    revoked = frozenset([*record.get("revoked", ()), *marker.get("revoked", ())])
    target = without_keys(told_by(record, _files_before(record, journal)), revoked)
    said = reopened(told_by(marker, read_disk(paths_of(marker))), target)
    paths = set(target.files)
    # What the switch found as it should be was there before it, and stays: a key that was made here.
    ours = now.files.keys() & {*journal.get("paths", ()), *paths}
    before = told_by(marker, {path: now.files[path] for path in ours})
    live = Live({}, {}, {}, (), ()) if at_boot else read_live(target, before.units, deadline)
    steps = plan_steps(before, target, live, _key_files(target))
    write_files(steps, target)
    if at_boot:
        faults = _units_at_boot(before, target, {*steps.writes, *steps.removes}, deadline)
    else:
        faults = set_kernel(steps.settings)
        faults += set_kernel(tuple(journal.get("settings", {}).items()))
        faults += run_commands(steps.commands, deadline, go_on=True)
    remove_files(steps)
    os.sync()
    if record:
        record["files"] = [file for file in record["files"] if file["path"] in paths]
        write_json(RECORD, record)
        note_stats(record)
    remove_file(MARKER)
    forget_old()
    run(Command("", ("systemctl", "stop", "--no-block", f"{TIMER_UNIT}.timer")), deadline)
    return said, faults


def _files_before(record: dict[str, Any], journal: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """Return the files as they were: what was replaced as it was kept, the rest as it is."""
    changed: dict[str, int | None] = journal.get("paths", {})
    files = read_disk(path for path in paths_of(record) if path not in changed)
    for path, mode in changed.items():
        content = read_text(OLD_TREE + path)
        if mode is not None and content is not None:
            files[path] = (mode, content)
    return files


def without_keys(told: Told, revoked: frozenset[str]) -> Told:
    """Return what a host was told without the peers of revoked keys: sections, shared keys and names to look up."""
    if not revoked:
        return told
    files = dict(told.files)
    for name, interface in interfaces_of(told.files).items():
        gone = [peer for peer in interface.peers if peer.public_key in revoked]
        if gone:
            path = f"/etc/wireguard/{name}.conf"
            mode, text = files[path]
            files[path] = (mode, without_peers(text, frozenset(peer.public_key for peer in gone)))
            for peer in gone:
                files.pop(peer.psk_path, None)
    if NAMED_ENDPOINTS in files:
        mode, text = files[NAMED_ENDPOINTS]
        lines = [line for line in text.splitlines(keepends=True) if not revoked & set(line.split())]
        files[NAMED_ENDPOINTS] = (mode, "".join(lines))
    return told_by({"units": told.units, "masked": told.masked}, files)


def _key_files(told: Told) -> dict[str, str]:
    """Return the keys that interfaces name and no bundle brought: made on this host."""
    named = {one.key_path for one in interfaces_of(told.files).values()} - set(told.files)
    return {path: content for path, (_, content) in read_disk(named).items()}


def _units_at_boot(now: Told, target: Told, touched: set[str], deadline: Deadline) -> list[str]:
    """Have systemd start what there was before: nothing of it runs yet, so nothing is waited for."""
    commands = []
    if any(path.startswith(UNITS) for path in touched):
        commands.append(Command("units read again", ("systemctl", "daemon-reload")))
    new_only = [unit for unit in now.units if unit not in target.units]
    old_only = [unit for unit in target.units if unit not in now.units]
    if new_only:
        commands.append(Command("disabled", ("systemctl", "--no-reload", "disable", *new_only)))
        commands.append(Command("not started", ("systemctl", "stop", "--no-block", *new_only)))
    if old_only:
        commands.append(Command("enabled", ("systemctl", "--no-reload", "enable", *old_only)))
        commands.append(Command("started", ("systemctl", "start", "--no-block", *old_only)))
    return run_commands(tuple(commands), deadline, go_on=True)
