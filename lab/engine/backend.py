"""Pulumi's file backend: where stacks, their locks and their history lie.

Files are 0600 and folders 0700; a file is written beside its place, synced and renamed, so a reader sees the
old state or the new one, whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import pwd
import shutil
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lab.engine.stored import compact

if TYPE_CHECKING:
    from collections.abc import Mapping

ORGANIZATION: Final = "organization"


class BackendError(Exception):
    """A stack, lock or folder that is not as the command needs it."""


class StackMissingError(BackendError):
    """A stack that the backend does not know."""


def write_private(path: Path, text: str) -> None:
    """Write a file for its owner's eyes, all of it or nothing."""
    make_folder(path.parent)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner's eyes."""
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


def pulumi_home() -> Path:
    """Return Pulumi's own folder of this user."""
    return Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")


@dataclass(frozen=True)
class Lock:
    """A lock on one stack, held by a file."""

    path: Path

    def release(self) -> None:
        """Remove the lock; one that somebody cancelled is gone already."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Backend:
    """The stacks of one backend folder.

    Args:
        root: The `.pulumi` folder.
    """

    root: Path

    @classmethod
    def of_environment(cls) -> Backend:
        """Return the backend that `PULUMI_BACKEND_URL` names, else the one in the user's home.

        Raises:
            BackendError: The URL is no `file://` URL.
        """
        url = os.environ.get("PULUMI_BACKEND_URL", "")
        if url and not url.startswith("file://"):
            raise BackendError(f"PULUMI_BACKEND_URL: {url!r}, allowed: file://<folder>")
        folder = Path(url.removeprefix("file://").split("?", 1)[0] or "~").expanduser()
        return cls(folder / ".pulumi")

    def stack_file(self, project: str, stack: str) -> Path:
        """Return where the state of a stack lies."""
        return self.root / "stacks" / project / f"{stack}.json"

    def older_state(self, project: str, stack: str) -> str:
        """Return how to go back to an older state of a stack, as an error's remedy."""
        name = self.stack_file(project, stack).name
        return f"put {name}.bak or a file of {self.root / 'backups' / project / stack} in its place"

    def stacks(self, project: str) -> list[str]:
        """Return the names of a project's stacks, sorted."""
        folder = self.root / "stacks" / project
        return sorted(path.name.removesuffix(".json") for path in folder.glob("*.json"))

    def read(self, project: str, stack: str) -> dict[str, Any]:
        """Return the checkpoint document of a stack.

        Raises:
            StackMissingError: There is none of that name.
            BackendError: Its file is damaged.
        """
        path = self.stack_file(project, stack)
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StackMissingError(f"no stack named '{stack}' found") from None
        except ValueError as fault:
            raise BackendError(
                f"state {path}: damaged ({str(fault).splitlines()[0]}), allowed: a checkpoint as JSON; "
                f"{self.older_state(project, stack)}"
            ) from fault
        if not isinstance(document, dict):
            raise BackendError(f"state {path}: a {type(document).__name__}, allowed: a checkpoint as a JSON object")
        return document

    def create(self, project: str, stack: str, document: Mapping[str, Any]) -> None:
        """Write the first checkpoint of a stack.

        Raises:
            BackendError: It exists already.
        """
        if self.stack_file(project, stack).exists():
            raise BackendError(f"stack '{stack}' already exists")
        meta = self.root / "meta.yaml"
        if not meta.exists():
            write_private(meta, "version: 1\n")
        write_private(self.stack_file(project, stack), compact(document))

    def write(self, project: str, stack: str, text: str) -> None:
        """Write a checkpoint document, as text; the one before stays as `.bak`.

        Raises:
            BackendError: It can't be written; the one before stays in its place.
        """
        path = self.stack_file(project, stack)
        backup = path.with_name(f"{path.name}.bak")
        try:
            if path.exists():
                fresh = backup.with_name(f".{backup.name}.{os.getpid()}.tmp")
                fresh.unlink(missing_ok=True)
                os.link(path, fresh)
                fresh.replace(backup)
                fresh.unlink(missing_ok=True)  # rename(2) leaves both names where they are one file already
            write_private(path, text)
        except OSError as fault:
            reason = (fault.strerror or str(fault)).lower()
            raise BackendError(
                f"state {path}: can't be written ({reason}), allowed: room for {len(text) // 1024 + 1} KiB more; "
                "the state before stays, with what was under way; make room and run the command again"
            ) from fault

    def remove(self, project: str, stack: str) -> None:
        """Forget a stack, its history too."""
        path = self.stack_file(project, stack)
        for file in (path, path.with_name(f"{path.name}.bak")):
            file.unlink(missing_ok=True)
        for name in ("history", "backups"):
            shutil.rmtree(self.root / name / project / stack, ignore_errors=True)

    def lock(self, project: str, stack: str) -> Lock:
        """Take the stack's lock.

        Raises:
            BackendError: Somebody holds it; the message says who.
        """
        folder = self._locks(project, stack)
        make_folder(folder)
        own = folder / f"{uuid.uuid4()}.json"
        self._refuse_foreign(folder, own)
        who = {
            "pid": os.getpid(),
            "username": user_name(),
            "hostname": platform.node(),
            "timestamp": rfc3339(),
        }
        write_private(own, compact(who))
        try:
            self._refuse_foreign(folder, own)
        except BackendError:
            own.unlink(missing_ok=True)
            raise
        return Lock(own)

    def cancel(self, project: str, stack: str) -> int:
        """Remove every lock of a stack and return how many there were."""
        locks = list(self._locks(project, stack).glob("*.json"))
        for lock in locks:
            lock.unlink(missing_ok=True)
        return len(locks)

    def record(self, project: str, stack: str, entry: Mapping[str, Any]) -> None:
        """Add a finished operation to the history, with the state it left, and back that state up.

        Raises:
            BackendError: There is no room for it; the state itself is saved.
        """
        state = self.stack_file(project, stack)
        if not state.exists():
            return
        stamp = f"{stack}-{time.time_ns()}"
        history = self.root / "history" / project / stack
        backup = stamp.replace(f"{stack}-", f"{stack}.", 1)
        text = state.read_text(encoding="utf-8")
        try:
            write_private(history / f"{stamp}.history.json", json.dumps(entry, indent=4))
            write_private(history / f"{stamp}.checkpoint.json", text)
            write_private(self.root / "backups" / project / stack / f"{backup}.json", text)
        except OSError as fault:
            reason = (fault.strerror or str(fault)).lower()
            raise BackendError(
                f"history {history}: can't be written ({reason}), allowed: room for one state more; "
                "the state itself is as the operation left it"
            ) from fault

    def _locks(self, project: str, stack: str) -> Path:
        return self.root / "locks" / ORGANIZATION / project / stack

    def _refuse_foreign(self, folder: Path, own: Path) -> None:
        holders = []
        for path in folder.glob("*.json"):
            if path != own:
                try:
                    who = json.loads(path.read_text(encoding="utf-8"))
                except FileNotFoundError:
                    continue
                holders.append(
                    f"created by {who['username']}@{who['hostname']} (pid {who['pid']}) at {who['timestamp']}"
                )
        if holders:
            raise BackendError(
                f"the stack is currently locked by {len(holders)} lock(s); "
                "either wait for the other process(es) to end or remove the lock with `pulumi cancel`.\n  "
                + "\n  ".join(holders)
            )


def selected_file(project_file: Path, project: str) -> Path:
    """Return where Pulumi remembers which stack of a project is selected."""
    digest = hashlib.sha1(str(project_file).encode(), usedforsecurity=False).hexdigest()
    return pulumi_home() / "workspaces" / f"{project}-{digest}-workspace.json"


def select_stack(project_file: Path, project: str, stack: str | None) -> None:
    """Remember the selected stack of a project; None forgets it."""
    content = {} if stack is None else {"stack": f"{ORGANIZATION}/{project}/{stack}"}
    write_private(selected_file(project_file, project), json.dumps(content))


def selected_stack(project_file: Path, project: str) -> str | None:
    """Return the selected stack of a project, if any."""
    path = selected_file(project_file, project)
    if not path.exists():
        return None
    stack = json.loads(path.read_text(encoding="utf-8")).get("stack") or ""
    return stack.rsplit("/", 1)[-1] or None


def user_name() -> str:
    """Return who runs this, by number where the system has no name for them."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def rfc3339() -> str:
    """Return now as the checkpoint has times."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
