"""SSH keys: what counts as one, what must be unique, and what becomes of it."""

from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING

import pytest

from lab.cloud.ssh_keys import fingerprint
from tests.cloud.driver import KEY_1, KEY_2, Client, server_body

if TYPE_CHECKING:
    from pathlib import Path


def test_a_key_is_shown_as_it_was_given(a: Client) -> None:
    """Name, key, labels and fingerprint come back, from the list as well."""
    made = a.post("/ssh_keys", {"name": "ops", "public_key": KEY_1, "labels": {"env": "one"}})["ssh_key"]
    assert made == {
        "id": made["id"],
        "name": "ops",
        "fingerprint": fingerprint(KEY_1),
        "public_key": KEY_1,
        "labels": {"env": "one"},
        "created": "1970-01-01T00:00:00Z",
    }
    assert a.get("/ssh_keys")["ssh_keys"] == [made]
    assert a.get(f"/ssh_keys?fingerprint={made['fingerprint']}")["ssh_keys"] == [made]
    assert a.get("/ssh_keys?fingerprint=00")["ssh_keys"] == []


@pytest.mark.lab
def test_the_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    """OpenSSH's own program names the same MD5."""
    file = tmp_path / "key.pub"
    file.write_text(KEY_2 + "\n")
    said = subprocess.run(["ssh-keygen", "-l", "-E", "md5", "-f", file], capture_output=True, text=True, check=True)
    assert said.stdout.split()[1] == f"MD5:{fingerprint(KEY_2)}"


def test_name_and_key_are_unique_in_a_project(a: Client, b: Client) -> None:
    """A comment makes no other key; another project is free to have it."""
    a.key("ops", KEY_1)
    assert a.refused("POST", "/ssh_keys", {"name": "ops", "public_key": KEY_2}) == (409, "uniqueness_error")
    same = {"name": "other", "public_key": KEY_1.rpartition(" ")[0] + " someone@example.org"}
    reply = a.call("POST", "/ssh_keys", same)
    assert reply.body == {
        "error": {
            "code": "uniqueness_error",
            "message": "SSH key with the same fingerprint already exists",
            "details": {"fields": [{"name": "public_key"}]},
        }
    }
    b.key("ops", KEY_1)
    a.key("other", KEY_2)


@pytest.mark.parametrize(
    "public_key",
    [
        "",
        "ssh-ed25519",
        KEY_1.replace("ssh-ed25519", "ssh-dss"),
        KEY_1.replace("ssh-ed25519", "ssh-rsa"),
        "ssh-ed25519 not*base64",
        "ssh-ed25519 " + base64.b64encode(b"\x00\x00\x00\x0bssh-ed2551").decode(),
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbg==",
    ],
)
def test_what_is_no_public_key_is_refused(a: Client, public_key: str) -> None:
    """The refusal names the field and does not repeat what was given."""
    assert a.wrong_fields("POST", "/ssh_keys", {"name": "k", "public_key": public_key}) == ["public_key"]
    assert a.get("/ssh_keys")["ssh_keys"] == []


def test_a_key_can_be_renamed_but_not_onto_another(a: Client) -> None:
    """Its own name is free to itself; a refused update changes nothing."""
    one, two = a.key("one", KEY_1), a.key("two", KEY_2)
    assert a.put(f"/ssh_keys/{one}", {"name": "one", "labels": {"x": "y"}})["ssh_key"]["labels"] == {"x": "y"}
    assert a.refused("PUT", f"/ssh_keys/{two}", {"name": "one", "labels": {}}) == (409, "uniqueness_error")
    assert a.wrong_fields("PUT", f"/ssh_keys/{one}", {"name": "new", "labels": {"-": ""}}) == ["labels"]
    assert [key["name"] for key in a.get("/ssh_keys")["ssh_keys"]] == ["one", "two"]
    assert a.put(f"/ssh_keys/{one}", {})["ssh_key"]["labels"] == {"x": "y"}


def test_a_deleted_key_stays_on_the_servers_born_with_it(a: Client) -> None:
    """The API forgets it; the wish keeps it; its name and key are free again."""
    key = a.key()
    a.server(ssh_keys=[key])
    assert a.call("DELETE", f"/ssh_keys/{key}").status == 204
    assert a.refused("GET", f"/ssh_keys/{key}") == (404, "not_found")
    assert [wish.public_keys for wish in a.cloud.wishes()] == [(KEY_1,)]
    assert a.key() != key


def test_a_server_takes_keys_by_name_and_by_id(a: Client) -> None:
    """In the order given; an unknown one refuses the server."""
    one = a.key("one", KEY_1)
    a.key("two", KEY_2)
    a.server(ssh_keys=["two", one])
    assert a.cloud.wishes()[0].public_keys == (KEY_2, KEY_1)
    for unknown in ("three", one + 100):
        assert a.refused("POST", "/servers", server_body("x", ssh_keys=[unknown])) == (404, "not_found")
