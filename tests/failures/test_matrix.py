"""Every kind of resource, every verb, every fault: whatever the provider hides or shows, the same command finishes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.failures.cases import possible_cases
from tests.failures.checking import check_agreement, check_failure

if TYPE_CHECKING:
    from tests.failures.cases import Case
    from tests.failures.standing import Standing

pytestmark = [pytest.mark.lab, pytest.mark.long]


def halves() -> list[object]:
    """Return all cells, half of the faults for each of two workers."""
    faults = [*dict.fromkeys(case.fault for case in possible_cases())]
    return [
        pytest.param(case, id=str(case), marks=pytest.mark.xdist_group(f"matrix-{faults.index(case.fault) % 2}"))
        for case in possible_cases()
    ]


@pytest.mark.parametrize("case", halves())
def test_every_failure_ends_well(standing: Standing, case: Case) -> None:
    """Told, then finished; state and accounts agree at the end."""
    failed = check_failure(standing, case)
    assert (failed.code == 0) is case.unseen, failed.said
    check_agreement(standing)
