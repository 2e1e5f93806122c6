"""Pulumi's passphrase encryption: PBKDF2-HMAC-SHA256 and AES-256-GCM.

A text is `v1:<base64 nonce>:<base64 ciphertext and tag>`. A salt is `v1:<base64 of 8 bytes>:<the word pulumi,
encrypted>`, which proves the passphrase. The key takes a while, so it is derived once per salt and run.
"""

from __future__ import annotations

import base64
import hashlib
import os
from functools import lru_cache
from typing import Final

ROUNDS: Final = 1_000_000
SALT_BYTES: Final = 8
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32
PROOF: Final = "pulumi"
VERSION: Final = "v1"


class PassphraseError(Exception):
    """A passphrase that is missing or wrong, or a text that it can't open."""


class WrongPassphraseError(PassphraseError):
    """A passphrase that is not the stack's own."""


class Cipher:
    """Encrypt and decrypt with the key of one passphrase and one salt.

    Args:
        passphrase: Any string, the empty one too.
        salt: The whole `encryptionsalt`.

    Raises:
        PassphraseError: The salt is of another form.
        WrongPassphraseError: The passphrase does not open the salt's proof.
    """

    def __init__(self, passphrase: str, salt: str) -> None:
        version, _, rest = salt.partition(":")
        raw, _, proof = rest.partition(":")
        if version != VERSION or not proof:
            raise PassphraseError("encryptionsalt: of an unknown form, allowed: v1:<salt>:<proof>")
        self.salt = salt
        self._key = _key(passphrase, base64.b64decode(raw))
        try:
            proven = self.decrypt(proof) == PROOF
        except PassphraseError:
            proven = False
        if not proven:
            raise WrongPassphraseError("incorrect passphrase")

    def encrypt(self, plain: str) -> str:
        """Return the text encrypted under a fresh nonce."""
        return _seal(self._key, plain)

    def decrypt(self, text: str) -> str:
        """Return what was encrypted.

        Raises:
            PassphraseError: The text is damaged, or belongs to another key.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        version, _, rest = text.partition(":")
        nonce, _, sealed = rest.partition(":")
        if version != VERSION or not sealed:
            raise PassphraseError("encrypted text: of an unknown form, allowed: v1:<nonce>:<ciphertext>")
        try:
            opened = AESGCM(self._key).decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None)
        except (InvalidTag, ValueError) as fault:
            raise PassphraseError("encrypted text: damaged, or of another passphrase") from fault
        return opened.decode()


def new_salt(passphrase: str) -> str:
    """Return a fresh `encryptionsalt` that proves the passphrase."""
    raw = os.urandom(SALT_BYTES)
    proof = _seal(_key(passphrase, raw), PROOF)
    return f"{VERSION}:{base64.b64encode(raw).decode()}:{proof}"


def _seal(key: bytes, plain: str) -> str:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plain.encode(), None)
    return f"{VERSION}:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"


@lru_cache(maxsize=8)
def _key(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ROUNDS, KEY_BYTES)
