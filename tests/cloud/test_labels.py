"""Labels and the selectors that choose by them."""

from __future__ import annotations

import pytest

from lab.cloud.labels import check_labels, parse_selector, selects
from lab.cloud.reply import ApiError

LABELS = {"env": "prod", "tier": "edge", "empty": "", "example.com/team": "net.one"}


@pytest.mark.parametrize(
    "selector",
    [
        "env=prod",
        "env==prod",
        "env = prod",
        "env!=dev",
        "missing!=prod",
        "env",
        "empty",
        "empty=",
        "!missing",
        "! missing",
        "env in (dev,prod)",
        "env in ( dev , prod )",
        "env notin (dev,test)",
        "missing notin (dev)",
        "env=prod,tier=edge",
        "env in (dev,prod),!missing,tier",
        "example.com/team=net.one",
    ],
)
def test_a_selector_chooses_what_it_describes(selector: str) -> None:
    """Each form of the reference, where it holds."""
    assert selects(parse_selector(selector), LABELS)


@pytest.mark.parametrize(
    "selector",
    [
        "env=dev",
        "env=pro",
        "env!=prod",
        "missing=prod",
        "env=",
        "missing",
        "!env",
        "env in (dev,test)",
        "missing in (dev,prod)",
        "env notin (dev,prod)",
        "env=prod, tier=core",
        "in in (a)",
    ],
)
def test_a_selector_leaves_out_what_it_does_not_describe(selector: str) -> None:
    """Each form of the reference, where it does not hold."""
    assert not selects(parse_selector(selector), LABELS)


@pytest.mark.parametrize(
    "selector",
    [
        "",
        ",",
        "env=prod,",
        "=prod",
        "env in prod",
        "env in ()",
        "env in (a",
        "a b",
        "env=pr od",
        "-x",
        "!",
        "!!x",
    ],
)
def test_what_is_no_selector_is_refused(selector: str) -> None:
    """The refusal names the parameter."""
    with pytest.raises(ApiError, match="cannot be read at") as refused:
        parse_selector(selector)
    assert (refused.value.code, refused.value.details) == (
        "invalid_input",
        {"fields": [{"name": "label_selector", "messages": [str(refused.value).partition(": ")[2]]}]},
    )


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"a": ""},
        {"a" * 63: "b" * 63},
        {"example.com/name": "v"},
        {f"{'a' * 249}.com/{'n' * 63}": "v"},
        {"A-b_c.d": "E-f_g.h"},
    ],
)
def test_good_labels_are_taken(labels: dict[str, str]) -> None:
    """The longest and the strangest that the reference allows."""
    check_labels(labels)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"": "v"}, "key '' is invalid"),
        ({"a" * 64: "v"}, "is invalid"),
        ({"-a": "v"}, "key '-a' is invalid"),
        ({"a-": "v"}, "key 'a-' is invalid"),
        ({"a b": "v"}, "key 'a b' is invalid"),
        ({"/a": "v"}, "key '/a' is invalid"),
        ({"example.com/": "v"}, "key 'example.com/' is invalid"),
        ({f"{'a' * 250}.com/n": "v"}, "is invalid"),
        ({"hetzner.cloud/a": "v"}, "reserved prefix"),
        ({"x.hetzner.cloud/a": "v"}, "reserved prefix"),
        ({"a": "b" * 64}, "value of 'a' is invalid"),
        ({"a": "-b"}, "value of 'a' is invalid"),
        ({"a": "b c"}, "value of 'a' is invalid"),
        ({"a": "b\n"}, "value of 'a' is invalid"),
    ],
)
def test_bad_labels_are_refused(labels: dict[str, str], said: str) -> None:
    """One past each limit."""
    with pytest.raises(ApiError, match=said) as refused:
        check_labels(labels)
    assert refused.value.code == "invalid_input"
