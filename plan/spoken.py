"""Pydantic's errors in this program's own words: one fault for each place, none of the library's phrases.

Pure. Which branch of a union was meant follows from what stands there: its errors are told, the others' are not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from plan.faults import MOST_CHARACTERS, Fault, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import ValidationError

# Kind of pydantic's error -> what is allowed, and the remedy.
SPOKEN: Final[dict[str, tuple[str, str]]] = {
    "model_type": ("a mapping", "write its keys"),
    "dict_type": ("a mapping", "write `name: …`"),
    "tuple_type": ("a list", "write [one, two]"),
    "string_type": ("text", "write one"),
    "string_unicode": ("text", "remove what is no character"),
    "bool_type": ("true or false", "write one of them"),
    "bool_parsing": ("true or false", "write one of them"),
}
_OTHERWISE: Final = ("another kind of value", "look it up in docs/reference.md")
_WRITTEN_AS_NAME: Final = "[key]"  # pydantic's mark of an error about a mapping's key
_SHORT: Final = re.compile(r"[\w./-]{1,40}")
_WORD: Final = re.compile("'([^']*)'")
_HIDDEN: Final = "public_key"  # a private one may stand there by mistake


@dataclass(frozen=True)
class _Told:
    """One error, with the place of the outermost union that it was found in."""

    place: tuple[str, ...]
    union: tuple[str, ...] | None
    fault: Fault
    short: bool = False


def faults_of(where: str, error: ValidationError, *, given: Any, kind: Any) -> list[Fault]:
    """Return pydantic's errors as faults.

    Args:
        where: Key of what was validated.
        error: As pydantic raised it.
        given: What was validated.
        kind: Its annotation: the keys that it allows are told where one is unknown.
    """
    told = [_told(where, dict(one), given, kind) for one in error.errors(include_url=False)]
    return [*_joined([one for one in told if _is_meant(one, told)])]


def _is_meant(one: _Told, others: Sequence[_Told]) -> bool:
    """Tell whether an error is of the branch that was meant: of the one that reached further in, where one did.

    A list whose entries are faulty is not too short beside.
    """
    if one.short and any(other.place[: len(one.place)] == one.place != other.place for other in others):
        return False
    if one.union is None or len(one.place) > len(one.union):
        return True
    return not any(other.union == one.union and len(other.place) > len(one.union) for other in others)


def _joined(told: Sequence[_Told]) -> Iterator[Fault]:
    """Yield one fault for each place: what its branches allow, in one sentence."""
    places: dict[tuple[str, str], list[Fault]] = defaultdict(list)
    for one in told:
        places[one.fault.where, one.fault.found].append(one.fault)
    for (where, found), faults in places.items():
        said = [fault.allowed for fault in faults]
        words = [word for one in said for word in _WORD.findall(one)]
        listed = all(one.startswith("'") for one in said)
        allowed = _quoted(words) if listed else " or ".join(dict.fromkeys(said))
        yield Fault(where, found, allowed, faults[0].remedy)


def keys_at(kind: Any, path: Sequence[str]) -> tuple[str, ...]:
    """Return the keys that are allowed at a place below an annotation, in the order of their declaration."""
    kinds = [*_alternatives(kind)]
    for part in path:
        kinds = [below for one in kinds for below in _below(one, part)]
    return tuple(key for one in kinds if _is_model(one) for key in fields_of(one))


def fields_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the annotations of a model's keys, by the names that the stack file has for them."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _below(kind: Any, part: str) -> Iterator[Any]:
    if _is_model(kind):
        yield from _alternatives(fields_of(kind).get(part))
    elif get_origin(kind) is dict:
        yield from _alternatives(get_args(kind)[1])
    elif get_origin(kind) is tuple:
        yield from _alternatives(get_args(kind)[0])


def _alternatives(kind: Any) -> Iterator[Any]:
    """Yield the branches of an annotation, each without what validates it."""
    if get_origin(kind) is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif get_origin(kind) in {Union, UnionType}:
        for one in get_args(kind):
            yield from _alternatives(one)
    elif get_origin(kind) is not Literal:
        yield kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _told(where: str, one: dict[str, Any], given: Any, kind: Any) -> _Told:
    """Return one of pydantic's errors, at the place where a reader finds it."""
    place, union = _place(one["loc"], given, missing=one["type"] == "missing")
    at = ".".join((where, *place))
    value, name = one["input"], one["type"]
    found = _hidden(value) if place[-1:] == (_HIDDEN,) else shown(value)
    if name == "extra_forbidden":
        keys = keys_at(kind, place[:-1])
        meant = nearest(place[-1], keys)
        remedy = f"did you mean {meant!r}?" if meant else "remove it"
        return _Told(place, union, Fault(at, "unknown key", ", ".join(keys), remedy))
    if name == "missing":
        return _Told(place, union, Fault(at, "missing", "a value", f"add `{place[-1]}: …`"))
    if name == "value_error":
        allowed, _, remedy = str(one["ctx"]["error"]).partition("; ")
    elif name == "literal_error":
        known = one["ctx"]["expected"].split("'")[1::2]
        allowed, remedy = _quoted(known), _choice(value, known)
    elif name == "too_short":
        found = f"{len(value)} of them" if value else found
        allowed, remedy = f"at least {one['ctx']['min_length']}", "add what is missing"
    else:
        allowed, said = SPOKEN.get(name, _OTHERWISE)
        remedy = _remedy(name, value, keys_at(kind, place)) or said
    if value is None:
        remedy = "write one, or remove the key"
    return _Told(place, union, Fault(at, found, allowed, remedy), short=name == "too_short")


def _remedy(name: str, value: Any, keys: Sequence[str]) -> str:
    """Return what helps with a value of another type, where more can be said than for all of them."""
    scalar = isinstance(value, (str, int, float)) and len(shown(value)) <= MOST_CHARACTERS
    if name == "model_type" and keys:
        return f"write its keys: {', '.join(keys)}"
    if name == "tuple_type" and scalar and _SHORT.fullmatch(shown(value).strip("'")):
        return f"write [{value}]"
    return "put it in quotes" if name == "string_type" and scalar else ""


def _quoted(words: Sequence[str]) -> str:
    """Return words in quotes, as a sentence has them."""
    *rest, last = [f"'{word}'" for word in words]
    return f"{', '.join(rest)} or {last}" if rest else last


def _choice(value: Any, known: Sequence[str]) -> str:
    """Return the remedy for a word that is not among those that are known."""
    meant = nearest(value, known) if isinstance(value, str) else ""
    if meant:
        return f"did you mean {meant!r}?"
    return "choose one of them" if len(known) > 1 else "write that, or remove the key"


def _place(loc: Sequence[Any], given: Any, *, missing: bool) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Return the keys on the way to an error, and those to the first union on it."""
    place: list[str] = []
    union: tuple[str, ...] | None = None
    for number, part in enumerate(loc):
        last = number == len(loc) - 1
        if (isinstance(given, dict) and part in given) or (
            isinstance(given, list) and isinstance(part, int) and part < len(given)
        ):
            given = given[part]
        elif not (missing and last):
            if part != _WRITTEN_AS_NAME and union is None:
                union = tuple(place)
            continue
        place.append(str(part))
    return tuple(place), union


def _hidden(value: Any) -> str:
    return f"text of {len(value)} characters" if isinstance(value, str) else "no text"
