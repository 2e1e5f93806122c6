"""Reading an exported state: all that a stack can hold, and whatever else an export turns out to be."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.repair.stories import KEY, PROVIDER, THEN, TOKENS, export, row, state, urn_of, whole
from tools.repair_model import Known, Pending, State
from tools.repair_state import StateError, account_of, moment, parse_export, read_state


def test_the_rows_of_a_deployment_are_known_by_account_kind_and_id() -> None:
    """Components, keys and providers are no business of an account; what a server was made with is remembered."""
    read = state(*whole())
    assert read.known[0] == Known(
        account="vault", kind="server", id=10, name="dev-press-server", firewalls=(20,), addresses=(30, 31)
    )
    assert [(one.kind, one.id) for one in read.known[1:]] == [
        ("firewall", 20),
        ("primary_ip", 30),
        ("primary_ip", 31),
        ("ssh_key", 40),
    ]
    assert read.references == {PROVIDER}
    assert read.made[KEY] == datetime(2026, 11, 1, 10, 0, 0, 123456, tzinfo=UTC)


def test_operations_under_way_are_told_of_every_kind_of_resource() -> None:
    """A creation has no id yet; a key of Farshore's own is no object of an account, but stops the next `up` as well."""
    half = row("server", 10)
    del half["id"]
    pending = (
        {"type": "creating", "resource": half},
        {"type": "updating", "resource": row("firewall", 20)},
        {"type": "creating", "resource": {"urn": KEY, "type": "pulumi:index:Stash"}},
    )
    assert state(pending=pending) == State(
        known=(),
        pending=(
            Pending(doing="creating", account="vault", kind="server", name="dev-press-server"),
            Pending(doing="updating", account="vault", kind="firewall", name="dev-press-firewall"),
            Pending(doing="creating", account="?", kind="Stash", name="press-ssh-host"),
        ),
        made=state().made,
        references=frozenset({PROVIDER}),
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"protect": True}, {}),
        ({"external": True}, {"foreign": True}),
        ({"initErrors": ["later"]}, {"unfinished": True}),
        ({"delete": True}, {"unfinished": True}),
        ({"pendingReplacement": True}, {"unfinished": True, "absent": True}),
        ({"id": 20.0}, {}),
        ({"provider": "odd"}, {"account": "?"}),
        ({"provider": None}, {"account": "?"}),
        ({"inputs": None}, {}),
    ],
)
def test_what_a_row_says_of_itself_is_kept(more: dict[str, Any], said: dict[str, Any]) -> None:
    """Protected, only read, half made, replaced: each is another matter; an odd provider hides the account only."""
    plain: dict[str, Any] = {"account": "vault", "kind": "firewall", "id": 20, "name": "dev-press-firewall"}
    assert state(row("firewall", 20, **more)).known == (Known(**(plain | said)),)


@pytest.mark.parametrize("identity", [None, "", "not a number", True, [], float("inf")])
def test_a_row_without_an_id_of_the_account_is_passed_over(identity: object) -> None:
    """It stands for no object; whatever it stood for shows as an orphan."""
    assert state(row("server", 10, id=identity)).known == ()


def test_a_secret_among_the_inputs_is_no_id() -> None:
    """Encrypted values are mappings: nothing is made of them."""
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x:y"}
    (known,) = state(row("server", 10, inputs={"firewallIds": secret, "publicNets": [secret, 7]})).known
    assert (known.firewalls, known.addresses) == ((), ())


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "null", '{"deployment": 3}', "\x00", "NaN"])
def test_what_is_no_export_is_refused_with_the_remedy(text: str) -> None:
    """A truncated file or another command's answer: told, not read."""
    with pytest.raises(StateError, match=r"^state: .*, allowed: what `pulumi stack export` writes; see that "):
        parse_export(text)


@pytest.mark.parametrize("text", ["{}", '{"deployment": null}', '{"version": 3, "deployment": {"resources": null}}'])
def test_an_empty_stack_has_an_empty_state(text: str) -> None:
    """A new stack's export has no resources, or no deployment at all."""
    assert read_state(parse_export(text)) == State()


def test_however_an_export_is_damaged_it_is_read_or_refused() -> None:
    """Every part of a state is replaced by every kind of value, and left out: no traceback, and no row invented."""
    odd: list[Any] = [None, True, -1, 1.5, "", "x", "::", [], {}, [None], [[]], {"a": 1}, ["x"]]
    pending = ({"type": "creating", "resource": row("server", 10)},)
    good = export(*whole(), pending=pending)
    known = {(one.kind, one.id) for one in read_state(good).known}
    for path in _paths(good):
        for value in odd:
            damaged = json.loads(json.dumps(good))
            _put(damaged, path, value)
            try:
                read = read_state(parse_export(json.dumps(damaged)))
            except StateError:
                continue
            strangers = {(one.kind, one.id) for one in read.known} - known
            assert not strangers or path[-1] == "id", (path, value)


def test_a_truncated_export_is_refused_wherever_it_ends() -> None:
    """Cut anywhere, it is no JSON any more."""
    text = json.dumps(export(*whole()))
    for end in random.Random(4).sample(range(1, len(text)), 200):  # noqa: S311 - a choice of places, no secret
        with pytest.raises(StateError):
            parse_export(text[:end])


@pytest.mark.parametrize(
    ("provider", "account"),
    [
        ("urn:pulumi:s::farshore::a$pulumi:providers:hcloud::farshore-a-b-provider::id", "a-b"),
        ("urn:pulumi:s::farshore::pulumi:providers:hcloud::default_1_43_3::id", "?"),
        ("urn:pulumi:s::farshore::pulumi:providers:hcloud::farshore--provider::id", "?"),
        ("", "?"),
        (7, "?"),
    ],
)
def test_the_account_is_the_one_whose_provider_is_named(provider: object, account: str) -> None:
    """A default provider, or none, tells of no account."""
    assert account_of(provider) == account


@pytest.mark.parametrize("text", ["", "yesterday", None, 7, "2026-13-01T00:00:00Z"])
def test_a_time_that_is_none_is_no_time(text: object) -> None:
    """Old states have none."""
    assert moment(text) is None
    assert moment(THEN) is not None


def test_names_of_resources_mean_nothing() -> None:
    """Resources are told apart by type and id: a program may call them what it likes."""
    named = row("server", 10, urn=f"urn:pulumi:dev::farshore::{TOKENS['server']}::anything at all")
    assert state(named).known[0].id == 10
    assert urn_of("server", 10) not in state(named).made


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path] if path else []
    for key, item in items:
        found += _paths(item, (*path, key))
    return found


def _put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for part in path[:-1]:
        value = value[part]
    value[path[-1]] = new
