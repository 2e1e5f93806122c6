"""`farshore lab repair` on a lab with machines: broken through the API, mended, and the page is there again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.first_light.deployed import Deployed, farshore
from tests.labs import lab_name
from tests.repair.standing import ALL_WELL, Standing

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.xdist_group("deployed")]


@pytest.fixture
def deployed() -> Iterator[Deployed]:
    """A deployment of this test's own."""
    name = lab_name("rp")
    try:
        done = farshore("lab", "up", "--name", name)
        assert done.returncode == 0, done.stdout + done.stderr
        yield Deployed(name, done.stdout)
    finally:
        farshore("lab", "down", "--name", name)


def check_mended_lab(deployed: Deployed) -> None:
    """Forget the origin and an address of its, switch the shield off, take its firewall: repair, and the page is back.

    The origin, which runs all the time, is adopted as it is: it is not even rebooted.
    """
    name = deployed.name
    standing = Standing(cloud=deployed.lab, work=deployed.work, engine=deployed.work.engine)
    origin = deployed.machine("press").leader_pid
    before = standing.ids()
    server = str(before["vault servers"][0])
    standing.lose(lambda row: row.get("id") in {server, str(before["vault primary_ips"][0])})
    shield = standing.door("servers", "edge").get_all()[0]
    for firewall in standing.door("firewalls", "edge").get_all():
        for action in firewall.remove_from_resources(firewall.applied_to):
            action.wait_until_finished()
    shield.power_off().wait_until_finished()
    deployed.gone()
    looked = farshore("lab", "repair", "--name", name)
    assert looked.returncode == 1, looked.stdout + looked.stderr
    for words in ("a server without power", "a server without what it was made with", "adopt it"):
        assert words in looked.stdout
    assert "remove" not in looked.stdout
    mended = farshore("lab", "repair", "--name", name, "--yes")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    standing.check_silent(looked.stdout + mended.stdout + mended.stderr)
    assert deployed.page(within_s=90.0)
    again = farshore("lab", "up", "--name", name)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "26 unchanged" in again.stdout
    assert standing.ids() == before
    assert deployed.machine("press").leader_pid == origin
    assert farshore("lab", "repair", "--name", name).stdout == ALL_WELL


def test_a_broken_lab_is_mended_and_serves_its_page_again(deployed: Deployed) -> None:
    """One command, and `up` has nothing to change."""
    check_mended_lab(deployed)
