"""The command package on other machines: over SSH to servers that the tests run on loopback.

plugin ──ssh──► host                       one hop, host key pinned or not
plugin ──ssh──► gate ──ssh──► host         by a proxy, each with its own key
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest
from asyncssh.channel import SSHServerChannel
from asyncssh.packet import SSHPacket

from lab.engine.values import UNKNOWN, Archive, Asset, Secret
from tests.engine_plugins.driver import Driven, FailedError, Listener, Made, listening, running_plugin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from lab.engine.values import Properties

pytestmark = pytest.mark.lab
COMMAND = "command:remote:Command"
COPY = "command:remote:CopyToRemote"
OWN_KEY = asyncssh.generate_private_key("ssh-ed25519")
STRANGER = asyncssh.generate_private_key("ssh-ed25519")


def text(key: asyncssh.SSHKey) -> str:
    """Return a private key as its owner stores it."""
    return key.export_private_key().decode()


def public(key: asyncssh.SSHKey) -> str:
    """Return a public key as `host_key` takes it."""
    return key.export_public_key().decode().strip()


@dataclass
class Host:
    """One SSH server: what it takes, and what it was asked for."""

    root: Path
    accept_env: frozenset[str] = frozenset()
    key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    port: int = 0
    dials: int = 0
    tunnels: list[tuple[str, int]] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    stdin: list[str] = field(default_factory=list)
    environment: list[dict[str, str]] = field(default_factory=list)


class _Server(asyncssh.SSHServer):
    def __init__(self, host: Host) -> None:
        self._host = host

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        del conn
        self._host.dials += 1

    def begin_auth(self, username: str) -> bool:
        del username
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "root" and key == OWN_KEY.convert_to_public()

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        del orig_host, orig_port
        self._host.tunnels.append((dest_host, dest_port))
        return True


async def _process(host: Host, process: asyncssh.SSHServerProcess[str]) -> None:
    """Run what was asked in a shell, with what came on standard input."""
    host.ran.append(process.command or "")
    variables = {name: value for name, value in process.env.items() if name in host.accept_env}
    host.environment.append(variables)
    given = await process.stdin.read()
    host.stdin.append(given)
    child = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        process.command or "true",
        cwd=host.root,
        env={"PATH": "/usr/bin:/bin", **variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await child.communicate(given.encode())
    process.stdout.write(out.decode())
    process.stderr.write(err.decode())
    process.exit(child.returncode or 0)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop for the SSH servers beside the tests."""
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever, daemon=True)
    thread.start()
    yield running
    running.call_soon_threadsafe(running.stop)
    thread.join(timeout=10)
    running.close()


@contextmanager
def serving(loop: asyncio.AbstractEventLoop, host: Host) -> Iterator[Host]:
    """Serve one host; variables that it does not accept are refused."""

    async def start() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            lambda: _Server(host),
            "127.0.0.1",
            0,
            server_host_keys=[host.key],
            process_factory=lambda process: _process(host, process),
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(host.root).encode()),
        )

    def run(work: Callable[[], Awaitable[Any]]) -> Any:
        async def wrapped() -> Any:
            return await work()

        return asyncio.run_coroutine_threadsafe(wrapped(), loop).result(timeout=30)

    acceptor = run(start)
    host.port = acceptor.get_port()
    try:
        yield host
    finally:

        async def stop() -> None:
            acceptor.close()
            await acceptor.wait_closed()

        run(stop)


@pytest.fixture
def host(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> Iterator[Host]:
    """Serve one host."""
    with serving(loop, Host(tmp_path)) as served:
        yield served


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    """Hear what the plugin says."""
    with listening() as heard:
        yield heard


@pytest.fixture(scope="module")
def plugin(listener: Listener) -> Iterator[Driven]:
    """Run one plugin for all tests of this file."""
    with running_plugin("command", listener.address) as driven:
        driven.configure({})
        yield driven


def connection(host: Host, **more: object) -> Properties:
    """Return a connection with the host's key pinned."""
    found: Properties = {
        "host": "127.0.0.1",
        "port": host.port,
        "user": "root",
        "privateKey": Secret(text(OWN_KEY)),
        "hostKey": public(host.key),
        "dialErrorLimit": 0,
        "perDialTimeout": 15,
    }
    return {**found, **more}


def inputs(plugin: Driven, kind: str, news: Properties) -> Properties:
    """Return inputs as an engine passes them on: checked."""
    checked, failures = plugin.check(kind, news)
    assert failures == []
    return checked


def test_a_script_runs_with_its_standard_input_and_both_streams_are_kept(plugin: Driven, host: Host) -> None:
    """What goes in on stdin is not on the command line; what comes out is in the state."""
    news = {"connection": connection(host), "create": "cat; echo oops >&2", "stdin": Secret("the bundle\n")}
    made = plugin.create(COMMAND, inputs(plugin, COMMAND, news))
    assert (made.outputs["stdout"], made.outputs["stderr"]) == ("the bundle", "oops")
    assert host.ran == ["cat; echo oops >&2"]
    assert host.stdin == ["the bundle\n"]
    assert made.outputs["stdin"] == Secret("the bundle\n")


def test_the_connection_is_secret_as_a_whole_and_has_its_defaults(plugin: Driven) -> None:
    """Check fills in user, port and limits, and hides every part of the connection."""
    checked = inputs(plugin, COMMAND, {"connection": {"host": "192.0.2.1", "proxy": {"host": "192.0.2.2"}}})
    hop = {"user": "root", "port": 22, "dialErrorLimit": 10, "perDialTimeout": 15}
    proxy = {"host": "192.0.2.2", **hop}
    assert checked == {"connection": Secret({"host": "192.0.2.1", **hop, "proxy": proxy})}


def test_a_connection_without_a_host_is_refused(plugin: Driven) -> None:
    """The fault names the place of what is missing."""
    _, failures = plugin.check(COMMAND, {"connection": {"user": "root"}, "create": "true"})
    assert failures == [("connection.host", "connection.host: missing, required; give it a value")]
    _, failures = plugin.check(COMMAND, {"create": "true"})
    assert [name for name, _ in failures] == ["connection"]


def test_a_preview_dials_nobody(plugin: Driven, host: Host) -> None:
    """A preview knows the id, and no result."""
    news = inputs(plugin, COMMAND, {"connection": connection(host), "create": "true"})
    made = plugin.create(COMMAND, news, preview=True)
    assert (made.outputs["stdout"], made.id[:2], host.dials) == (UNKNOWN, "it", 0)


def test_a_wrong_host_key_is_refused_before_anything_is_sent(plugin: Driven, host: Host) -> None:
    """The pinned key is the only one: another is refused, as often as dials may fail, and no script runs."""
    wrong = connection(host, hostKey=public(STRANGER), dialErrorLimit=2)
    news = inputs(plugin, COMMAND, {"connection": wrong, "create": "true", "stdin": "secret"})
    with pytest.raises(FailedError) as caught:
        plugin.create(COMMAND, news)
    assert caught.value.text == "after 2 failed attempts: ssh: handshake failed: ssh: host key mismatch"
    assert host.dials == 3
    assert host.ran == []


def test_without_a_pinned_key_any_host_is_believed(plugin: Driven, host: Host) -> None:
    """The negative twin: so does Pulumi's own plugin, which is why `host_key` belongs in every connection."""
    loose = {key: value for key, value in connection(host).items() if key != "hostKey"}
    made = plugin.create(COMMAND, inputs(plugin, COMMAND, {"connection": loose, "create": "echo hi"}))
    assert made.outputs["stdout"] == "hi"


def test_failed_dials_are_shown_and_counted(plugin: Driven, listener: Listener, host: Host) -> None:
    """A refused connection is tried again; each failure is a passing line, the last one the error."""
    listener.lines.clear()
    gone = connection(host, port=1, dialErrorLimit=2)
    with pytest.raises(FailedError) as caught:
        plugin.create(COMMAND, inputs(plugin, COMMAND, {"connection": gone, "create": "true"}))
    assert caught.value.text == ("after 2 failed attempts: dial tcp 127.0.0.1:1: connect: connection refused")
    assert [line.text for line in listener.lines] == ["Dial 1/2 failed: retrying", "Dial 2/2 failed: retrying"]
    assert all(line.ephemeral for line in listener.lines)


def test_a_key_that_the_host_does_not_know_is_no_way_in(plugin: Driven, host: Host) -> None:
    """The error says what failed and holds nothing of the key."""
    foreign = connection(host, privateKey=Secret(text(STRANGER)))
    with pytest.raises(FailedError) as caught:
        plugin.create(COMMAND, inputs(plugin, COMMAND, {"connection": foreign, "create": "true"}))
    assert "unable to authenticate" in caught.value.text
    assert "PRIVATE KEY" not in caught.value.text


def test_a_broken_key_is_told_without_its_text(plugin: Driven, host: Host) -> None:
    """What can't be parsed must not be repeated in the error."""
    broken = connection(host, privateKey=Secret("-----BEGIN OPENSSH PRIVATE KEY-----\nhush\n"))
    with pytest.raises(FailedError) as caught:
        plugin.create(COMMAND, inputs(plugin, COMMAND, {"connection": broken, "create": "true"}))
    assert caught.value.text.startswith("failed to parse private key")
    assert "hush" not in caught.value.text


def test_a_failing_script_tells_status_script_and_output(plugin: Driven, host: Host) -> None:
    """The text is the original's, even where logging is off."""
    news = {"connection": connection(host), "create": "echo said; exit 3", "logging": "none"}
    with pytest.raises(FailedError) as caught:
        plugin.create(COMMAND, inputs(plugin, COMMAND, news))
    assert caught.value.text == 'Process exited with status 3: running "echo said; exit 3":\nsaid\n'
    assert caught.value.partial is None


def refuse_other_variables(monkeypatch: pytest.MonkeyPatch, accepted: bytes) -> None:
    """Make the tests' servers answer as sshd does: a variable outside AcceptEnv is refused."""
    accept = SSHServerChannel._process_env_request

    def judge(self: Any, packet: SSHPacket) -> bool:
        name = SSHPacket(packet.get_full_payload()[packet._idx :]).get_string()
        return accept(self, packet) if name == accepted else False

    monkeypatch.setattr(SSHServerChannel, "_process_env_request", judge)


def test_variables_are_set_before_the_script_runs(
    plugin: Driven, loop: asyncio.AbstractEventLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server accepts reaches the script, secret or not."""
    refuse_other_variables(monkeypatch, b"GREETING")
    with serving(loop, Host(tmp_path, accept_env=frozenset({"GREETING"}))) as taking:
        news = {
            "connection": connection(taking),
            "create": "echo $GREETING",
            "environment": {"GREETING": Secret("hello")},
        }
        made = plugin.create(COMMAND, inputs(plugin, COMMAND, news))
    assert made.outputs["stdout"] == "hello"


def test_a_refused_variable_stops_the_script_but_a_refused_last_output_only_warns(
    plugin: Driven,
    listener: Listener,
    loop: asyncio.AbstractEventLoop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`environment` must arrive or nothing runs; the last run's output is offered and may be left."""
    refuse_other_variables(monkeypatch, b"NONE")
    with serving(loop, Host(tmp_path)) as refusing:
        news = {"connection": connection(refusing), "create": "echo ran", "logging": "none"}
        made = plugin.create(COMMAND, inputs(plugin, COMMAND, news))
        listener.lines.clear()
        plugin.update(COMMAND, made, inputs(plugin, COMMAND, {**news, "stdin": "x"}))
        assert [(line.severity, "PULUMI_COMMAND_STDOUT" in line.text) for line in listener.lines] == [("WARNING", True)]
        demanding = inputs(plugin, COMMAND, {**news, "environment": {"TOKEN": Secret("hush")}})
        with pytest.raises(FailedError) as caught:
            plugin.create(COMMAND, demanding)
        assert caught.value.text == 'could not set environment variable "TOKEN": ssh: setenv failed'
        assert refusing.ran == ["echo ran", "echo ran"]


def test_a_proxy_is_a_hop_of_its_own(
    plugin: Driven, host: Host, loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    """The gate is dialled first, with its own key; it sees a tunnel to the host and runs nothing."""
    with serving(loop, Host(tmp_path)) as gate:
        way = connection(host, proxy=connection(gate))
        made = plugin.create(COMMAND, inputs(plugin, COMMAND, {"connection": way, "create": "echo through"}))
        assert made.outputs["stdout"] == "through"
        assert (gate.tunnels, gate.ran) == ([("127.0.0.1", host.port)], [])
        assert host.dials == 1


def test_each_hop_is_checked(plugin: Driven, host: Host, loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    """A gate, or a host behind it, with another key than the pinned one ends the attempt."""
    with serving(loop, Host(tmp_path)) as gate:
        false_gate = connection(host, proxy=connection(gate, hostKey=public(STRANGER)))
        false_host = connection(host, hostKey=public(STRANGER), proxy=connection(gate))
        for way in (false_gate, false_host):
            with pytest.raises(FailedError) as caught:
                plugin.create(COMMAND, inputs(plugin, COMMAND, {"connection": way, "create": "true"}))
            assert caught.value.text.startswith("proxy: after 0 failed attempts: ssh: handshake failed")
        assert host.ran == []


def test_update_runs_update_and_delete_uses_the_state(plugin: Driven, host: Host, tmp_path: Path) -> None:
    """The same rules as on this machine, over SSH."""
    news = {
        "connection": connection(host),
        "create": "echo 1",
        "update": "echo 2",
        "delete": "touch gone",
        "addPreviousOutputInEnv": False,
    }
    made = plugin.create(COMMAND, inputs(plugin, COMMAND, news))
    second = plugin.update(COMMAND, made, inputs(plugin, COMMAND, {**news, "stdin": "x"}))
    assert second.outputs["stdout"] == "2"
    plugin.delete(COMMAND, second)
    assert host.ran == ["echo 1", "echo 2", "touch gone"]
    assert (tmp_path / "gone").exists()


def test_every_change_of_the_connection_is_a_change_of_the_whole(plugin: Driven, host: Host) -> None:
    """The connection is one secret: a rotated key shows as an update of all of it, never as a replacement."""
    news = inputs(plugin, COMMAND, {"connection": connection(host), "create": "true", "triggers": ["1"]})
    made = plugin.create(COMMAND, news)
    other = {**news, "connection": Secret({**news["connection"].value, "dialErrorLimit": 1})}
    assert plugin.diff(COMMAND, made, other).detailed == {"connection": "update"}
    assert plugin.diff(COMMAND, made, {**news, "triggers": ["2"]}).detailed == {"triggers[0]": "update"}
    assert not plugin.diff(COMMAND, made, news).changes


def test_a_text_lands_where_it_is_sent(plugin: Driven, host: Host, tmp_path: Path) -> None:
    """Folders on the way are made; a new text is copied again, another connection alone is not."""
    news = {"connection": connection(host), "source": Asset(text="one\n", hash="1"), "remotePath": "/a/b/file"}
    made = plugin.create(COPY, inputs(plugin, COPY, news))
    assert (tmp_path / "a/b/file").read_text() == "one\n"
    dials = host.dials
    looser = inputs(plugin, COPY, {**news, "connection": connection(host, dialErrorLimit=5)})
    same = plugin.update(COPY, made, looser)
    assert host.dials == dials
    plugin.update(COPY, same, inputs(plugin, COPY, {**news, "source": Asset(text="two\n", hash="2")}))
    assert (tmp_path / "a/b/file").read_text() == "two\n"


def test_a_folder_is_copied_with_its_members(plugin: Driven, host: Host, tmp_path: Path) -> None:
    """A final slash means the members; without one the folder itself lands in the target."""
    source = tmp_path / "here" / "tree"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "leaf").write_bytes(b"\x00leaf")
    for path, target, found in ((f"{source}/", "/members", "deep/leaf"), (str(source), "/folder", "tree/deep/leaf")):
        news = {"connection": connection(host), "source": Archive(path=path), "remotePath": target}
        plugin.create(COPY, inputs(plugin, COPY, news))
        assert (tmp_path / target.strip("/") / found).read_bytes() == b"\x00leaf"


def test_a_text_needs_the_name_of_a_file(plugin: Driven, host: Host, tmp_path: Path) -> None:
    """A text has no name of its own, so a folder as its target is refused."""
    (tmp_path / "there").mkdir()
    news = {"connection": connection(host), "source": Asset(text="x"), "remotePath": "/there"}
    with pytest.raises(FailedError, match="remotePath must be a file path"):
        plugin.create(COPY, inputs(plugin, COPY, news))


def test_deleting_a_copy_leaves_it(plugin: Driven, host: Host, tmp_path: Path) -> None:
    """The package has no way to remove what it copied."""
    news = {"connection": connection(host), "source": Asset(text="x"), "remotePath": "/kept"}
    made = plugin.create(COPY, inputs(plugin, COPY, news))
    plugin.delete(COPY, Made(made.id, made.inputs, made.outputs))
    assert (tmp_path / "kept").exists()
