"""What a host is and has, for machines to read: no key, no public address."""

from __future__ import annotations

import os
import time
from typing import Any

from cloud_init.host.commands import Deadline
from cloud_init.host.durable import read_json
from cloud_init.host.interface import interfaces_of
from cloud_init.host.journal import STATS, boot_id, paths_of, read_disk, read_identity, read_record, stats_of, told_by
from cloud_init.host.leftovers import find_leftovers
from cloud_init.host.live import read_live
from cloud_init.host.places import KEY_FOLDER, MARKER
from cloud_init.host.prove import said_of_data
from cloud_init.host.rollback import _key_files
from cloud_init.host.steps import names_of, plan_steps

STATUS_WITHIN_S = 60.0


def status() -> dict[str, Any]:
    """Return all of it."""
    deadline = Deadline(STATUS_WITHIN_S)
    marker = read_json(MARKER)
    record = marker or read_record()
    disk = read_disk(paths_of(record))
    changed = changed_files(record, disk, read_json(STATS))
    wanted = dict(disk)
    for file in record.get("files", ()):
        if "content" in file:
            wanted[file["path"]] = (file["mode"], file["content"])
    told = told_by(record, wanted)
    live = read_live(told, (), deadline)
    steps = plan_steps(told, told, live, _key_files(told))
    drift = [*changed, *(f"kernel setting {name}" for name, _ in steps.settings), *names_of(steps.commands)]
    drift += [f"firewall: {part} changed by hand" for part in live.table_differs]
    drift += [f"firewall: {kind} {name} added by hand" for kind, name in live.table_extra]
    armed = marker.get("armed", {})
    return {
        **read_identity(),
        "sequence": record.get("sequence"),
        "digest": record.get("digest"),
        "state": "pending" if marker else "confirmed" if record else "unknown",
        "pending_for_s": round(armed["until_s"] - time.monotonic()) if armed.get("boot") == boot_id() else None,
        "drift": drift,
        "handshake_age_s": {
            interface.name: {
                peer.name: round(time.time() - runs.handshake_s) if runs and runs.handshake_s else None
                for peer in interface.peers
                for runs in [live.interfaces[interface.name].peers.get(peer.public_key)]
            }
            for interface in interfaces_of(wanted).values()
            if interface.name in live.interfaces
        },
        "received_bytes": {
            interface.name: {
                peer.name: runs.received_bytes
                for peer in interface.peers
                for runs in [live.interfaces[interface.name].peers.get(peer.public_key)]
                if runs
            }
            for interface in interfaces_of(wanted).values()
            if interface.name in live.interfaces
        },
        "key_age_s": {
            path: round(time.time() - os.stat(path).st_mtime) for path in disk if path.startswith(KEY_FOLDER)
        },
        "leftovers": find_leftovers(),
        "data_refused": said_of_data(),
    }


def changed_files(record: dict[str, Any], disk: dict[str, tuple[int, str]], stats: dict[str, Any]) -> list[str]:
    """Return which files are not as they were left: by content and rights, secret ones by time and length."""
    said = []
    now = stats_of(record)
    for file in record.get("files", ()):
        path = file["path"]
        if path not in disk:
            said.append(f"file {path}: gone")
        elif disk[path][0] != file["mode"]:
            said.append(f"file {path}: other rights")
        elif file["secret"]:
            if stats.get(path) != now[path]:
                said.append(f"file {path}: written by hand")
        elif disk[path][1] != file["content"]:
            said.append(f"file {path}: written by hand")
    return said
