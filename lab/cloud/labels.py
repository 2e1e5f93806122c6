"""Labels: what a project may call them, and the selectors that choose by them.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#labels and #label-selector.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lab.cloud.reply import ApiError, invalid_input

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_CHARS_MAX = 63
PREFIX_CHARS_MAX = 253
RESERVED_PREFIX = "hetzner.cloud"

_NAME = r"[A-Za-z0-9](?:[-_.A-Za-z0-9]*[A-Za-z0-9])?"
_DNS = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"
_KEY = rf"(?:{_DNS}/)?{_NAME}"
_VALUE = rf"(?:{_NAME})?"
_EQUALITY = re.compile(rf"(?P<key>{_KEY})\s*(?P<sign>==|=|!=)\s*(?P<value>{_VALUE})")
_PRESENCE = re.compile(rf"(?P<sign>!?)\s*(?P<key>{_KEY})")
_MEMBERSHIP = re.compile(rf"(?P<key>{_KEY})\s+(?P<sign>in|notin)\s*\((?P<values>[^()]*)\)")
_TERM_ENDS = re.compile(r",(?![^(]*\))")  # a comma outside parentheses


@dataclass(frozen=True, kw_only=True)
class Term:
    """One condition of a selector.

    Args:
        key: The label's key.
        values: The values it is compared with; None asks for the key alone.
        wanted: False turns the condition round. A missing key then fulfils it.
    """

    key: str
    values: frozenset[str] | None
    wanted: bool

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels fulfil the condition."""
        found = self.key in labels and (self.values is None or labels[self.key] in self.values)
        return found == self.wanted


Selector = tuple[Term, ...]


def parse_selector(text: str) -> Selector:
    """Return the conditions of a selector, all of which must hold.

    Raises:
        ApiError: `invalid_input` naming `label_selector`.
    """
    return tuple(_parse_term(term.strip()) for term in _TERM_ENDS.split(text))


def selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Tell whether labels fulfil every condition of a selector."""
    return all(term.holds(labels) for term in selector)


def check_labels(labels: Mapping[str, Any]) -> None:
    """Refuse labels that Hetzner would refuse.

    Raises:
        ApiError: `invalid_input` naming `labels`.
    """
    faults = [("labels", fault) for key, value in labels.items() for fault in _label_faults(key, value)]
    if faults:
        raise invalid_input(*faults)


def _label_faults(key: str, value: object) -> list[str]:
    faults: list[str] = []
    prefix, slash, name = key.rpartition("/")
    if not re.fullmatch(_KEY, key) or len(name) > NAME_CHARS_MAX or len(prefix) > PREFIX_CHARS_MAX:
        faults.append(f"key {key!r} is invalid")
    elif slash and (prefix == RESERVED_PREFIX or prefix.endswith(f".{RESERVED_PREFIX}")):
        faults.append(f"key {key!r} has a reserved prefix")
    if not isinstance(value, str) or not re.fullmatch(_VALUE, value) or len(value) > NAME_CHARS_MAX:
        faults.append(f"value of {key!r} is invalid")
    return faults


def _parse_term(term: str) -> Term:
    if match := _EQUALITY.fullmatch(term):
        return Term(key=match["key"], values=frozenset({match["value"]}), wanted=match["sign"] != "!=")
    if match := _MEMBERSHIP.fullmatch(term):
        values = [value.strip() for value in match["values"].split(",")]
        if all(re.fullmatch(_NAME, value) for value in values):
            sign: Literal["in", "notin"] = "in" if match["sign"] == "in" else "notin"
            return Term(key=match["key"], values=frozenset(values), wanted=sign == "in")
    if match := _PRESENCE.fullmatch(term):
        return Term(key=match["key"], values=None, wanted=not match["sign"])
    raise _selector_error(term)


def _selector_error(term: str) -> ApiError:
    return invalid_input(("label_selector", f"cannot be read at {term!r}"))
