"""The knobs of a lab's cloud, each a field with the value that suits most tests.

Pure. Source of the rate limit: https://docs.hetzner.cloud/reference/cloud#rate-limiting (3600 an hour and project,
one more each second). How many servers a project may have is each customer's own limit; 100 is the lab's.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Settings:
    """How the cloud behaves where Hetzner's own behaviour varies; a test may set a field at any time.

    Args:
        action_polls: Looks until an action is over; 1: `running` when made, `success` at the first look.
        action_lasts_s: Seconds until an action is over although nobody looks.
        action_faults: Command, or `*`, to code and message: such actions end in `error`.
        endless_actions: Commands, or `*`, whose actions never end; what they lock stays locked.
        no_boot: Servers that are started, restarted or rebuilt stay down, although the API says they run; one that
            is started again without it comes up.
        no_capacity: Pairs of server type and location, or of `*`, that can't be had: 412.
        server_limit: Servers that one project may have.
        disks_reported: A world behind says when a volume or an image is as asked, and its actions wait for that.
        rate_limit: Requests that one project may make an hour; each second gives a share of it back.
    """

    action_polls: int = 1
    action_lasts_s: float = 5.0
    action_faults: dict[str, tuple[str, str]] = field(default_factory=dict)
    endless_actions: set[str] = field(default_factory=set)
    no_boot: bool = False
    no_capacity: set[tuple[str, str]] = field(default_factory=set)
    server_limit: int = 100
    disks_reported: bool = False
    rate_limit: int = 3600

    def has_capacity(self, server_type: str, location: str) -> bool:
        """Tell whether a server of this type can be had there now."""
        wanted = {(server_type, location), (server_type, "*"), ("*", location), ("*", "*")}
        return not wanted & self.no_capacity
