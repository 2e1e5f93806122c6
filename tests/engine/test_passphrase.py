"""Secrets are encrypted as Pulumi encrypts them, and open for the right passphrase only."""

from __future__ import annotations

import json

import pytest

from lab.engine.passphrase import Cipher, PassphraseError, new_salt
from lab.engine.stored import Stored, compact, conceal_stored, hide_stored, reveal_stored
from lab.engine.values import SECRET, SIGNATURE, UNKNOWN, ResourceReference, Secret, equal

# Made with the primitives of `cryptography`, salt and nonces counting up from 0.
SALT = "v1:AAECAwQFBgc=:v1:AAECAwQFBgcICQoL:fftueXaQ+/2KgwCjok1GattDSJFzyQ=="
SEALED = "v1:DA0ODxAREhMUFRYX:9OkK8NaKd9yTNBQUvSNVGSgJFiE716aVAF743bFb/5PY"
PASSPHRASE = "pässword"


def test_a_text_that_somebody_else_encrypted_opens() -> None:
    """Salt, rounds, key length, nonce and tag are Pulumi's."""
    assert Cipher(PASSPHRASE, SALT).decrypt(SEALED) == '{"k":"geheim ü"}'


@pytest.mark.parametrize("wrong", ["password", "", "pässword "])
def test_a_wrong_passphrase_is_refused(wrong: str) -> None:
    """The proof in the salt tells at once, before any secret is touched."""
    with pytest.raises(PassphraseError, match=r"^incorrect passphrase$"):
        Cipher(wrong, SALT)


@pytest.mark.parametrize("passphrase", ["", "correct horse", "ключ"])
def test_a_fresh_salt_proves_its_passphrase(passphrase: str) -> None:
    """The empty passphrase is one too."""
    cipher = Cipher(passphrase, new_salt(passphrase))
    assert cipher.decrypt(cipher.encrypt("x\ny")) == "x\ny"


def test_a_changed_ciphertext_does_not_open() -> None:
    """The tag vouches for every byte."""
    with pytest.raises(PassphraseError, match="damaged, or of another passphrase"):
        Cipher(PASSPHRASE, SALT).decrypt(SEALED.replace("9OkK", "9OkL"))


@pytest.mark.parametrize("salt", ["", "v2:a:b", "v1:AAECAwQFBgc="])
def test_a_salt_of_another_form_is_refused(salt: str) -> None:
    """A future version must not be taken for this one."""
    with pytest.raises(PassphraseError, match=r"allowed: v1:<salt>:<proof>"):
        Cipher(PASSPHRASE, salt)


def test_stored_secrets_hold_compact_json_and_mark_those_inside() -> None:
    """What is encrypted is the compact JSON of the whole value, once; read again it equals what was written."""
    cipher = Cipher(PASSPHRASE, SALT)
    value = {"a": Secret({"k": [Secret("x"), 1, None]}), "b": "open"}
    stored = Stored(cipher).dump(value)
    assert stored["b"] == "open"
    assert stored["a"][SIGNATURE] == SECRET
    inside = f'{{"{SIGNATURE}":"{SECRET}","ciphertext":"\\"x\\""}}'
    assert cipher.decrypt(stored["a"]["ciphertext"]) == f'{{"k":[{inside},1,null]}}'
    assert equal(Stored(cipher).load(stored), value)
    assert equal(Stored(cipher).load(reveal_stored(stored, cipher)), value)


def test_stored_values_come_back() -> None:
    """Secrets, unknowns and references survive a checkpoint."""
    value = {"s": Secret([1.5, True]), "u": UNKNOWN, "r": ResourceReference("urn:x", "7"), "n": {"m": None}}
    codec = Stored(Cipher(PASSPHRASE, SALT))
    assert codec.load(json.loads(compact(codec.dump(value)))) == value


def test_a_secret_that_did_not_change_keeps_its_ciphertext() -> None:
    """Saving is not a reason for another text: a diff of two states shows what changed."""
    codec = Stored(Cipher(PASSPHRASE, SALT))
    first = codec.dump(Secret("x"))
    assert Stored.dump(codec, codec.load(first)) == first


def test_an_export_reveals_and_an_import_conceals() -> None:
    """The two are each other's way back; hiding shows nothing and opens nothing."""
    cipher = Cipher(PASSPHRASE, SALT)
    codec = Stored(cipher)
    stored = codec.dump({"a": [Secret("x")]})
    shown = reveal_stored(stored, cipher)
    assert shown == {"a": [{SIGNATURE: SECRET, "plaintext": '"x"'}]}
    assert codec.load(conceal_stored(shown, cipher)) == {"a": [Secret("x")]}
    assert hide_stored(stored) == {"a": ["[secret]"]}
