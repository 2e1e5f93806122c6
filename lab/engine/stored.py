"""Property values as a checkpoint has them: JSON, with secrets encrypted one by one.

Pure but for the cipher it is given. The plain text of a secret is the compact JSON of its value; one inside another
keeps its mark there and is not encrypted a second time, so that what is read equals what was written.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final, Protocol

from lab.engine.values import (
    REFERENCE,
    SECRET,
    SIGNATURE,
    UNKNOWN,
    UNKNOWN_TEXT,
    Archive,
    Asset,
    ResourceReference,
    Secret,
    Unknown,
    Value,
    asset_fields,
    asset_from_fields,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

HIDDEN: Final = "[secret]"
"""What stands for a secret wherever a person reads."""


class Sealer(Protocol):
    """What encrypts and decrypts the texts of secrets."""

    def encrypt(self, plain: str) -> str:
        """Return the text encrypted."""

    def decrypt(self, text: str) -> str:
        """Return what was encrypted."""


class Stored:
    """Turn values into a checkpoint's JSON and back; equal secrets are encrypted once.

    Args:
        sealer: Encrypts and decrypts the texts of secrets.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._sealed: dict[str, str] = {}

    def dump(self, value: Value) -> Any:
        """Return the JSON form of a value."""
        if isinstance(value, Secret):
            plain = compact(INSIDE.dump(value.value))
            if plain not in self._sealed:
                self._sealed[plain] = self._sealer.encrypt(plain)
            return {SIGNATURE: SECRET, "ciphertext": self._sealed[plain]}
        if isinstance(value, dict):
            return {key: self.dump(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.dump(item) for item in value]
        return _dump_leaf(value)

    def load(self, stored: Any) -> Value:
        """Return the value that a JSON form stands for.

        Raises:
            ValueError: A mark that no checkpoint has.
        """
        if isinstance(stored, list):
            return [self.load(item) for item in stored]
        if not isinstance(stored, dict):
            return UNKNOWN if stored == UNKNOWN_TEXT else _number(stored)
        mark = stored.get(SIGNATURE)
        if mark is None:
            return {key: self.load(item) for key, item in stored.items()}
        if mark == SECRET:
            return self._load_secret(stored)
        if mark == REFERENCE:
            return ResourceReference(stored["urn"], stored.get("id"), stored.get("packageVersion") or "")
        nested = stored.get("assets")
        fields = dict(stored)
        if isinstance(nested, dict):
            fields["assets"] = {key: self.load(item) for key, item in nested.items()}
        return asset_from_fields(mark, fields)

    def _load_secret(self, stored: Mapping[str, Any]) -> Secret:
        if "plaintext" in stored:
            return Secret.of(INSIDE.load(json.loads(stored["plaintext"])))
        ciphertext = stored["ciphertext"]
        plain = self._sealer.decrypt(ciphertext)
        self._sealed.setdefault(plain, ciphertext)
        return Secret.of(INSIDE.load(json.loads(plain)))


class Bare:
    """What stands in for a cipher inside a secret, which is encrypted as a whole."""

    def encrypt(self, plain: str) -> str:
        """Return the text as it is."""
        return plain

    def decrypt(self, text: str) -> str:
        """Return the text as it is."""
        return text


INSIDE: Final = Stored(Bare())


def compact(value: Any) -> str:
    """Return JSON without any space, as a checkpoint and a secret's plain text have it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def dump_plain(value: Value) -> Any:
    """Return the JSON form of a value with its secrets bare."""
    if isinstance(value, Secret):
        return dump_plain(value.value)
    if isinstance(value, dict):
        return {key: dump_plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [dump_plain(item) for item in value]
    return _dump_leaf(value)


def dump_hidden(value: Value) -> Any:
    """Return the JSON form of a value with each secret as the text `[secret]`."""
    if isinstance(value, Secret):
        return HIDDEN
    if isinstance(value, dict):
        return {key: dump_hidden(item) for key, item in value.items()}
    if isinstance(value, list):
        return [dump_hidden(item) for item in value]
    return _dump_leaf(value)


def hide_stored(stored: Any) -> Any:
    """Return stored JSON with each secret as the text `[secret]`, without opening any."""
    if isinstance(stored, list):
        return [hide_stored(item) for item in stored]
    if isinstance(stored, dict):
        if stored.get(SIGNATURE) == SECRET:
            return HIDDEN
        return {key: hide_stored(item) for key, item in stored.items()}
    return stored


def reveal_stored(stored: Any, sealer: Sealer) -> Any:
    """Return stored JSON whose secrets have `plaintext` in place of `ciphertext`."""
    if isinstance(stored, list):
        return [reveal_stored(item, sealer) for item in stored]
    if isinstance(stored, dict):
        if stored.get(SIGNATURE) == SECRET and "ciphertext" in stored:
            return {SIGNATURE: SECRET, "plaintext": sealer.decrypt(stored["ciphertext"])}
        return {key: reveal_stored(item, sealer) for key, item in stored.items()}
    return stored


def conceal_stored(stored: Any, sealer: Sealer) -> Any:
    """Return stored JSON whose secrets have `ciphertext` in place of `plaintext`: an import."""
    if isinstance(stored, list):
        return [conceal_stored(item, sealer) for item in stored]
    if isinstance(stored, dict):
        if stored.get(SIGNATURE) == SECRET and "plaintext" in stored:
            return {SIGNATURE: SECRET, "ciphertext": sealer.encrypt(stored["plaintext"])}
        return {key: conceal_stored(item, sealer) for key, item in stored.items()}
    return stored


def has_stored_secret(stored: Any) -> bool:
    """Tell whether stored JSON holds a secret, which takes the passphrase to open."""
    if isinstance(stored, list):
        return any(has_stored_secret(item) for item in stored)
    if isinstance(stored, dict):
        return stored.get(SIGNATURE) == SECRET or any(has_stored_secret(item) for item in stored.values())
    return False


def _dump_leaf(value: Value) -> Any:
    if isinstance(value, Unknown):
        return UNKNOWN_TEXT
    if isinstance(value, ResourceReference):
        fields: dict[str, Any] = {SIGNATURE: REFERENCE, "urn": value.urn}
        if value.id is not None:
            fields["id"] = value.id or UNKNOWN_TEXT
        fields["packageVersion"] = value.package_version
        return fields
    if isinstance(value, Asset | Archive):
        return asset_fields(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"property value: {value}, allowed: finite numbers")
    return value


def _number(stored: Any) -> Any:
    return whole(stored) if isinstance(stored, float) else stored
