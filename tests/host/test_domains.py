"""A domain has an answer or it has none: asked of an edge, by a new connection, as a visitor would."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloud_init.bundle import render_domains
from cloud_init.host import domains
from cloud_init.host.commands import Deadline
from cloud_init.host.domains import Domain, ask_domain, domains_of
from cloud_init.host.places import DOMAINS
from tests.stacks import planned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PLAIN, SEALED = Domain("www.example.com", tls=False), Domain("secure.example.com", tls=True)


@contextmanager
def edge(monkeypatch: pytest.MonkeyPatch, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """Have something listen where a host's edge does, and answer each connection."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line:
                answer(line)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(domains, "_HTTP", listener.getsockname())
        monkeypatch.setattr(domains, "_HTTPS", listener.getsockname())
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=30)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of nobody's that has ended, with its key, in one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    then = datetime.now(UTC) - timedelta(days=9)
    builder = x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key(), serial_number=1)
    made = builder.not_valid_before(then).not_valid_after(then + timedelta(days=1)).sign(key, hashes.SHA256())
    path = tmp_path_factory.mktemp("certificate") / "nobody.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_a_shields_list_is_read_as_it_is_written() -> None:
    """Each domain of the stack file with the way in which it is asked; a shield without any has an empty list."""
    (shield,) = planned().shields
    assert domains_of({DOMAINS: (0o644, render_domains(shield.sites))}) == [SEALED, PLAIN]
    assert domains_of({DOMAINS: (0o644, render_domains(()))}) == []


@pytest.mark.lab
@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", ""),
        (b"HTTP/1.0 500 Oh\r\n\r\n", ""),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "nobody to send it to"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "bad answer"),
        (b"HTTP/1.1 504 Gateway Time-out\r\n\r\n", "no answer in time"),
        (b"", "no answer: closed"),
        (b"220 mail.example.com ESMTP\r\n", "no answer in HTTP"),
    ],
)
def test_what_the_origin_says_counts_and_what_the_edge_says_does_not(
    monkeypatch: pytest.MonkeyPatch, said: bytes, fault: str
) -> None:
    """A page that is not there is an answer of the origin's; that nobody is behind it is the edge's word."""
    asked: list[bytes] = []

    def answer(line: socket.socket) -> None:
        asked.append(line.recv(4096))
        line.sendall(said)

    with edge(monkeypatch, answer):
        assert ask_domain(PLAIN, Deadline(30)) == fault
    assert asked[0].startswith(b"HEAD / HTTP/1.1\r\nHost: www.example.com\r\n")


@pytest.mark.lab
def test_a_handshake_is_an_answer_whoever_the_certificate_names(
    monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    """A certificate that ended years ago is the visitors' to judge; an alert is an answer; a closed line is none."""
    context, names = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), list[str | None]()
    context.load_cert_chain(certificate)
    context.set_servername_callback(lambda _, name, __: names.append(name))
    refusing = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    refusing.load_cert_chain(certificate)
    refusing.set_servername_callback(lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)

    def shake(with_context: ssl.SSLContext) -> Callable[[socket.socket], None]:
        def answer(line: socket.socket) -> None:
            try:
                with_context.wrap_socket(line, server_side=True).close()
            except OSError:
                return

        return answer

    with edge(monkeypatch, shake(context)):
        assert ask_domain(SEALED, Deadline(30)) == ""
    assert names == ["secure.example.com"]
    with edge(monkeypatch, shake(refusing)):
        assert ask_domain(SEALED, Deadline(30)) == ""
    with edge(monkeypatch, lambda line: line.shutdown(socket.SHUT_RDWR)):
        assert ask_domain(SEALED, Deadline(30)).startswith("no answer: ")


@pytest.mark.lab
def test_nobody_is_waited_for_longer_than_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An edge that takes a connection and says nothing, one that is not there, and a deadline that is over."""
    done = threading.Event()

    def silent(_: socket.socket) -> None:
        done.wait(30)

    begun = time.monotonic()
    with edge(monkeypatch, silent):
        assert ask_domain(PLAIN, Deadline(0.3)) == "no answer in time"
        assert ask_domain(PLAIN, Deadline(0.0)) == "not asked in time"
        done.set()
    assert ask_domain(PLAIN, Deadline(30)) == "no answer: Connection refused"
    assert time.monotonic() - begun < 30
