"""Making a host what a bundle says, until somebody confirms it or a time is over."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from cloud_init.host.commands import Command, Deadline, run
from cloud_init.host.document import Document, Told, parse_document, read_input
from cloud_init.host.durable import make_folder, read_json, read_text, remove_file, write_json
from cloud_init.host.faults import Refused
from cloud_init.host.interface import interfaces_of
from cloud_init.host.journal import (
    OLD_PROGRAM,
    arm,
    commit,
    forget_old,
    keep_old,
    keep_record,
    note_stats,
    paths_of,
    prepare_state,
    read_disk,
    read_identity,
    read_record,
    record_of,
    stage_files,
    told_by,
)
from cloud_init.host.live import Live, read_live, setting_path, settings_of
from cloud_init.host.lock import only_one
from cloud_init.host.parsers import check_staged
from cloud_init.host.places import HOST_KEYS, MARKER, RECORD, STATE
from cloud_init.host.rollback import TIMER_UNIT, take_back
from cloud_init.host.steps import Steps, names_of, plan_steps
from cloud_init.host.switch import remove_files, run_commands, set_kernel, write_files

if TYPE_CHECKING:
    from collections.abc import Callable

INPUT_WITHIN_S = 30.0
APPLY_WITHIN_S = 150.0
# What runs a rollback by itself can do no more than it must.
_CAGE = (
    "ProtectHome=yes", "PrivateTmp=yes", "ProtectClock=yes", "ProtectHostname=yes", "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes", "LockPersonality=yes", "SystemCallArchitectures=native", "ProtectSystem=strict",
    "ReadWritePaths=/etc /run /var/lib/farshore /usr/local", "TimeoutStartSec=240",
)  # fmt: skip


def apply(confirm_within_s: float, gate: Callable[[Told, Live, Deadline], list[str]]) -> int:
    """Apply the bundle on standard input: unchanged, or applied and unconfirmed, or refused with nothing touched.

    Args:
        confirm_within_s: After which all of it is taken back.
        gate: Says what keeps it from being done, of all that runs; nothing of the host is touched then.
    """
    data = read_input(sys.stdin.fileno(), INPUT_WITHIN_S)
    with only_one("apply"):
        deadline = Deadline(APPLY_WITHIN_S)
        identity = read_identity()
        document = parse_document(data, identity)
        del data
        pending = read_json(MARKER)
        if pending:
            # What was to go is in the record of before: whoever was killed just then has left it.
            left = read_disk({*paths_of(read_record())} - {*document.told.files})
            if pending["digest"] == document.digest and not left and not plan(document, pending, deadline)[1]:
                _arm(document, identity, confirm_within_s, deadline)
                note_stats(pending)
                return say_applied(document.digest, confirm_within_s)
            take_back(at_boot=False)
            print("what was there unconfirmed was taken back first")
        forget_old()
        record = read_record()
        old, steps, live = plan(document, record, deadline)
        if not steps:
            if record.get("digest") != document.digest:
                _renew(record_of(document, identity))
            print(f"unchanged {document.digest}")
            return 0
        _refuse(gate(document.told, live, deadline))
        try:
            _stage(document, old, steps, live, deadline)
            _arm(document, identity, confirm_within_s, deadline)
        except OSError as error:
            remove_file(MARKER)
            forget_old()
            raise Refused([f"staging: {error.strerror}, allowed: room on the disk; nothing was touched"]) from None
        except Refused:
            forget_old()
            raise
        _switch(document, steps, deadline)
        print("\n".join([*(f"file {path}" for path in (*steps.writes, *steps.removes)), *names_of(steps.commands)]))
        return say_applied(document.digest, confirm_within_s)


def _renew(record: dict[str, Any]) -> None:
    """Remember another bundle that says the same of this host."""
    make_folder(STATE, 0o700)
    write_json(RECORD, record)
    keep_record(record)
    note_stats(record)


def _arm(document: Document, identity: dict[str, Any], within_s: float, deadline: Deadline) -> None:
    """Have it taken back by itself: first by whom, then that; in between there is nothing to take back."""
    start_timer(document.digest, within_s, deadline)
    arm(record_of(document, identity), within_s)


def say_applied(digest: str, within_s: float) -> int:
    """Say how long somebody has to confirm."""
    print(f"applied {digest}, unconfirmed: taken back in {within_s:.0f} s")
    return 0


def plan(document: Document, record: dict[str, Any], deadline: Deadline) -> tuple[Told, Steps, Live]:
    """Return what the host was told, what makes it what it is told now, and what runs."""
    new = document.told
    files = read_disk([*paths_of(record), *new.files])
    old = told_by(record, files)
    interfaces = interfaces_of(new.files)
    paths = {interface.key_path for interface in interfaces.values()}
    paths |= {peer.psk_path for interface in interfaces.values() for peer in interface.peers if peer.psk_path}
    keys = {path: content for path, (_, content) in read_disk(paths - set(new.files)).items()}
    missing = sorted(paths - set(new.files) - set(keys))
    if missing:
        raise Refused([f"{path}: not there, allowed: a key of the bundle's or the host's own" for path in missing])
    live = read_live(new, old.units, deadline)
    return old, plan_steps(old, new, live, keys), live


def _stage(document: Document, old: Told, steps: Steps, live: Live, deadline: Deadline) -> None:
    """Write, check and keep everything that the switch needs; nothing of the host is touched."""
    prepare_state()
    stage_files(document.told, steps.writes)
    _refuse(check_staged(document.told, document.secret, steps.writes, deadline))
    settings = {**live.settings, **_settings_now(old)}
    touched = {name: value for name, value in settings.items() if name in dict(steps.settings)}
    keep_old(old, (*steps.writes, *steps.removes), touched)


def _refuse(faults: list[str]) -> None:
    if faults:
        raise Refused([*faults, "nothing was touched"])


def _settings_now(told: Told) -> dict[str, str]:
    return {name: (read_text(setting_path(name)) or "").strip() for name in settings_of(told.files)}


def start_timer(digest: str, within_s: float, deadline: Deadline) -> None:
    """Have systemd take it back by itself after a time that no clock's setting changes."""
    run(Command("", ("systemctl", "stop", f"{TIMER_UNIT}.timer")), deadline)
    cage = tuple(word for one in _CAGE for word in ("--property", one))
    timer = (f"--unit={TIMER_UNIT}", f"--on-active={within_s:.0f}", "--timer-property=AccuracySec=1s")
    program = ("/usr/bin/python3", "-I", "-B", OLD_PROGRAM, "rollback", "--armed", digest)
    said = run(Command("", ("systemd-run", "--quiet", "--collect", *timer, *cage, *program)), deadline)
    if said.code != 0:
        raise Refused(["rollback: no timer could be armed, allowed: systemd's; nothing was touched"])


def _switch(document: Document, steps: Steps, deadline: Deadline) -> None:
    """Do it, or take it back at once.

    Raises:
        Refused: A step failed; the host is what it was.
    """
    try:
        write_files(steps, document.told)
        faults = set_kernel(steps.settings) or run_commands(steps.commands, deadline, go_on=False)
        if not faults:
            remove_files(steps)
            note_stats(record_of(document, {}))
    except OSError as error:
        faults = [f"files: {error.strerror}"]
    if faults:
        _, failed = take_back(at_boot=False)
        raise Refused([*faults, *(f"on the way back: {fault}" for fault in failed), "taken back"])


def confirm(digest: str) -> int:
    """Keep what was applied; say so as well where it is confirmed already."""
    with only_one("confirm"):
        pending, record = read_json(MARKER), read_record()
        if not pending:
            if record.get("digest") == digest:
                return say_confirmed(digest)
            raise Refused([f"confirm: another digest, allowed: {record.get('digest')}, confirmed; apply first"])
        if pending["digest"] != digest:
            raise Refused([f"confirm: another digest, allowed: {pending['digest']}, pending; confirm that"])
        commit()
        run(Command("", ("systemctl", "stop", f"{TIMER_UNIT}.timer")), Deadline(20))
        return say_confirmed(digest)


def say_confirmed(digest: str) -> int:
    """Bring the host's own SSH keys in step with what is confirmed, and say their public halves."""
    print(f"confirmed {digest}")
    if os.path.exists(HOST_KEYS):
        said = run(Command("", (HOST_KEYS, "settle"), within_s=60), Deadline(60))
        print(said.out, end="")
        if said.code:
            raise Refused([said.err.strip()])
    return 0


def roll_back(armed: str, *, at_boot: bool) -> int:
    """Take back what is unconfirmed, and say what that reopened.

    Args:
        armed: Only what has this digest: the timer's; empty for whatever there is.
        at_boot: Nothing runs yet.
    """
    with only_one("rollback", wait_s=0.0 if at_boot else 180.0):
        pending = read_json(MARKER)
        if not pending:
            forget_old()  # of a run that was stopped before it armed, or after it was done
        if not pending or (armed and pending["digest"] != armed):
            print("nothing is unconfirmed")
            return 0
        opened, faults = take_back(at_boot=at_boot)
        print(f"taken back: {pending['digest']}")
        print("\n".join(f"reopened: {what}" for what in opened) or "nothing was reopened")
        print("".join(f"failed: {fault}\n" for fault in faults), end="")
        return 1 if faults else 0


def lacks() -> str:
    """Return what keeps this program from doing anything here; empty where nothing does."""
    return "" if os.geteuid() == 0 else "farshore-host: not root, allowed: root; run it as root"
