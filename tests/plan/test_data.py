"""Data volumes: what is told of those that come, grow, move and go, and what is known of them after a run."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

from plan.data import as_it_runs, tell_data, tell_erasure
from plan.data_told import DataTold, data_after
from plan.stack.data import DataVolume
from plan.standing import Standing, told_to, what_it_knows
from tests.stacks import changed, planned

KNOWN = DataTold(size_gb=20, mount="/srv", encrypted=True)


def said(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[str]:
    """Return what is told of press's volume between two stack files."""
    old, new = (planned(changed(**({"origins__press__data": data} if data else {}))) for data in (before, after))
    standing = Standing(hosts={host.name: told_to(old, host, "", "") for host in old.hosts})
    return [line.removeprefix("farshore:origins.press.data") for line in tell_data(new, standing)]


def test_each_change_of_a_volume_is_told_and_no_change_is_not() -> None:
    """What comes is for the next server, what grows does so in place, what goes is gone for good."""
    twenty = {"size_gb": 20}
    assert said(None, None) == said(twenty, twenty) == []
    assert said(twenty, {"size_gb": 30}) == [".size_gb: 20 to 30; it grows in place"]
    assert said(twenty, {**twenty, "mount": "/opt"}) == [
        ".mount: /srv to /opt; whatever has a file open there keeps it from moving"
    ]
    assert said(twenty, None) == [": its volume goes for good, with all that is on it"]
    (line,) = said(None, twenty)
    assert line.startswith(": its volume comes with this `pulumi up`, empty, and is used from the next server on: ")


def test_who_has_no_volume_is_named_and_who_has_one_is_not() -> None:
    """A recreation erases what is on disks; with a volume for each origin there is nothing to say."""
    assert tell_erasure(planned())[0].startswith("press: without `data`; ")
    assert tell_erasure(planned(changed(origins__press__data={"size_gb": 20}))) == ()


def test_a_server_uses_the_volume_that_it_was_born_with() -> None:
    """One that was born without goes on without, however often it is told; its successor has it."""
    plan = planned(changed(origins__press__data={"size_gb": 20}))
    host = plan.origins[0]
    now = told_to(plan, host, "", "")
    born_without = what_it_knows(None, "1", told_to(planned(), planned().origins[0], "", ""), delivered=False)
    later = what_it_knows(born_without, "1", now, delivered=True)
    assert later.data is not None
    assert not later.data.used
    assert as_it_runs(host, later, "1").data is None
    assert as_it_runs(host, later, "2") == host
    successor = what_it_knows(later, "2", now, delivered=True)
    assert successor.data is not None
    assert successor.data.used
    assert as_it_runs(host, successor, "2") == host
    assert as_it_runs(host, None, "1") == host


def test_a_place_is_where_the_server_was_told() -> None:
    """A plan that nobody was told moves no mount; a size is the provider's."""
    other = DataTold(size_gb=30, mount="/opt", encrypted=True)
    untold = data_after(KNOWN, other, delivered=False)
    assert untold is not None
    assert (untold.mount, untold.size_gb) == ("/srv", 30)
    assert data_after(KNOWN, other, delivered=True) == other
    assert data_after(KNOWN, None, delivered=True) is None


def test_the_schema_for_editors_says_the_same_of_a_place() -> None:
    """A place of the system's is marked while it is typed; one beside it is not."""
    validator = Draft202012Validator(DataVolume.model_json_schema())
    for mount in ("/srv", "/opt/db_1", "/data", "/variable", "/binaries/x"):
        assert validator.is_valid({"size_gb": 20, "mount": mount}), mount
    for mount in ("/", "/etc", "/var/lib/x", "/usr", "srv", "/srv/", "/srv/..", "/a-b"):
        assert not validator.is_valid({"size_gb": 20, "mount": mount}), mount
