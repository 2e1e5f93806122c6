"""What every resource of a project has in common: look up, list, actions, names and labels.

Pure. A resource is described once (`Resource`), and its plain routes follow from that.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from lab.cloud.actions import action_routes
from lab.cloud.call import Body, Call, Route
from lab.cloud.labels import check_labels
from lab.cloud.listing import by_fields, by_labels, in_order, page
from lab.cloud.records import Record
from lab.cloud.reply import ApiError, Reply, invalid_input, not_found, uniqueness_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lab.cloud.project import Project
    from lab.cloud.reply import Json

R = TypeVar("R", bound=Record)
NAME_CHARS_MAX = 255


class Named(Body):
    """The part of an update that all resources share; None leaves a field as it is."""

    name: str | None = None
    labels: dict[str, str] | None = None


class Protection(Body):
    """The body of `change_protection`; None leaves a lock as it is."""

    delete: bool | None = None
    rebuild: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Resource(Generic[R]):
    """One kind of object.

    Args:
        singular: Hetzner's word for one (`ssh_key`).
        plural: Hetzner's word for many, and its path.
        table: Where a project keeps them.
        show: How a client sees one.
        filters: Query parameters of the list beside `name` and `label_selector`.
        name_chars_max: How long a name may be; 255 where the reference says nothing.
    """

    singular: str
    plural: str
    table: Callable[[Project], dict[int, R]]
    show: Callable[[Project, R], Json]
    filters: Mapping[str, Callable[[Project, R], str]] = field(default_factory=dict)
    name_chars_max: int = NAME_CHARS_MAX

    def routes(self) -> tuple[Route, ...]:
        """Return the routes that read: one, list, and the actions of one and of all."""
        return (
            Route(method="GET", pattern=f"/{self.plural}", handler=self.listed),
            *action_routes(self.singular, self.plural, self.number_in),
            Route(method="GET", pattern=f"/{self.plural}/*", handler=self.answer_one),
        )

    def get(self, project: Project, number: int) -> R:
        """Return one by id.

        Raises:
            ApiError: `not_found`.
        """
        try:
            return self.table(project)[number]
        except KeyError:
            raise not_found(self.singular, number) from None

    def number_in(self, call: Call) -> int:
        """Return the id that stands in the path, be there such an object or not."""
        return call.number(self.singular)

    def named_in(self, call: Call) -> R:
        """Return the one that the path names."""
        return self.get(call.project, self.number_in(call))

    def answer_one(self, call: Call) -> Reply:
        """Answer GET of one."""
        return self.reply(call, self.named_in(call))

    def listed(self, call: Call) -> Reply:
        """Answer GET of the list."""
        chosen = by_labels(call, self.table(call.project).values())
        chosen = by_fields(call, chosen, {"name": lambda record: record.name, **self._filters(call.project)})
        chosen = in_order(
            call, chosen, {"id": lambda r: r.id, "name": lambda r: r.name, "created": lambda r: r.created}
        )
        return page(call, self.plural, [self.show(call.project, record) for record in chosen])

    def _filters(self, project: Project) -> dict[str, Callable[[R], str]]:
        return {name: functools.partial(read, project) for name, read in self.filters.items()}

    def reply(self, call: Call, record: R, status: int = 200, **more: object) -> Reply:
        """Return an answer that shows one, with whatever else goes beside it."""
        return Reply(status=status, body={self.singular: self.show(call.project, record), **more})

    def rename(self, call: Call, record: R) -> None:
        """Take over the name and labels of an update.

        Raises:
            ApiError: `invalid_input`, `uniqueness_error`.
        """
        wanted = call.read(Named)
        if wanted.labels is not None:
            check_labels(wanted.labels)
        if wanted.name is not None:
            self.check_name(call.project, wanted.name, but=record.id)
            record.name = wanted.name
        if wanted.labels is not None:
            record.labels = dict(wanted.labels)

    def check_name(self, project: Project, name: str, *, but: int | None = None) -> None:
        """Refuse a name that is empty, too long, or another object's.

        Args:
            project: Names are unique in it, for each kind.
            name: The name asked for.
            but: Id of the object that may have it already.

        Raises:
            ApiError: `invalid_input`, `uniqueness_error`.
        """
        if not 1 <= len(name) <= self.name_chars_max:
            raise invalid_input(("name", f"must have 1 to {self.name_chars_max} characters"))
        if any(other.name == name and other.id != but for other in self.table(project).values()):
            raise uniqueness_error(f"{self.singular} name is already used", "name")


def check_unprotected(what: str, *, protected: bool) -> None:
    """Refuse to do what a protection forbids.

    Args:
        what: What is asked for, as the refusal names it.
        protected: Whether the object has that protection.

    Raises:
        ApiError: `protected`.
    """
    if protected:
        raise ApiError("protected", f"{what} is protected")
