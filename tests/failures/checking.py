"""What holds for every failure: it is told, and the same command finishes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.failures.cases import ACTED, FAULTS, REASON

if TYPE_CHECKING:
    from tests.failures.cases import Case
    from tests.failures.standing import Standing
    from tests.failures.starting import Run


def check_failure(standing: Standing, case: Case) -> Run:
    """Meet the fault, see that it is told with its resource and account, and finish; return what failed."""
    case.begin(standing)
    case.arm(standing)
    failed = case.run(standing)
    assert standing.disarm() == 0, f"the fault was not met: {failed.said}"
    standing.check_silent(failed.said)
    assert "Traceback" not in failed.said, failed.said
    assert "panic" not in failed.said, failed.said
    if failed.code and case.fault != "endless action":
        told = failed.said.partition("Diagnostics:")[2]
        assert case.resource in told, failed.said
        said = FAULTS[case.fault]
        if "message" in said:
            assert f"{REASON} ({said['code']})" in told
        if "action" in said:
            assert f"{ACTED} ({said['action']}" in told, failed.said
    finish(standing, case)
    return failed


def finish(standing: Standing, case: Case) -> None:
    """Do what docs/repair.md says: the command again; where that fails or a server is off, repair before it."""
    done = case.again(standing)
    if done.code or "off" in standing.powers():
        mend(standing)
        done = case.again(standing)
    assert done.code == 0, done.said
    case.check_end(standing)


def mend(standing: Standing) -> None:
    """Repair with consent, and once more where it says that something is left; the rest is the command's to finish."""
    for _ in range(2):
        mended = standing.repair("--yes")
        assert mended.code in {0, 1}, mended.said
        standing.check_silent(mended.said)
        if mended.code == 0:
            return


def check_agreement(standing: Standing) -> None:
    """Check that state and accounts agree in repair's eyes."""
    looked = standing.repair()
    assert looked.code == 0, looked.said
