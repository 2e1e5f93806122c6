"""Companies and countries in the stack file: accounts, other parties, and the policy that they are judged by.

Pure.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from plan.stack.strict import Strict
from plan.values import Country, Day, Regions, Text, at_least_one, once

Rule = Literal["country", "account", "company", "home", "parent"]
RULES: Final[tuple[Rule, ...]] = ("country", "account", "company", "home", "parent")
Role = Literal["shield", "origin"]
PartyRole = Literal["state", "ci", "dns", "ca"]


class Company(Strict):
    """A company, and the country whose courts it answers to.

    Args:
        company: Legal name.
        home: ISO 3166 code of its legal home.
    """

    company: Text
    home: Country


class Party(Company):
    """Whoever could be made to help a court or an attacker.

    Args:
        parent: The company that owns it, where there is one; judged like itself.
    """

    parent: Company | None = None


class Account(Party):
    """One cloud project: its company, and the country whose courts it answers to.

    Args:
        provider: Whose API makes the hosts.
    """

    provider: Literal["hcloud"] = "hcloud"


class Waiver(Strict):
    """A rule that is broken on purpose, for a while.

    Args:
        rule: Which rule of the policy: one of `separate`'s, `allow` or `avoid`.
        hosts: Names of the hosts, accounts or parties that it holds for; for a pair, both.
        reason: For whoever reads the preview.
        until: Last day on which it holds.
    """

    rule: Rule | Literal["allow", "avoid"]
    hosts: Annotated[tuple[str, ...], at_least_one("host")]
    reason: Text
    until: Day


class Policy(Strict):
    """Who may hold what.

    Args:
        separate: What must differ between a shield and each origin behind it; what is left out is a warning.
        allow: Countries and blocs in which hosts of a role may be, by role; the companies too, and their parents.
        avoid: Countries and blocs in which they may not.
        waivers: Breaches that are meant.
    """

    separate: Annotated[tuple[Rule, ...], AfterValidator(once)] = ("country", "account")
    allow: dict[Role | PartyRole, Regions] = Field(default_factory=dict)
    avoid: dict[Role | PartyRole, Regions] = Field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
