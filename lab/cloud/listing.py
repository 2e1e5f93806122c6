"""Lists: filters, order and pages, the same for every resource.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#pagination and #sorting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from lab.cloud.labels import parse_selector, selects
from lab.cloud.reply import Reply, invalid_input

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lab.cloud.call import Call
    from lab.cloud.reply import Json

PER_PAGE_DEFAULT = 25
PER_PAGE_MAX = 50
DIRECTIONS = ("asc", "desc")


T = TypeVar("T")


class Labelled(Protocol):
    """What a label selector can choose."""

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        ...


L = TypeVar("L", bound=Labelled)


def by_labels(call: Call, items: Iterable[L]) -> list[L]:
    """Return the items that the query's `label_selector` chooses; all without one."""
    text = call.last("label_selector")
    if not text:
        return list(items)
    selector = parse_selector(text)
    return [item for item in items if selects(selector, item.labels)]


def by_fields(call: Call, items: Iterable[T], fields: Mapping[str, Callable[[T], str]]) -> list[T]:
    """Return the items whose fields have one of the values that the query names.

    Args:
        call: The request; `name=a&name=b` lets both pass.
        items: What to choose from.
        fields: Query parameters that filter, and how to read each of an item.
    """
    wanted = {name: set(call.all(name)) for name in fields}
    return [
        item for item in items if all(not values or fields[name](item) in values for name, values in wanted.items())
    ]


def in_order(call: Call, items: Sequence[T], keys: Mapping[str, Callable[[T], int | str]]) -> list[T]:
    """Return the items in the order of the query's `sort` parameters, the first weighing most.

    Raises:
        ApiError: `invalid_input`: a field that this resource can't be ordered by.
    """
    ordered = list(items)
    for asked in reversed(call.all("sort")):
        name, _, direction = asked.partition(":")
        if name not in keys or (direction or "asc") not in DIRECTIONS:
            raise invalid_input(("sort", f"{asked!r} is not one of {', '.join(sorted(keys))} with :asc or :desc"))
        ordered.sort(key=keys[name], reverse=direction == "desc")
    return ordered


def page(call: Call, plural: str, items: Sequence[Json], *, size_max: int = PER_PAGE_MAX) -> Reply:
    """Return one page of a list, as `page` and `per_page` ask for it, of `size_max` items at most."""
    number = _positive(call, "page", default=1)
    size = min(_positive(call, "per_page", default=PER_PAGE_DEFAULT), size_max)
    last = max(1, -(-len(items) // size))
    start = (number - 1) * size
    pagination = {
        "page": number,
        "per_page": size,
        "previous_page": number - 1 if number > 1 else None,
        "next_page": number + 1 if number < last else None,
        "last_page": last,
        "total_entries": len(items),
    }
    return Reply(status=200, body={plural: list(items[start : start + size]), "meta": {"pagination": pagination}})


def _positive(call: Call, name: str, *, default: int) -> int:
    text = call.last(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise invalid_input((name, f"{text!r} is not a whole number from 1"))
    return int(text)
