"""Files that are whole whenever the power goes: written beside their place, synced, renamed, and the folder synced."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any


def sync_folder(folder: str) -> None:
    """Have the kernel write a folder's names to the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: str, mode: int = 0o755) -> None:
    """Make a folder and those above it, each synced into the one above."""
    if os.path.isdir(folder):
        return
    make_folder(os.path.dirname(folder), mode)
    os.mkdir(folder, mode)
    os.chmod(folder, mode)
    sync_folder(os.path.dirname(folder))


def write_file(path: str, content: str, mode: int) -> None:
    """Put a file in its place at once, with its rights from its first moment; sync it, and its name."""
    place_file(path, content, mode)
    sync_folder(os.path.dirname(path))


def place_file(path: str, content: str, mode: int) -> None:
    """Do the same without syncing the name: for many files in one folder, which is synced once."""
    fresh = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.farshore")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content.encode())
        file.flush()
        os.fsync(file.fileno())
    os.rename(fresh, path)


def remove_file(path: str) -> None:
    """Take a file away, for good."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    sync_folder(os.path.dirname(path))


def remove_tree(folder: str) -> None:
    """Take a folder away with all that is in it."""
    if os.path.isdir(folder):
        shutil.rmtree(folder)
        sync_folder(os.path.dirname(folder))


def read_text(path: str) -> str | None:
    """Return what is in a file, None where there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return None


def read_json(path: str) -> dict[str, Any]:
    """Return what is in a file of the program's own; empty where there is none."""
    text = read_text(path)
    return dict(json.loads(text)) if text else {}


def write_json(path: str, value: dict[str, Any]) -> None:
    """Keep a value in a file for root alone."""
    write_file(path, json.dumps(value, sort_keys=True), 0o600)
