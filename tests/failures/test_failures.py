"""What the provider does wrong, seen through the real program: said plainly, then finished, with nothing left over.

Two stacks, each at a cloud of its own, so that two workers share the work. A test brings its stack to where its verb
has something to do, so that any may run alone; in this order each begins where the one before ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.failures.cases import FAULTS, Case, possible_cases
from tests.failures.checking import check_agreement, check_failure

if TYPE_CHECKING:
    from tests.failures.standing import Standing

pytestmark = pytest.mark.lab

# Each kind and verb once, each fault at least once.
CHOSEN: Final = {
    "failures-1": (
        Case("PrimaryIp", "create", "401"),
        Case("SshKey", "update", "403"),
        Case("Firewall", "rules", "endless action"),
        Case("Server", "delete", "503"),
        Case("SshKey", "create", "409"),
        Case("PrimaryIp", "update", "lost answer"),
        Case("Firewall", "delete", "403"),
        Case("Server", "create", "half an answer"),
    ),
    "failures-2": (
        Case("Server", "create", "sold out"),
        Case("Firewall", "update", "423"),
        Case("Server", "resize", "412"),
        Case("SshKey", "delete", "429"),
        Case("Firewall", "create", "dropped connection"),
        Case("Server", "update", "500"),
        Case("PrimaryIp", "delete", "latency"),
        Case("Server", "create", "failed action"),
        Case("Server", "delete", "lost answer"),
        Case("Server", "create", "no boot"),
    ),
}


def grouped() -> list[object]:
    """Return the chosen cases, each with the group that it belongs to."""
    return [
        pytest.param(case, id=str(case), marks=pytest.mark.xdist_group(group))
        for group, cases in CHOSEN.items()
        for case in cases
    ]


def test_each_kind_and_verb_and_each_fault_is_chosen_once() -> None:
    """A kind, a verb or a fault that is new has to be met in the default run."""
    chosen = [case for cases in CHOSEN.values() for case in cases]
    assert sorted({(case.kind, case.verb) for case in chosen}) == sorted(
        {(case.kind, case.verb) for case in possible_cases()}
    )
    assert {case.fault for case in chosen} == set(FAULTS)
    assert all(case.possible for case in chosen)


@pytest.mark.parametrize("case", grouped())
def test_a_failure_is_told_and_the_same_command_finishes(standing: Standing, case: Case) -> None:
    """Told with its resource, its account and the provider's reason, and nothing secret; nothing leaked or doubled."""
    failed = check_failure(standing, case)
    assert (failed.code == 0) is case.unseen, failed.said


@pytest.mark.xdist_group("failures-2")
def test_state_and_accounts_agree_after_all_that(standing: Standing) -> None:
    """A whole deployment stands at the end, and repair has nothing to do."""
    if standing.names() != standing.whole():
        standing.up("--refresh")
    check_agreement(standing)
