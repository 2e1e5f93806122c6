"""The document that says what a host has to be, read with distrust.

Nothing of it is echoed: its faults are told by their place in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import select
from dataclasses import dataclass, field
from typing import Any

from cloud_init.host.commands import Deadline
from cloud_init.host.durable import read_text
from cloud_init.host.faults import Refused
from cloud_init.host.places import IDENTITY, KEY_FOLDER, path_fault, symlink_fault

SCHEMA = 1
INPUT_MAX_BYTES = 4 * 1024 * 1024
_KEYS = {"schema", "stack", "host", "sequence", "files", "units", "masked", "revoked", "digest"}
_FILE_KEYS = {"path", "mode", "content", "secret"}
_MODE = re.compile(r"0[0-7]{3}")
_UNIT = re.compile(r"[A-Za-z0-9@_][A-Za-z0-9@:_.\\-]*\.(service|timer|path|socket|target|mount)")
_KEY = re.compile(r"[A-Za-z0-9+/]{43}=")


@dataclass(frozen=True)
class Told:
    """What a host has to be, or is: files by their paths (mode, content), units in the order of their start, masked."""

    files: dict[str, tuple[int, str]] = field(repr=False)
    units: tuple[str, ...]
    masked: tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """A bundle that was read and found sound.

    Args:
        told: What the host has to be.
        secret: Paths of files whose content is a secret.
        revoked: Public keys that nothing may ever admit again.
        sequence: Its number, for people.
        digest: Of all the rest.
    """

    told: Told
    secret: frozenset[str]
    revoked: tuple[str, ...]
    sequence: int
    digest: str


def digest_of(document: dict[str, Any]) -> str:
    """Return the digest of a document: SHA-256 of everything else in it, in one order and without spaces."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def read_input(fd: int, within_s: float) -> bytes:
    """Return all of a pipe's content.

    Raises:
        Refused: It stalls, or is too long.
    """
    deadline, size = Deadline(within_s), 0
    parts: list[bytes] = []
    while True:
        left_s = deadline.left_s(within_s)
        if left_s <= 0 or not select.select([fd], [], [], left_s)[0]:
            raise Refused(["standard input: stalled, allowed: a bundle and its end; send it again"])
        part = os.read(fd, 65536)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > INPUT_MAX_BYTES:
            raise Refused([f"standard input: more than {INPUT_MAX_BYTES} bytes, allowed: a bundle; shorten it"])


def parse_document(data: bytes, identity: dict[str, Any]) -> Document:
    """Return a document that is whole, and meant for this host.

    Args:
        data: As it came.
        identity: Stack and name of this host.

    Raises:
        Refused: With all that is wrong with it.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise Refused(["bundle: no whole JSON, allowed: as it was rendered; send it again"]) from None
    if not isinstance(found, dict) or set(found) != _KEYS or found["schema"] != SCHEMA:
        raise Refused([f"bundle: another schema, allowed: {SCHEMA}; use a Farshore as old as this host's program"])
    if found["digest"] != digest_of(found):
        raise Refused(["bundle: does not fit its digest, allowed: as it was rendered; send it again"])
    faults = [
        f"bundle.{key}: not this host's, allowed: {identity.get(key, 'none: this host does not know who it is')}; "
        "send it to its own host"
        for key in ("stack", "host")
        if found[key] != identity.get(key)
    ]
    faults += _list_faults(found)
    if faults:
        raise Refused(faults)
    return Document(
        told=Told(
            files={file["path"]: (int(file["mode"], 8), file["content"]) for file in found["files"]},
            units=tuple(found["units"]),
            masked=tuple(found["masked"]),
        ),
        secret=frozenset(file["path"] for file in found["files"] if file["secret"]),
        revoked=tuple(found["revoked"]),
        sequence=found["sequence"],
        digest=found["digest"],
    )


def _list_faults(found: dict[str, Any]) -> list[str]:
    faults: list[str] = []
    if type(found["sequence"]) is not int or found["sequence"] < 0:
        faults.append("bundle.sequence: no number, allowed: 0 and more; send what was rendered")
    for key, form in (("units", _UNIT), ("masked", _UNIT), ("revoked", _KEY)):
        if not isinstance(found[key], list) or not all(
            isinstance(one, str) and form.fullmatch(one) for one in found[key]
        ):
            faults.append(f"bundle.{key}: another form, allowed: a list of names or keys; send what was rendered")
    if not isinstance(found["files"], list):
        return [*faults, "bundle.files: no list, allowed: a list; send what was rendered"]
    seen = set[str]()
    for number, file in enumerate(found["files"]):
        fault = _file_fault(file, seen)
        if fault:
            faults.append(f"bundle.files[{number}]: {fault}; send what was rendered")
    if not faults and len({file["path"] for file in found["files"]}) != len(found["files"]):
        faults.append("bundle.files: a path twice, allowed: once; send what was rendered")
    if not faults and IDENTITY not in {file["path"] for file in found["files"]}:
        faults.append(f"bundle.files: without {IDENTITY}, allowed: with it; send what was rendered")
    return faults


def _file_fault(file: object, seen: set[str]) -> str:
    """Return what is wrong with one file of a document; a key that was made here gets its content.

    `seen` is as `symlink_fault` takes it.
    """
    if not isinstance(file, dict) or set(file) != _FILE_KEYS:
        return "other keys, allowed: path, mode, content and secret"
    fault = path_fault(file["path"])
    if fault:
        return f"path: {fault}, allowed: a plain path below them"
    fault = symlink_fault(file["path"], seen)
    if fault:
        return f"path: {fault}, allowed: folders, and a file or nothing"
    if not isinstance(file["mode"], str) or not _MODE.fullmatch(file["mode"]) or not isinstance(file["secret"], bool):
        return "mode or secret: another form, allowed: four octal digits, true or false"
    if file["secret"] and file["mode"] != "0600":
        return "mode: open, allowed: 0600 for a secret"
    if file["content"] is None and file["path"].startswith(KEY_FOLDER):
        file["content"] = read_text(file["path"])  # made here: no bundle brings it
    if not isinstance(file["content"], str) or "\0" in file["content"]:
        return "content: no text, allowed: text, or a key that is here"
    return ""
