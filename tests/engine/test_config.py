"""Configuration reaches a program as the strings that the real engine makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lab.engine.config import (
    ConfigError,
    Entry,
    get_path,
    open_config,
    remove_path,
    set_path,
    split_key,
    to_text,
    typed_text,
)
from lab.engine.paths import parse_path
from lab.engine.project import ProjectError, load_project, load_yaml

if TYPE_CHECKING:
    from pathlib import Path


def opened(declared: dict[str, Any], given: dict[str, Any]) -> dict[str, Entry]:
    """Open configuration whose encrypted leaves are texts turned round."""
    return open_config(declared, given, project="shop", stack="dev", decrypt=lambda text: text[::-1])


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("true", "true"),
        ("yes", "yes"),
        ("on", "on"),
        ("0017", "15"),
        ("1.50", "1.5"),
        ("2.0", "2"),
        ("null", ""),
        ('"7"', "7"),
        ("{b: [1, two], a: {c: null}}", '{"a":{"c":null},"b":[1,"two"]}'),
        ("2026-01-01", "2026-01-01 00:00:00 +0000 UTC"),
        ('"2026-01-01"', "2026-01-01"),
        ("{until: 2027-06-30}", '{"until":"2027-06-30 00:00:00 +0000 UTC"}'),
    ],
)
def test_a_written_value_becomes_the_engines_text(written: str, text: str, tmp_path: Path) -> None:
    """Also where that is a surprise: a bare date is mangled, a float loses its zeros, `yes` is text."""
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(f"config:\n  shop:it: {written}\n")
    assert to_text(load_yaml(file)["config"]["shop:it"]) == text


def test_a_key_without_a_namespace_is_the_projects() -> None:
    """Other packages' keys keep theirs."""
    assert opened({}, {"a": "1", "hcloud:token": "t"}) == {"shop:a": Entry("1"), "hcloud:token": Entry("t")}


def test_one_secure_leaf_makes_the_whole_key_secret() -> None:
    """At any depth; the leaf stands opened inside the JSON."""
    found = opened({}, {"shop:deep": {"a": [{"secure": "yek"}], "b": 1}, "shop:open": {"b": 1}})
    assert found["shop:deep"] == Entry('{"a":["key"],"b":1}', secret=True)
    assert found["shop:open"] == Entry('{"b":1}')


def test_a_secure_leaf_alone_is_its_raw_text() -> None:
    """It is a string, not JSON."""
    assert opened({}, {"shop:token": {"secure": "olleh"}})["shop:token"] == Entry("hello", secret=True)


def test_the_project_gives_defaults_and_the_stack_wins() -> None:
    """Scalars, `value:` and `default:` are defaults alike."""
    declared = {"a": "x", "b": {"value": 2}, "c": {"type": "array", "default": [1]}, "d": {"default": "y"}}
    found = opened(declared, {"shop:d": "mine"})
    assert {key: entry.text for key, entry in found.items()} == {
        "shop:a": "x",
        "shop:b": "2",
        "shop:c": "[1]",
        "shop:d": "mine",
    }


def test_every_missing_or_wrong_value_is_named_at_once() -> None:
    """One run tells all."""
    declared = {"shields": {"type": "object"}, "count": {"type": "integer"}, "names": {"type": "array"}}
    with pytest.raises(ConfigError) as refused:
        opened(declared, {"shop:count": "many", "shop:names": {}})
    assert str(refused.value) == (
        "validating stack config: Stack 'dev' is missing configuration value 'shields'\n"
        "Stack 'dev' with configuration key 'count' must be of type 'integer'\n"
        "Stack 'dev' with configuration key 'names' must be of type 'array'"
    )


def test_a_number_given_as_text_fits_an_integer() -> None:
    """`config set` writes text, and the type looks through it."""
    assert opened({"count": {"type": "integer"}}, {"shop:count": "7"})["shop:count"].text == "7"


def test_paths_make_what_is_missing_and_change_nothing_else() -> None:
    """Maps and lists grow; the value given stays as it was."""
    before: dict[str, Any] = {"keep": 1}
    after = set_path(before, parse_path("a.b[0].c"), "x")
    assert after == {"keep": 1, "a": {"b": [{"c": "x"}]}}
    assert before == {"keep": 1}
    assert get_path(after, parse_path("a.b[0].c")) == "x"
    assert remove_path(after, parse_path("a.b[0]")) == {"keep": 1, "a": {"b": []}}
    assert get_path(after, parse_path("a.z[3]")) is None


@pytest.mark.parametrize("path", ["[1]", "a.b"])
def test_a_path_through_what_is_no_container_is_refused(path: str) -> None:
    """Nothing is overwritten by a slip."""
    with pytest.raises(ConfigError, match="config path"):
        set_path({"a": "text"} if path == "a.b" else [], parse_path(path), 1)


def test_a_key_is_a_path_only_when_asked() -> None:
    """A dot in a key is a dot."""
    assert split_key("a.b", "shop", as_path=False) == ("shop:a.b", ())
    assert split_key("net:a.b[1]", "shop", as_path=True) == ("net:a", ("b", 1))


@pytest.mark.parametrize(("text", "value"), [("true", True), ("7", 7), ("-3", -3), ("07", "07"), ("1.5", "1.5")])
def test_a_value_at_a_path_is_typed_where_that_loses_nothing(text: str, value: Any) -> None:
    """A number with a leading zero is text: somebody meant it."""
    assert typed_text(text) == value
    assert type(typed_text(text)) is type(value)


def test_a_project_of_another_runtime_is_refused(tmp_path: Path) -> None:
    """This engine runs Python."""
    (tmp_path / "Pulumi.yaml").write_text("name: it\nruntime: nodejs\n")
    with pytest.raises(ProjectError, match=r"runtime 'nodejs', allowed: python"):
        load_project(tmp_path / "Pulumi.yaml")


def test_a_virtual_environment_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Before anything starts, with the remedy."""
    (tmp_path / "Pulumi.yaml").write_text("name: it\nruntime: {name: python, options: {virtualenv: venv}}\n")
    with pytest.raises(ProjectError, match=r"virtualenv 'venv' has no bin/python; run the project's setup"):
        load_project(tmp_path / "Pulumi.yaml")
