"""The stack file's reference, made from the models: a page for people, a JSON schema for editors.

`python -m tools.reference` writes both anew; a test keeps them current.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, TypeAdapter

from plan.sections import SECTIONS, VALUES
from plan.stack import Secrets, Stack
from tools.workspace import ROOT

PAGE: Final = Path("docs/reference.md")
SCHEMA: Final = Path("docs/stack.schema.json")
PROJECT: Final = "farshore"
Json = dict[str, Any]

_HEAD: Final = """\
# The stack file

Every key of `Pulumi.<stack>.yaml`, made from the models in `plan/stack/` by `make golden`. An editor that knows
[yaml-language-server](https://github.com/redhat-developer/yaml-language-server) completes and checks it with this first
line:

```yaml
# yaml-language-server: $schema=docs/stack.schema.json
```

Names of hosts, LANs and devices are lower-case letters, digits and dashes, a letter first, at most 32. Each means one
thing: `from` and `reach` use them all.
"""


def make_schema() -> Json:
    """Return the JSON schema of a stack file."""
    definitions: Json = {}
    properties: Json = {}
    for key, meaning in _top().items():
        schema = _type_of(key).json_schema(by_alias=True, ref_template="#/$defs/{model}")
        for name, definition in schema.pop("$defs", {}).items():
            definitions[name] = definition
        properties[f"{PROJECT}:{key}"] = {**schema, "description": meaning}
    secret = {"description": "Encrypted by `pulumi config set --secret --path`.", "type": "object"}
    properties[f"{PROJECT}:secrets"] = secret
    for model in models():
        _describe(definitions.setdefault(model.__name__, {}), model)
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Farshore stack file",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": dict(sorted(properties.items())),
                "patternProperties": {f"^(?!{PROJECT}:)": {}},
                "additionalProperties": False,
            }
        },
        "$defs": dict(sorted((name, one) for name, one in definitions.items() if one.get("properties"))),
    }
    cleaned: Json = _clean(whole)
    return cleaned


def make_page() -> str:
    """Return the reference page in Markdown."""
    schema = make_schema()
    lines = [_HEAD, "## Top level", "", "| key | type | default | meaning |", "|---|---|---|---|"]
    for key, meaning in _top().items():
        field = Stack.model_fields[key]
        default = "derived" if key == "network6" else "required" if field.is_required() else _default(field)
        kind = schema["properties"]["config"]["properties"][f"{PROJECT}:{key}"]
        lines.append(f"| `{PROJECT}:{key}` | {_link(key) or _kind(kind)} | {default} | {meaning} |")
    lines.append(f"| `{PROJECT}:secrets` | [Secrets](#secrets) | required | {_opening(Secrets)} |")
    for model in models():
        definition = schema["$defs"].get(model.__name__) or _clean(_described(model))
        lines += ["", f"## {model.__name__}", "", _opening(model), ""]
        lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        required = definition.get("required", ())
        for key, said in definition["properties"].items():
            shown = "required" if key in required else _shown(said.get("default"))
            lines.append(f"| `{key}` | {_kind(said)} | {shown} | {said.get('description', '')} |")
    return "\n".join(lines) + "\n"


def models() -> tuple[type[BaseModel], ...]:
    """Return every model of the stack file, each after the one that first names it."""
    found: dict[type[BaseModel], None] = {}

    def walk(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            if annotation in found:
                return
            found[annotation] = None
            for field in annotation.model_fields.values():
                walk(field.annotation)
        for part in get_args(annotation):
            walk(part)

    for model, _ in SECTIONS.values():
        walk(model)
    for kind in VALUES.values():
        walk(kind)
    walk(Secrets)
    return tuple(found)


def arguments(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a model and of those that it extends say of each key."""
    said: dict[str, str] = {}
    for one in reversed(model.__mro__):
        text = (one.__dict__.get("__doc__") or "").partition("Args:")[2]
        for name, meaning in re.findall(r"^ {8}(\w+): (.+(?:\n {12}.+)*)", text, re.MULTILINE):
            said[name] = " ".join(meaning.split())
    return said


def write(root: Path = ROOT) -> None:
    """Write page and schema anew."""
    (root / PAGE).write_text(make_page(), encoding="utf-8")
    (root / SCHEMA).write_text(json.dumps(make_schema(), indent=2) + "\n", encoding="utf-8")


def _top() -> dict[str, str]:
    """Return the top-level keys but the secrets, and what each means."""
    said = arguments(Stack)
    return {key: said[key] for key in (*VALUES, *SECTIONS)}


def _link(key: str) -> str:
    """Return a link to the model of a key that holds one, and nothing for the rest."""
    kind = VALUES.get(key)
    return f"[{kind.__name__}](#{kind.__name__.lower()})" if isinstance(kind, type) and kind in models() else ""


def _type_of(key: str) -> TypeAdapter[Any]:
    if key in VALUES:
        return TypeAdapter(VALUES[key])
    model, name = SECTIONS[key]
    made: Any = dict.__class_getitem__((name, model))
    return TypeAdapter(made)


def _described(model: type[BaseModel]) -> Json:
    schema = TypeAdapter(model).json_schema(by_alias=True)
    _describe(schema, model)
    return schema


def _describe(definition: Json, model: type[BaseModel]) -> None:
    if "properties" not in definition:
        return
    definition["description"] = _opening(model)
    said = arguments(model)
    for name, field in model.model_fields.items():
        meaning = said.get(name, "")
        prefix = f"In the stack file `{field.alias}`: "
        definition["properties"][field.alias or name]["description"] = meaning.removeprefix(prefix)


def _opening(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").partition("\n\n")[0].split())


def _clean(value: Any) -> Any:
    """Return a schema without pydantic's titles, and `null` where leaving a key out is meant."""
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: _clean(one)
        for key, one in value.items()
        if key != "title" or not isinstance(one, str) or "Farshore" in one
    }
    choices = kept.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        rest = [one for one in choices if one != {"type": "null"}]
        kept.pop("anyOf")
        kept |= rest[0] if len(rest) == 1 else {"anyOf": rest}
        if kept.get("default", 0) is None:
            kept.pop("default")
    return kept


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_defaults=True)
    return _shown(value)


def _shown(value: Any) -> str:
    if value is None or value in ({}, [], ()):
        return ""
    if isinstance(value, dict):
        value = {key: one for key, one in value.items() if one is not None and one not in ([], {})}
        if not value:
            return ""
    if isinstance(value, (list, tuple)):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{json.dumps(value) if isinstance(value, (bool, dict)) else value}`"


def _kind(schema: Json) -> str:
    """Return a type in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type")
    if kind == "array":
        parts = schema.get("prefixItems")
        return f"pair of {_kind(parts[0])}" if parts else f"list of {_kind(schema['items'])}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        if not isinstance(inner, dict):
            inner = next(iter(schema.get("patternProperties", {}).values()), {})
        return f"{_kind(inner)} by name" if inner else "mapping"
    if kind == "integer":
        return f"{schema['minimum']} to {schema['maximum']}" if "minimum" in schema else "whole number"
    words = {"ipv4network": "IPv4 network", "ipv6network": "IPv6 network", "ipv4": "IPv4 address"}
    words |= {"ipv6": "IPv6 address", "date": "date"}
    return {"boolean": "true or false", "string": words.get(schema.get("format", ""), "text")}.get(str(kind), str(kind))


if __name__ == "__main__":
    write()
