"""One request on its way through a project, and the table that says who answers it.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from lab.cloud.reply import ApiError, Reply, invalid_input, not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lab.cloud.project import Project
    from lab.cloud.reply import Json

Query = tuple[tuple[str, str], ...]
B = TypeVar("B", bound="Body")


class Body(BaseModel):
    """A request's JSON body.

    Types are taken at their word, keys that the API does not know are passed over, and null is the same as
    absent wherever absent is allowed.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        required = {name for name, info in cls.model_fields.items() if info.is_required()}
        return {key: value for key, value in given.items() if value is not None or key in required}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request.

    Args:
        project: Whose token it carries.
        path: Path below `/v1`, as it came.
        captures: What stands at the wildcards of the route, in order.
        query: Pairs as they came; a name may come several times.
        body: The JSON body; None without one.
    """

    project: Project
    path: str
    captures: tuple[str, ...]
    query: Query
    body: Json | None

    def number(self, kind: str, position: int = 0) -> int:
        """Return a captured id.

        Args:
            kind: What is looked for, used only in the refusal.
            position: Which capture.

        Raises:
            ApiError: `not_found`: it is no number, so no object has it.
        """
        text = self.captures[position]
        if not text.isascii() or not text.isdecimal():
            raise not_found(kind, text)
        return int(text)

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a query parameter."""
        return tuple(value for key, value in self.query if key == name)

    def last(self, name: str) -> str | None:
        """Return the last value of a query parameter, or None."""
        values = self.all(name)
        return values[-1] if values else None

    def read(self, shape: type[B]) -> B:
        """Return the body as a shape.

        Raises:
            ApiError: `invalid_input`, naming every field that does not fit.
        """
        try:
            return shape.model_validate(self.body if self.body is not None else {})
        except ValidationError as error:
            # The input stays out of the message: it may be user data.
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            raise invalid_input(*((_field_name(f["loc"]), f["msg"].lower()) for f in faults)) from None


@dataclass(frozen=True, kw_only=True)
class Route:
    """One method and path that the API answers; `*` stands for one segment."""

    method: str
    pattern: str
    handler: Callable[[Call], Reply]

    def captures(self, method: str, path: str) -> tuple[str, ...] | None:
        """Return what stands at the wildcards, or None where the route does not fit."""
        wanted, given = self.pattern.split("/"), path.split("/")
        if method != self.method or len(wanted) != len(given):
            return None
        if any(w not in ("*", g) for w, g in zip(wanted, given, strict=True)):
            return None
        return tuple(g for w, g in zip(wanted, given, strict=True) if w == "*")


def find_route(routes: Sequence[Route], method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    """Return the first route that fits, with its captures.

    Raises:
        ApiError: `not_implemented`: the lab does not model it.
    """
    for route in routes:
        captures = route.captures(method, path)
        if captures is not None:
            return route, captures
    raise ApiError("not_implemented", f"the lab does not model {method} {path}")


def _field_name(location: tuple[int | str, ...]) -> str:
    # Pydantic names the branches of a union (`server_type.int`); the API names fields only.
    branches = {"int", "str", "bool", "none"}
    return ".".join(str(part) for part in location if part not in branches) or "body"
