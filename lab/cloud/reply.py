"""What the API answers: replies, and refusals in Hetzner's error shape.

Pure: values only. Source of codes and statuses: https://docs.hetzner.cloud/reference/cloud#errors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Json = dict[str, Any]

# Statuses of the codes, as the reference lists them; a code of one resource is 422 unless named here.
STATUS_OF_CODE: Mapping[str, int] = MappingProxyType(
    {
        "json_error": 400,
        "unauthorized": 401,
        "token_readonly": 403,
        "forbidden": 403,
        "maintenance": 403,
        "resource_limit_exceeded": 403,
        "not_found": 404,
        "uniqueness_error": 409,
        "conflict": 409,
        "primary_ip_assigned": 409,
        "deprecated_api_endpoint": 410,
        "resource_unavailable": 412,
        "placement_error": 412,
        "invalid_input": 422,
        "locked": 423,
        "protected": 423,
        "rate_limit_exceeded": 429,
        "server_error": 500,
        "not_implemented": 501,
        "bad_gateway": 502,
        "unavailable": 503,
        "timeout": 504,
    }
)
STATUS_OF_OTHER_CODES = 422


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer of the API: status, JSON body (None for 204), and headers beside the content type."""

    status: int
    body: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """A refusal, raised anywhere below the router and turned into a reply by it.

    Args:
        code: Hetzner's error code; it decides the status.
        message: What a person reads.
        details: Machine-readable part; None where Hetzner sends null.
    """

    def __init__(self, code: str, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    def reply(self) -> Reply:
        """Return the refusal as an answer."""
        status = STATUS_OF_CODE.get(self.code, STATUS_OF_OTHER_CODES)
        return Reply(status=status, body=error_body(self.code, self.message, self.details))


def error_body(code: str, message: str, details: Json | None = None) -> Json:
    """Return the body of a refusal."""
    return {"error": {"code": code, "message": message, "details": details}}


def invalid_input(*fields: tuple[str, str]) -> ApiError:
    """Return the refusal of an input whose named fields are wrong.

    Args:
        fields: Pairs of field (`rules.0.port`) and what is wrong with it.
    """
    return _with_fields("invalid_input", f"invalid input in {_quoted(fields)}: {fields[0][1]}", fields)


def uniqueness_error(message: str, field_name: str) -> ApiError:
    """Return the refusal of a value that another object of the project already has."""
    return ApiError("uniqueness_error", message, {"fields": [{"name": field_name}]})


def not_found(kind: str, number: int | str) -> ApiError:
    """Return the refusal of an id that the project does not know."""
    return ApiError("not_found", f"{kind} with ID '{number}' not found")


def _with_fields(code: str, message: str, fields: Iterable[tuple[str, str]]) -> ApiError:
    said: dict[str, list[str]] = {}
    for name, fault in fields:
        said.setdefault(name, []).append(fault)
    details = {"fields": [{"name": name, "messages": faults} for name, faults in said.items()]}
    return ApiError(code, message, details)


def _quoted(fields: Iterable[tuple[str, str]]) -> str:
    names = list(dict.fromkeys(name for name, _ in fields))
    noun = "field" if len(names) == 1 else "fields"
    return f"{noun} " + ", ".join(repr(name) for name in names)
