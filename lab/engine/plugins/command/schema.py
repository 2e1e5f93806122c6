"""What the resources of the command package take, and the check that follows from it.

Pure. One table per type: name, allowed Python types, required, secret, and whether a change replaces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lab.engine.plugins.command.output import SHOWN
from lab.engine.plugins.contract import Checked, Failure
from lab.engine.values import Archive, Asset, Secret, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.values import Properties, Value

REFUSED: Final = ("assetPaths", "archivePaths")
"""Inputs of the real plugin that this one does not take."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input.

    Args:
        types: Python types that its plain value may have.
        required: Missing is a failure.
        secret: Kept secret whatever the program said.
        members: Inputs of a map, or None for a map of anything.
        default: Value when it is missing, or None.
        choices: The only allowed values, or None.
        elements: Type of a list's or map's elements, or None for anything.
    """

    types: tuple[type, ...]
    required: bool = False
    secret: bool = False
    members: Mapping[str, Input] | None = None
    default: Value = None
    choices: tuple[str, ...] | None = None
    elements: type | None = None


TEXT: Final = Input(types=(str,))
SWITCH: Final = Input(types=(bool,))
ANYTHING: Final = Input(types=(list,))
LOGGING: Final = Input(types=(str,), choices=tuple(name for name in SHOWN if name is not None))
VARIABLES: Final = Input(types=(dict,), elements=str)

_HOP: Final[dict[str, Input]] = {
    "host": Input(types=(str,), required=True),
    "user": Input(types=(str,), default="root"),
    "port": Input(types=(int, float), default=22),
    "password": Input(types=(str,), secret=True),
    "privateKey": Input(types=(str,), secret=True),
    "privateKeyPassword": Input(types=(str,), secret=True),
    "agentSocketPath": TEXT,
    "dialErrorLimit": Input(types=(int,), default=10),
    "perDialTimeout": Input(types=(int,), default=15),
    "hostKey": TEXT,
}
CONNECTION: Final = Input(
    types=(dict,),
    required=True,
    secret=True,
    members={**_HOP, "proxy": Input(types=(dict,), members=_HOP)},
)
_SCRIPTS: Final[dict[str, Input]] = {
    "create": TEXT,
    "update": TEXT,
    "delete": TEXT,
    "triggers": ANYTHING,
    "stdin": TEXT,
    "logging": LOGGING,
    "environment": VARIABLES,
    "addPreviousOutputInEnv": SWITCH,
}
INPUTS: Final[dict[str, dict[str, Input]]] = {
    "command:local:Command": {
        **_SCRIPTS,
        "dir": TEXT,
        "interpreter": Input(types=(list,), elements=str),
    },
    "command:remote:Command": {**_SCRIPTS, "connection": CONNECTION},
    "command:remote:CopyToRemote": {
        "connection": CONNECTION,
        "triggers": ANYTHING,
        "source": Input(types=(Asset, Archive), required=True),
        "remotePath": Input(types=(str,), required=True),
    },
}


def check_inputs(kind: str, news: Properties) -> Checked:
    """Return the inputs of a resource type with defaults and secrets, or every fault found.

    Args:
        kind: Type token; one of `INPUTS`.
        news: Inputs as the program gave them.
    """
    failures: list[Failure] = []
    inputs = _members("", INPUTS[kind], _without_internal(news), failures)
    return Checked(inputs, tuple(failures))


def _without_internal(news: Properties) -> Properties:
    return {key: value for key, value in news.items() if not key.startswith("__") and key != "version"}


def _members(where: str, allowed: Mapping[str, Input], given: Properties, failures: list[Failure]) -> Properties:
    result: Properties = {}
    for key in given:
        if key in REFUSED:
            reason = f"{key}: not supported by the lab's command plugin; use Pulumi's own, or read files by stdout"
            failures.append(Failure(f"{where}{key}", reason))
        elif key not in allowed:
            reason = f"{where}{key}: no such input, allowed: {', '.join(sorted(allowed))}"
            failures.append(Failure(f"{where}{key}", reason))
    for key, rule in allowed.items():
        value = given.get(key, rule.default)
        if value is None:
            if rule.required:
                failures.append(Failure(f"{where}{key}", f"{where}{key}: missing, required; give it a value"))
            continue
        result[key] = _value(f"{where}{key}", rule, value, failures)
    return result


def _value(where: str, rule: Input, given: Value, failures: list[Failure]) -> Value:
    value: Value = given
    if isinstance(value, Secret):
        return Secret.of(_value(where, rule, value.value, failures))
    if isinstance(value, Unknown):
        return value
    fits = isinstance(value, rule.types) and (bool in rule.types or not isinstance(value, bool))
    if not fits:
        allowed = " or ".join(kind.__name__ for kind in rule.types)
        failures.append(Failure(where, f"{where}: a {type(value).__name__}, allowed: {allowed}"))
        return value
    if rule.choices is not None and value not in rule.choices:
        failures.append(Failure(where, f"{where}: {value!r}, allowed: {', '.join(rule.choices)}"))
    if rule.elements is not None:
        items = value.values() if isinstance(value, dict) else value
        if not all(_is_element(item, rule.elements) for item in items):
            failures.append(Failure(where, f"{where}: an element is no {rule.elements.__name__}, allowed: all"))
    if rule.members is not None:
        value = _members(f"{where}.", rule.members, value, failures)
    return Secret.of(value) if rule.secret else value


def _is_element(item: Value, kind: type) -> bool:
    plain = item.value if isinstance(item, Secret) else item
    return isinstance(plain, (kind, Unknown))
