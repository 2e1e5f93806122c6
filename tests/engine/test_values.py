"""Property values keep their meaning on the wire, and compare as an engine must."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from lab.engine.structs import from_struct, to_struct
from lab.engine.values import (
    OUTPUT,
    SECRET,
    SIGNATURE,
    UNKNOWN,
    UNKNOWN_TEXT,
    Archive,
    Asset,
    ResourceReference,
    Secret,
    equal,
    has_secret,
    has_unknown,
    mark_secrets_like,
    secret_texts,
    unwrap,
)

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**50), 2**50)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text().filter(lambda text: text != UNKNOWN_TEXT)
    | st.just(UNKNOWN)
    | st.builds(ResourceReference, st.just("urn:pulumi:s::p::a:b:C::n"), st.none() | st.just("") | st.just("7"))
    | st.builds(Asset, text=st.text(), hash=st.just("aa"))
)
KEYS = st.text(min_size=1).filter(lambda key: key != SIGNATURE)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.builds(Secret.of, inner),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES))
def test_any_value_survives_the_wire(properties: dict[str, Any]) -> None:
    """What one side sends is what the other reads."""
    assert equal(from_struct(to_struct(properties, secrets=True)), properties)


@given(st.dictionaries(KEYS, VALUES))
def test_a_receiver_without_secrets_is_sent_none(properties: dict[str, Any]) -> None:
    """Sent bare, a value has no secret at any depth, and is otherwise the same."""
    received = from_struct(to_struct(properties, secrets=False))
    assert not has_secret(received)
    assert equal(received, unwrap(properties))


def test_whole_numbers_arrive_as_ints() -> None:
    """Protobuf has floats only, yet a port is 443, never 443.0."""
    received = from_struct(to_struct({"port": 443, "half": 0.5}, secrets=True))
    assert repr(received["port"]) == "443"
    assert repr(received["half"]) == "0.5"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, 1),
        (False, 0),
        ([True], [1]),
        ({"a": False}, {"a": 0}),
        (Secret("x"), "x"),
        (Secret([True]), Secret([1])),
        (None, ""),
        ([1], [1, 1]),
        ({"a": None}, {}),
        (UNKNOWN, UNKNOWN_TEXT),
    ],
)
def test_values_that_python_or_protobuf_confuse_differ(one: Any, other: Any) -> None:
    """Each pair would be an update lost, or a secret stored bare."""
    assert not equal(one, other)
    assert not equal(other, one)


def test_numbers_are_equal_by_value() -> None:
    """A whole float is the int that it says."""
    assert equal({"n": [2]}, {"n": [2.0]})


def test_a_secret_in_a_secret_is_one_secret() -> None:
    """Wrapping twice hides no more than once."""
    assert Secret.of(Secret.of("x")) == Secret("x")


def test_a_secret_shows_nothing_of_itself() -> None:
    """Neither a traceback nor a log can print it by accident."""
    assert "hush" not in repr({"a": Secret("hush")})


def test_an_output_value_without_a_value_is_unknown() -> None:
    """A component's SDK sends unknown outputs so."""
    struct = Struct()
    struct.update({"a": {SIGNATURE: OUTPUT, "secret": True, "dependencies": []}})
    assert from_struct(struct) == {"a": Secret(UNKNOWN)}


def test_an_unmarked_map_with_a_foreign_mark_is_refused() -> None:
    """A mark that the protocol has not is no map either."""
    struct = Struct()
    struct.update({"a": {SIGNATURE: "no such mark"}})
    with pytest.raises(ValueError, match=r"mark 'no such mark', allowed: secret, reference, output"):
        from_struct(struct)


def test_a_secret_on_the_wire_has_the_protocols_mark() -> None:
    """The mark is the agreement with every SDK and plugin."""
    struct = to_struct({"a": Secret("x")}, secrets=True)
    fields = struct.fields["a"].struct_value.fields
    assert {key: value.string_value for key, value in fields.items()} == {SIGNATURE: SECRET, "value": "x"}


def test_references_can_be_sent_as_ids() -> None:
    """To a plugin without references a resource is its id, a component its URN, an unknown id unknown."""
    properties = {
        "custom": ResourceReference("urn:a", "7"),
        "component": ResourceReference("urn:b"),
        "coming": ResourceReference("urn:c", ""),
    }
    received = from_struct(to_struct(properties, secrets=True, references=False))
    assert received == {"custom": "7", "component": "urn:b", "coming": UNKNOWN}


def test_an_archive_keeps_what_is_in_it() -> None:
    """Archives nest assets and archives."""
    archive = Archive(assets={"a": Asset(text="x"), "b": Archive(path="/there", hash="bb")})
    assert from_struct(to_struct({"it": archive}, secrets=True)) == {"it": archive}


def test_secrets_are_marked_again_by_key() -> None:
    """Maps are walked; anything else is secret as a whole once its model holds a secret."""
    model = {"env": {"KEY": Secret("k"), "HOME": "/"}, "list": ["a", Secret("b")], "plain": 1}
    answer = {"env": {"KEY": "k", "HOME": "/"}, "list": ["a", "b"], "plain": 1, "new": "n"}
    assert mark_secrets_like(answer, model) == {
        "env": {"KEY": Secret("k"), "HOME": "/"},
        "list": Secret(["a", "b"]),
        "plain": 1,
        "new": "n",
    }


def test_secret_texts_are_found_at_any_depth_and_nothing_else() -> None:
    """What a message must not show are the strings inside secrets, not those beside them."""
    assert secret_texts({"a": ["x", Secret({"b": ["y", 1]})]}) == {"y"}


def test_unknowns_are_found_inside_secrets() -> None:
    """A secret unknown is unknown."""
    assert has_unknown({"a": [Secret({"b": UNKNOWN})]})
    assert not has_unknown({"a": [Secret({"b": UNKNOWN_TEXT[1:]})]})
