"""Read a stack file's values into a `Stack`, or say everything that is wrong with it at once.

Pure: plain values in (as `pulumi.Config` hands them over, and the texts of the files that they name), models out.
Each entry is validated alone, so that a fault in one never hides a fault in another.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from plan.addresses import unique_local_prefix
from plan.faults import Fault, StackError, choices, nearest, shown, unknown_name
from plan.lines import find_lines
from plan.rules import RULES, Draft
from plan.sections import KEYS, SECTIONS, VALUES
from plan.spoken import faults_of
from plan.stack import (
    TOKEN_LENGTH,
    Secrets,
    Stack,
    keys_of,
    token_fault,
)
from plan.stack.policy import Policy
from plan.values import (
    FIRST_GENERATION,
    CloudConfig,
    is_key,
    is_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable

# What each section holds, and what its names are; a section that is not here is one value.
DEEPEST: Final = 32  # levels of mappings and lists; the models need ten
M = TypeVar("M", bound=BaseModel)


def load(
    config: Mapping[str, Any],
    *,
    project: str,
    stack: str,
    day: date,
    files: Mapping[str, str | None],
    text: str | None = None,
) -> tuple[Stack, Secrets]:
    """Return the stack and its secrets.

    Args:
        config: Values of the project's own namespace, without it: `{"network": "10.0.0.0/16", …}`.
        project: Pulumi's project name.
        stack: Pulumi's stack name.
        day: Today: what ends by a date is judged by it.
        files: Texts of the files that the stack file names, None for one that is not there.
        text: The stack file itself, where it is known: faults then name their lines.

    Raises:
        StackError: With every fault of the file.
    """
    reader = _Reader(config, files)
    try:
        return reader.read(project, stack, day)
    except StackError as error:
        raise located(error, text, config, project=project, stack=stack) from None


def located(error: StackError, text: str | None, config: Mapping[str, Any], *, project: str, stack: str) -> StackError:
    """Return the same faults with the lines of the stack file, where its text is known."""
    if text is None:
        return error
    return StackError(error.faults, file=f"Pulumi.{stack}.yaml", lines=find_lines(text, config, project=project))


class _Reader:
    """One reading of one stack file: collects faults, keeps what is sound."""

    def __init__(self, config: Mapping[str, Any], files: Mapping[str, str | None]) -> None:
        self.config: dict[str, Any] = {}
        self.files = files
        self.faults: list[Fault] = []
        for key, value in config.items():
            try:
                self.config |= {_name(key): _plain(value)} if value is not None else {}
            except RecursionError:
                self._fault(_name(key), f"more than {DEEPEST} levels", "a flat file", "remove what is nested")

    def read(self, project: str, stack: str, day: date) -> tuple[Stack, Secrets]:
        self._unknown_keys()
        prepare: dict[str, Callable[[str, Mapping[str, Any]], Mapping[str, Any]]] = {"origins": self._with_setup}
        sections: dict[str, Any] = {
            key: self._section(key, model, name, prepare.get(key)) for key, (model, name) in SECTIONS.items()
        }
        values = {key: self._single(key, kind) for key, kind in VALUES.items() if key in self.config}
        secrets = self._secrets()
        draft = Draft(
            project=project,
            stack=stack,
            day=day,
            network=values.get("network") or Stack.model_fields["network"].default,
            declared={key: tuple(self._mapping(key, self.config.get(key), silent=True)) for key in SECTIONS},
            policy=values.get("policy", Policy()),
            generations=values.get("generations", (FIRST_GENERATION,)),
            active=values.get("active"),
            psks=frozenset(secrets.psks),
            **sections,
        )
        for judge in RULES:
            self.faults += judge(draft)
        if self.faults:
            raise StackError(self.faults)
        values.setdefault("network6", unique_local_prefix(project, stack))
        # Each part is validated already: construct joins them without validating twice.
        whole = Stack.model_construct(project=project, stack=stack, day=day, psks=draft.psks, **{**sections, **values})
        return whole, secrets

    def _fault(self, where: str, found: str, allowed: str, remedy: str) -> None:
        self.faults.append(Fault(f"farshore:{where}", found, allowed, remedy))

    def _unknown_keys(self) -> None:
        for key in sorted(self.config.keys() - set(KEYS)):
            meant = nearest(key, KEYS)
            remedy = f"did you mean {meant!r}?" if meant else "remove it"
            self._fault(key, "unknown key", ", ".join(KEYS), remedy)
        for key, why in (
            ("accounts", "name one for the shields and one for the origins"),
            ("shields", "describe one"),
            ("origins", "describe one"),
        ):
            if self.config.get(key) in (None, {}):
                self._fault(key, "nothing", "at least one", why)

    def _mapping(self, where: str, value: object, *, silent: bool = False) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        if value is not None and not silent:
            self._fault(where, shown(value), "a mapping", "write `name: {…}`")
        return {}

    def _section(
        self,
        key: str,
        model: type[M],
        name: Any,
        prepare: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] | None,
    ) -> dict[str, M]:
        sound = {}
        for entry, value in self._mapping(key, self.config.get(key)).items():
            where = f"{key}.{entry}"
            try:
                TypeAdapter(name).validate_python(entry)
            except ValidationError as error:
                self.faults += faults_of(f"farshore:{where}", error, given=entry, kind=name)
            if value is not None and not isinstance(value, dict):
                self._fault(where, shown(value), "a mapping", f"write its keys: {', '.join(keys_of(model))}")
                sound[entry] = model.model_construct(**dict.fromkeys(model.model_fields))
                continue
            raw: Mapping[str, Any] = value or {}
            if prepare is not None:
                raw = prepare(where, raw)
            try:
                sound[entry] = model.model_validate(raw)
            except ValidationError as error:
                self.faults += faults_of(f"farshore:{where}", error, given=raw, kind=model)
                sound[entry] = _sound_part(model, raw, {str(one["loc"][0]) for one in error.errors() if one["loc"]})
        return sound

    def _single(self, key: str, kind: Any) -> Any:
        try:
            return TypeAdapter[Any](kind).validate_python(self.config[key])
        except ValidationError as error:
            self.faults += faults_of(f"farshore:{key}", error, given=self.config[key], kind=kind)
            # A policy that can't be read judges nobody: half of it would find breaches that nobody forbids.
            return Policy.model_construct(separate=(), allow={}, avoid={}, waivers=()) if kind is Policy else None

    def _with_setup(self, where: str, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put the text of an origin's cloud-config in the place of its file's name."""
        name = raw.get("setup")
        if name is None:
            return raw
        text = self.files.get(name) if isinstance(name, str) else None
        if text is None:
            self._fault(
                f"{where}.setup",
                shown(name),
                "the name of a file in the project's folder that can be read",
                "correct it",
            )
            return {key: value for key, value in raw.items() if key != "setup"}
        try:
            TypeAdapter(CloudConfig).validate_python(text)
        except ValidationError as error:
            allowed, _, remedy = str(error.errors()[0]["ctx"]["error"]).partition("; ")
            self._fault(f"{where}.setup", shown(name), allowed, remedy)
            return {key: value for key, value in raw.items() if key != "setup"}
        return {**raw, "setup": text}

    def _secrets(self) -> Secrets:
        raw = self.config.get("secrets", {})
        found = raw if isinstance(raw, dict) else {}
        if not isinstance(raw, dict):
            self._fault("secrets", "no mapping", "a mapping", "set it with `pulumi config set --secret --path`")
        for key in sorted(found.keys() - set(keys_of(Secrets))):
            self._fault(f"secrets.{key}", "unknown key", choices(keys_of(Secrets)), "remove it")
        tokens, psks = self._secret_part(found, "tokens"), self._secret_part(found, "psks")
        accounts = self._mapping("accounts", self.config.get("accounts"), silent=True)
        readable = isinstance(raw, dict) and isinstance(raw.get("tokens") or {}, dict)
        for account in accounts if readable else ():
            where = f"secrets.tokens.{account}"
            wrong = "nothing" if tokens.get(account) is None else token_fault(tokens[account])
            if wrong and is_name(account):  # one that is to be renamed has no place to put a token at
                self._fault(
                    where, wrong, f"an API token of {TOKEN_LENGTH} characters",
                    f"pulumi config set --secret --path 'farshore:{where}'",
                )  # fmt: skip
        devices = [
            name for key in ("operators", "gateways") for name in self._mapping(key, self.config.get(key), silent=True)
        ]
        for key, entries, known, kind in (
            ("tokens", tokens, tuple(accounts), "an account"),
            ("psks", psks, tuple(devices), "a device"),
        ):
            for name in sorted(entries.keys() - set(known)) if known or key != "tokens" else ():
                self.faults.append(unknown_name(f"farshore:secrets.{key}.{name}", name, known, kind))
        for name, psk in psks.items():
            if not isinstance(psk, str) or not is_key(psk):
                where = f"secrets.psks.{name}"
                self._fault(where, "no key", "what `wg genpsk` prints: 44 characters of base64", "set it anew")
        texts = ({name: value for name, value in part.items() if isinstance(value, str)} for part in (tokens, psks))
        return Secrets.model_validate(dict(zip(("tokens", "psks"), texts, strict=True)))

    def _secret_part(self, found: Mapping[str, Any], key: str) -> dict[str, Any]:
        part = found.get(key) or {}
        if isinstance(part, dict):
            return part
        self._fault(f"secrets.{key}", "no mapping", "a mapping by name", "set it with --path")
        return {}


def _plain(value: Any, depth: int = 1) -> Any:
    """Return a value as JSON has it: names are text, days are text, and there are lists and mappings alone.

    Raises:
        RecursionError: The value is nested more deeply than any model, or holds itself.
    """
    if depth > DEEPEST:
        raise RecursionError
    if isinstance(value, Mapping):
        return {_name(key): _plain(below, depth + 1) for key, below in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(below, depth + 1) for below in value]
    return value.isoformat() if isinstance(value, date) else value


def _name(key: object) -> str:
    """Return a key as text; a number that is too long for Python to write is no name, and is told as what it is."""
    return shown(key) if isinstance(key, int) else str(key)


def _sound_part(model: type[M], raw: Mapping[str, Any], faulty: set[str]) -> M:
    """Return what can still be judged of an entry that has faults: its faulty and missing keys are None."""
    fields = {field.alias or name: (name, field) for name, field in model.model_fields.items()}
    kept = {
        fields[key][0]: TypeAdapter[Any](fields[key][1].rebuild_annotation()).validate_python(value)
        for key, value in raw.items()
        if key in fields and key not in faulty
    }
    # What has to be there is, if only as None: pydantic may stop at a key that is no text.
    needed = [name for name, field in model.model_fields.items() if field.is_required()]
    return model.model_construct(
        **(dict.fromkeys([*needed, *(fields[key][0] for key in faulty & fields.keys())]) | kept)
    )
