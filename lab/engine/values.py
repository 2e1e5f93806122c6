"""Property values: what flows between a program, the engine and the plugins.

Pure: no I/O. One value has three forms, of which this module has the first, and the marks that the others share:

* *plain Python*, used everywhere inside the engine: None, bool, int, float, str, list, dict with string keys,
  and the frozen classes `Secret`, `Unknown` (its one instance is `UNKNOWN`), `ResourceReference`, `Asset`
  and `Archive`;
* *wire*, a protobuf `Struct`: `lab.engine.structs`;
* *stored*, the JSON of a checkpoint: `lab.engine.stored`.

Values are never changed in place: whoever needs another one builds it.

A number is an int where it is whole (protobuf knows floats only) and a bool never equals a number, so compare
with `equal`, not with `==`. A secret that holds a secret is one secret: `Secret.of`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Value: TypeAlias = Any
"""A property value in its plain Python form, as the head of this module lists them."""

Properties: TypeAlias = dict[str, Any]
"""Named property values: the inputs or outputs of a resource."""

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
"""Key that marks a map on the wire, or in a checkpoint, as something else than a map."""

SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker of the protocol
REFERENCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"
UNKNOWN_TEXT: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How an unknown value is written, on the wire and in a checkpoint."""

WHOLE_LIMIT: Final = 2**53
"""Whole floats below this are exact, and read as ints."""


@dataclass(frozen=True)
class Secret:
    """A value that must not be shown; equal only to a secret of an equal value.

    Args:
        value: What is secret; never itself a `Secret` (use `Secret.of` where it could be).
    """

    value: Value

    @classmethod
    def of(cls, value: Value) -> Secret:
        """Return `value` as one secret, however many wrappers it had."""
        return value if isinstance(value, cls) else cls(value)

    def __repr__(self) -> str:
        """Show nothing of the value."""
        return "Secret([secret])"


@dataclass(frozen=True)
class Unknown:
    """A value that a preview can't know; there is one instance, `UNKNOWN`."""

    def __repr__(self) -> str:
        """Name the one instance."""
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class ResourceReference:
    """A resource as a value.

    Args:
        urn: The resource's URN.
        id: Its id, "" while that is unknown, None for a component.
        package_version: Version of the package that defines it, or "".
    """

    urn: str
    id: str | None = None
    package_version: str = ""


@dataclass(frozen=True)
class Asset:
    """A blob: exactly one of text, path and uri is set; `hash` is its sha256 in hex, or ""."""

    text: str | None = None
    path: str | None = None
    uri: str | None = None
    hash: str = ""


@dataclass(frozen=True)
class Archive:
    """Many blobs: exactly one of assets, path and uri is set; `hash` as in `Asset`."""

    assets: Mapping[str, Asset | Archive] | None = None
    path: str | None = None
    uri: str | None = None
    hash: str = field(default="")


def whole(number: float) -> int | float:
    """Return `number` as an int where that loses nothing."""
    if isinstance(number, float) and number.is_integer() and abs(number) < WHOLE_LIMIT:
        return int(number)
    return number


def equal(one: Value, other: Value) -> bool:
    """Tell whether two values are the same; a bool equals only a bool, a secret only a secret."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Secret) and isinstance(other, Secret):
        return equal(one.value, other.value)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, Asset | Archive) and isinstance(other, Asset | Archive) and one.hash and other.hash:
        return type(one) is type(other) and one.hash == other.hash
    return bool(one == other)


def unwrap(value: Value) -> Value:
    """Return the value without any secret wrapper, at any depth."""
    if isinstance(value, Secret):
        return unwrap(value.value)
    if isinstance(value, dict):
        return {key: unwrap(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unwrap(item) for item in value]
    return value


def has_secret(value: Value) -> bool:
    """Tell whether the value is or holds a secret."""
    return _any(value, lambda item: isinstance(item, Secret))


def has_unknown(value: Value) -> bool:
    """Tell whether the value is or holds an unknown, inside secrets too."""
    return _any(value, lambda item: isinstance(item, Unknown))


def _any(value: Value, wanted: Callable[[Value], bool]) -> bool:
    if wanted(value):
        return True
    if isinstance(value, Secret):
        return _any(value.value, wanted)
    if isinstance(value, dict):
        return any(_any(item, wanted) for item in value.values())
    if isinstance(value, list):
        return any(_any(item, wanted) for item in value)
    return False


def secret_texts(value: Value, *, inside: bool = False) -> set[str]:
    """Return every string that stands inside a secret: what a message must not show."""
    if isinstance(value, Secret):
        return secret_texts(value.value, inside=True)
    if isinstance(value, dict):
        return {text for item in value.values() for text in secret_texts(item, inside=inside)}
    if isinstance(value, list):
        return {text for item in value for text in secret_texts(item, inside=inside)}
    if inside and isinstance(value, str):
        return {value}
    return set()


def mark_secrets_like(value: Value, model: Value) -> Value:
    """Make secret in `value` what is secret in `model`: answers of a plugin that knows no secrets.

    Two maps are walked key by key; otherwise the whole value becomes secret if the model holds any secret.
    """
    if isinstance(value, Secret):
        return value
    if isinstance(value, dict) and isinstance(model, dict):
        return {key: mark_secrets_like(item, model[key]) if key in model else item for key, item in value.items()}
    return Secret(value) if has_secret(model) else value


def asset_fields(asset: Asset | Archive) -> dict[str, Any]:
    """Return an asset or archive as the map that the wire and the checkpoint share."""
    fields: dict[str, Any] = {SIGNATURE: ASSET if isinstance(asset, Asset) else ARCHIVE, "hash": asset.hash}
    if isinstance(asset, Asset) and asset.text is not None:
        fields["text"] = asset.text
    if isinstance(asset, Archive) and asset.assets is not None:
        fields["assets"] = {name: asset_fields(item) for name, item in asset.assets.items()}
    if asset.path is not None:
        fields["path"] = asset.path
    if asset.uri is not None:
        fields["uri"] = asset.uri
    return fields


def asset_from_fields(mark: str, fields: Mapping[str, Any]) -> Asset | Archive:
    """Return the asset or archive that a marked map describes; its nested assets may be converted already.

    Raises:
        ValueError: The mark is none that the protocol has.
    """
    if mark == ASSET:
        return Asset(fields.get("text"), fields.get("path"), fields.get("uri"), fields.get("hash") or "")
    if mark == ARCHIVE:
        nested = fields.get("assets")
        return Archive(nested, fields.get("path"), fields.get("uri"), fields.get("hash") or "")
    raise ValueError(f"property value: mark {mark!r}, allowed: secret, reference, output, asset, archive")
