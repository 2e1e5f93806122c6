"""The reference is what the models say, and the schema takes what the program takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from tests.plan.test_topologies import whole
from tests.stacks import changed
from tools.reference import PAGE, SCHEMA, arguments, make_page, make_schema, models

if TYPE_CHECKING:
    from pydantic import BaseModel

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("path", "made"), [(PAGE, make_page()), (SCHEMA, json.dumps(make_schema(), indent=2) + "\n")])
def test_it_is_current(path: Path, made: str) -> None:
    """Whoever changes a model runs `make golden`."""
    assert (ROOT / path).read_text(encoding="utf-8") == made


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_key_has_a_meaning(model: type[BaseModel]) -> None:
    """A key without a word in its model's docstring would be a riddle; so would a word for a key that is not there."""
    fields = model.model_fields
    told = arguments(model)
    documented = set(fields) <= set(told) or "`" in (model.__doc__ or "").partition("\n\n")[0]
    assert documented, f"{model.__name__}: {sorted(set(fields) - set(told))}"
    assert set(told) <= set(fields)


def refused(config: dict[str, Any]) -> list[str]:
    """Return where the schema finds fault with a stack file's values."""
    whole = {"config": {f"farshore:{key}": value for key, value in config.items()}}
    errors = jsonschema.Draft202012Validator(make_schema()).iter_errors(whole)
    return sorted(".".join(map(str, error.absolute_path)) for error in errors)


def test_the_schema_takes_what_the_program_takes() -> None:
    """The stack files of this repository, and one that has everything."""
    assert refused(whole()) == []
    for name in ("Pulumi.lab.yaml", "Pulumi.prod.yaml"):
        said = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
        assert list(jsonschema.Draft202012Validator(make_schema()).iter_errors(said)) == []


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"origins__press__slot": "two"}, "config.farshore:origins.press.slot"),
        ({"origins__press__slots": 2}, "config.farshore:origins.press"),
        ({"shields__falkenstein__slot": 256}, "config.farshore:shields.falkenstein.slot"),
        ({"networks": "10.0.0.0/16"}, "config"),
        ({"domains__x": {"origin": "press"}}, "config.farshore:domains.x"),
    ],
)
def test_the_schema_shows_in_an_editor_what_the_program_refuses(values: dict[str, Any], where: str) -> None:
    """A wrong type, an unknown key, a number out of range, a missing key: at their place."""
    assert refused(changed(**values)) == [where]
