"""What one court could reach is refused, told or waived, and never passed over."""

from __future__ import annotations

from typing import Any

import pytest

from plan import StackError, check
from plan.tables import blocs, countries
from tests.stacks import changed, loaded, planned

GERMAN = {"company": "Hetzner Online GmbH", "home": "DE"}
WAIVER = {"rule": "account", "hosts": ["press", "falkenstein"], "reason": "moving next week", "until": "2026-11-08"}


def refused(**values: Any) -> list[str]:
    """Return the faults of the smallest stack file with changes."""
    with pytest.raises(StackError) as error:
        loaded(changed(**values))
    return [str(fault) for fault in error.value.faults]


def told(**values: Any) -> list[str]:
    """Return the warnings of the smallest stack file with changes, about jurisdictions."""
    warnings = planned(changed(**values)).warnings
    return [line for line in warnings if "ssh" not in line and "parties: who" not in line]


def test_the_blocs_grow_from_each_other() -> None:
    """The EEA is the EU and three more; fourteen eyes are nine and five more; all are countries."""
    assert {name: len(members) for name, members in blocs().items()} == {
        "EU": 27, "EEA": 30, "five-eyes": 5, "nine-eyes": 9, "fourteen-eyes": 14,
    }  # fmt: skip
    assert blocs()["EU"] < blocs()["EEA"]
    assert blocs()["five-eyes"] < blocs()["nine-eyes"] < blocs()["fourteen-eyes"]
    assert all(members <= countries().keys() for members in blocs().values())
    assert len(countries()) == 249


@pytest.mark.parametrize(
    ("code", "remedy"),
    [("UK", "write GB"), ("EL", "write GR"), ("XX", "look it up: no country has this one")],
)
def test_a_code_that_no_country_has_is_refused(code: str, remedy: str) -> None:
    """What people write instead of the code is known, and named."""
    assert refused(accounts__edge__home=code) == [
        f"farshore:accounts.edge.home: {code!r}, allowed: an ISO 3166 code of two capital letters like FI; {remedy}"
    ]


def test_what_the_policy_does_not_separate_is_told() -> None:
    """One company on both sides is allowed by default, and named in every preview."""
    assert told(accounts__vault=GERMAN) == [
        (
            "farshore:origins.press: company 'Hetzner Online GmbH', that of its shield 'falkenstein'; "
            "nothing in farshore:policy.separate forbids it"
        ),
        (
            "farshore:origins.press: home 'DE', that of its shield 'falkenstein'; "
            "nothing in farshore:policy.separate forbids it"
        ),
    ]
    assert told() == []


def test_one_owner_of_two_companies_is_found() -> None:
    """A subsidiary abroad is another company and another home, and still obeys its owner."""
    owner = {"company": "Hetzner Online GmbH", "home": "DE"}
    daughter = {"company": "Hetzner Finland Oy", "home": "FI", "parent": owner}
    assert refused(accounts__vault=daughter, policy={"separate": ["company", "home", "parent"]}) == [
        (
            "farshore:origins.press: parent 'Hetzner Online GmbH', that of its shield 'falkenstein', allowed: another "
            "parent (farshore:policy.separate); put one of them with a company that somebody else owns"
        )
    ]
    loaded(changed(accounts__vault=daughter, policy={"separate": ["company", "home"]}))
    loaded(changed(policy={"separate": ["company", "home", "parent"]}))


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        (
            {"avoid": {"origin": ["EU"]}},
            (
                "farshore:origins.press: country 'FI', allowed: nothing in EU (farshore:policy.avoid.origin); "
                "choose another place or company, or waive it"
            ),
        ),
        (
            {"avoid": {"shield": ["fourteen-eyes"]}},
            (
                "farshore:shields.falkenstein: country 'DE', allowed: nothing in fourteen-eyes "
                "(farshore:policy.avoid.shield); choose another place or company, or waive it"
            ),
        ),
        (
            {"allow": {"origin": ["IS", "CH"]}},
            (
                "farshore:origins.press: legal home of the company 'FI', allowed: IS, CH (farshore:policy.allow.origin); "
                "choose another place or company, or waive it"
            ),
        ),
        ({"allow": {"origin": ["EEA"]}, "avoid": {"origin": ["DE"]}}, None),
        ({"avoid": {"origin": ["five-eyes"], "shield": ["IS"]}}, None),
    ],
)
def test_countries_and_blocs_are_judged_by_role(policy: dict[str, Any], fault: str | None) -> None:
    """Location and legal home both count; a bloc is all its members."""
    if fault is None:
        loaded(changed(policy=policy))
    else:
        assert fault in refused(policy=policy)


def test_the_owner_of_a_company_is_judged_too() -> None:
    """A Finnish company with an American owner answers to American courts."""
    owned = {"company": "Example Oy", "home": "FI", "parent": {"company": "Example Inc.", "home": "US"}}
    assert refused(accounts__vault=owned, policy={"avoid": {"origin": ["five-eyes"]}}) == [
        (
            "farshore:origins.press: legal home of the parent company 'US', allowed: nothing in five-eyes "
            "(farshore:policy.avoid.origin); choose another place or company, or waive it"
        )
    ]


def test_other_parties_are_judged_by_the_same_rules() -> None:
    """Where the state lives can be declared and forbidden; who is not declared is named as unknown."""
    parties = {"state": {"company": "Example Inc.", "home": "US"}}
    assert refused(parties=parties, policy={"avoid": {"state": ["US"]}}) == [
        (
            "farshore:parties.state: legal home of the company 'US', allowed: nothing in US "
            "(farshore:policy.avoid.state); choose another place or company, or waive it"
        )
    ]
    assert planned(changed(parties=parties)).warnings[-1] == (
        "farshore:parties: who holds ci, dns, ca is unknown; nothing judges them"
    )
    assert not any("parties" in line for line in planned(changed(parties=_all_parties())).warnings)


def _all_parties() -> dict[str, Any]:
    return {role: {"company": "Example hf", "home": "IS"} for role in ("state", "ci", "dns", "ca")}


def test_a_waiver_lets_a_breach_through_until_its_end_and_is_told() -> None:
    """It holds on its last day; it is in every preview, with its reason; the checker knows of it."""
    waived = {"accounts__vault": GERMAN, "origins__press__account": "edge", "policy": {"waivers": [WAIVER]}}
    plan = planned(changed(**waived))
    assert (
        "farshore:policy.waivers: account of press and falkenstein is waived until 2026-11-08: moving next week"
    ) in plan.warnings
    assert check(plan) == ()
    ended = {**waived, "policy": {"waivers": [{**WAIVER, "until": "2026-10-31"}]}}
    assert refused(**ended) == [
        (
            "farshore:origins.press: account 'edge', that of its shield 'falkenstein', allowed: another account "
            "(farshore:policy.separate); its waiver ended on 2026-10-31: put one of them into an account of its own"
        )
    ]


@pytest.mark.parametrize("change", [{"rule": "country"}, {"hosts": ["press"]}])
def test_a_waiver_for_something_else_waives_nothing(change: dict[str, Any]) -> None:
    """Rule and hosts must be those of the breach; a waiver that nothing needs is named."""
    policy = {"waivers": [{**WAIVER, **change}]}
    assert len(refused(accounts__vault=GERMAN, origins__press__account="edge", policy=policy)) == 1
    assert any("is kept; remove the waiver" in line for line in told(policy=policy))


def test_a_waiver_names_hosts_that_exist() -> None:
    """A typing error in a waiver is a fault, not a waiver that never holds."""
    assert refused(policy={"waivers": [{**WAIVER, "hosts": ["pres"]}]}) == [
        "farshore:policy.waivers.hosts: 'pres', allowed: falkenstein, press; did you mean 'press'?"
    ]
