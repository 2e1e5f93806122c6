"""Faults on demand: which request goes wrong, and how.

Pure: this module decides, `server` carries it out.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.cloud.settings import Settings


class Fault(BaseModel):
    """One thing that shall go wrong. The kinds can be combined; `delay_s` goes with each.

    Args:
        method: Request method, or `*`.
        path: Path below `/v1` with shell wildcards: `/servers/*`.
        account: Project that meets it; None is every one.
        after: Matching requests that are let through first.
        times: Requests that meet it; None is every one from then on.
        delay_s: The request is carried out, its answer waits that long.
        status: It is not carried out; this status is the answer, with `code` as Hetzner's error.
        code: Hetzner's error code; None sends a bare status with no JSON, as a proxy before the API does.
        message: The error's message.
        drop: The connection is cut: `before` it is carried out, `after` it and before any answer, or `half`
            way through the answer.
        action: It is carried out, but its actions end in `error` with this code.
        endless: It is carried out, but its actions never end.
        sold_out: It is carried out while this location is sold out: a server that is ordered there is 412.
        no_boot: It is carried out, but a server that it starts never comes up, although the API says it runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str = "*"
    path: str = "*"
    account: str | None = None
    after: int = Field(default=0, ge=0)
    times: int | None = Field(default=1, ge=1)
    delay_s: float = Field(default=0.0, ge=0.0)
    status: int | None = Field(default=None, ge=400, le=599)
    code: str | None = None
    message: str = "the lab was asked to fail here"
    drop: Literal["before", "after", "half"] | None = None
    action: str | None = None
    endless: bool = False
    sold_out: str | None = None
    no_boot: bool = False

    @model_validator(mode="after")
    def _does_something(self) -> Fault:
        refused_or_cut = self.status is not None or self.drop is not None or self.delay_s > 0
        if not refused_or_cut and not self.bends():
            raise ValueError("a fault needs one of status, drop, action, endless, sold_out, no_boot and delay_s")
        return self

    def bends(self) -> bool:
        """Tell whether a request that is carried out meets other settings than usual."""
        return self.action is not None or self.sold_out is not None or self.endless or self.no_boot

    def fits(self, method: str, path: str, account: str | None) -> bool:
        """Tell whether a request is one that the fault is meant for."""
        return self.method in ("*", method) and fnmatchcase(path, self.path) and self.account in (None, account)


@contextmanager
def bent(settings: Settings, fault: Fault | None) -> Iterator[None]:
    """Let a fault's settings hold while one request is carried out."""
    before = replace(settings)
    if fault is not None and fault.action is not None:
        settings.action_faults = {"*": (fault.action, "the lab was asked to fail here")}
    if fault is not None and fault.endless:
        settings.endless_actions = {"*"}
    if fault is not None and fault.sold_out is not None:
        settings.no_capacity = settings.no_capacity | {("*", fault.sold_out)}
    if fault is not None and fault.no_boot:
        settings.no_boot = True
    try:
        yield
    finally:
        settings.action_faults, settings.endless_actions = before.action_faults, before.endless_actions
        settings.no_capacity, settings.no_boot = before.no_capacity, before.no_boot


@dataclass(kw_only=True)
class _Armed:
    """A fault with what is left of its counts."""

    fault: Fault
    to_pass: int
    to_hit: int | None


class Faults:
    """The faults that wait for their requests."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def add(self, fault: Fault) -> None:
        """Arm a fault, behind those that wait already."""
        self._armed.append(_Armed(fault=fault, to_pass=fault.after, to_hit=fault.times))

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def waiting(self) -> tuple[Fault, ...]:
        """Return the faults that have not been used up, in order."""
        return tuple(armed.fault for armed in self._armed)

    def strike(self, method: str, path: str, account: str | None) -> Fault | None:
        """Return the fault that a request meets, counting it; the first that fits and is due."""
        for armed in self._armed:
            if not armed.fault.fits(method, path, account):
                continue
            if armed.to_pass:
                armed.to_pass -= 1
                continue
            if armed.to_hit is not None:
                armed.to_hit -= 1
                if not armed.to_hit:
                    self._armed.remove(armed)
            return armed.fault
        return None
