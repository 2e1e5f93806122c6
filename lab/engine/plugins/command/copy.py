"""Copy an asset or an archive to another machine, over SFTP.

What lands where depends on what is there already, as in the original:

| source | target is a directory | target is missing | target is a file |
|---|---|---|---|
| file | `<target>/<file>` | `<target>` | overwritten |
| directory | `<target>/<directory>` | `<target>/<directory>` | an error |
| directory with a final `/` | its members in `<target>` | the same | an error |
| text | an error | `<target>` | overwritten |
| map of assets | its members in `<target>` | the same | an error |
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import asyncssh

from lab.engine.plugins.command.connect import connected
from lab.engine.plugins.contract import PluginError
from lab.engine.values import Archive, Asset

if TYPE_CHECKING:
    from lab.engine.plugins.contract import Target
    from lab.engine.values import Properties


def copy_to_remote(target: Target, inputs: Properties) -> None:
    """Copy `source` to `remotePath` on the host of `connection`.

    Args:
        target: Whose copy it is.
        inputs: Plain inputs, without secrets' wrappers.

    Raises:
        PluginError: No connection, an unreadable source, or a target that can't take it.
    """
    asyncio.run(_copy(target, inputs))


async def _copy(target: Target, inputs: Properties) -> None:
    source, path = inputs["source"], PurePosixPath(inputs["remotePath"])
    async with (
        connected(target, inputs["connection"]) as connection,
        connection.start_sftp_client() as sftp,
    ):
        try:
            await _copy_any(sftp, source, path)
        except asyncssh.SFTPError as failure:
            raise PluginError(f"copy to {path}: {failure.reason}; look at its owner and its folder") from failure
        except OSError as failure:
            raise PluginError(f"copy from {failure.filename}: {failure.strerror}; name a readable file") from failure


async def _copy_any(sftp: asyncssh.SFTPClient, source: Asset | Archive, path: PurePosixPath) -> None:
    if isinstance(source, Asset) and source.text is not None:
        if await sftp.isdir(str(path)):
            raise PluginError(
                f"remote path {path} is a directory; when using a text asset, remotePath must be a file path"
            )
        await _write(sftp, path, source.text.encode())
    elif isinstance(source, Archive) and source.assets is not None:
        await _make_folder(sftp, path)
        await _copy_members(sftp, source, path)
    elif source.path is not None:
        await _copy_path(sftp, source.path, path)
    else:
        raise PluginError("source: neither text nor path, allowed: both, or a map of them; fetch a URI beforehand")


async def _copy_members(sftp: asyncssh.SFTPClient, archive: Archive, path: PurePosixPath) -> None:
    for name, member in sorted((archive.assets or {}).items()):
        if isinstance(member, Archive):
            await _copy_members(sftp, member, path / name)
        elif member.text is not None:
            await _write(sftp, path / name, member.text.encode())
        elif member.path is not None:
            await _write(sftp, path / name, await asyncio.to_thread(Path(member.path).read_bytes))
        else:
            raise PluginError(f"source: {name!r} has neither text nor path; fetch a URI beforehand")


async def _copy_path(sftp: asyncssh.SFTPClient, local: str, path: PurePosixPath) -> None:
    source = Path(local)
    if not await asyncio.to_thread(source.is_dir):
        goal = path / source.name if await sftp.isdir(str(path)) else path
        await _write(sftp, goal, await asyncio.to_thread(source.read_bytes))
        return
    goal = path if local.endswith("/") else path / source.name
    await _make_folder(sftp, goal)
    for folder, _, names in os.walk(source):
        inside = goal / Path(folder).relative_to(source).as_posix()
        await _make_folder(sftp, inside)
        for name in names:
            await _write(sftp, inside / name, await asyncio.to_thread((Path(folder) / name).read_bytes))


async def _make_folder(sftp: asyncssh.SFTPClient, path: PurePosixPath) -> None:
    if await sftp.exists(str(path)) and not await sftp.isdir(str(path)):
        raise PluginError(f"remote path {path} exists but is not a directory")
    await sftp.makedirs(str(path), exist_ok=True)


async def _write(sftp: asyncssh.SFTPClient, path: PurePosixPath, data: bytes) -> None:
    await sftp.makedirs(str(path.parent), exist_ok=True)
    async with sftp.open(str(path), "wb") as file:
        await file.write(data)
