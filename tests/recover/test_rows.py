"""A state that is made anew from the hosts' keys: what stands at the accounts is adopted, and `up` changes nothing."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.labs import cloud_alone, unreached_stack_file
from tests.repair.standing import FARSHORE, ROOT, STACK, WITHIN_S, Standing
from tools.recover_rows import disturbances, founded, stashes_of
from tools.repair_stack import Patient
from tools.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.client import Lab

pytestmark = pytest.mark.lab


@pytest.fixture
def standing(tmp_path: Path) -> Iterator[Standing]:
    """A stack that was deployed."""
    with cloud_alone("rc", tmp_path / "cloud") as lab:
        found = begun(lab, tmp_path)
        found.up()
        yield found


def begun(lab: Lab, folder: Path) -> Standing:
    """Return a stack with nothing in its state, and a passphrase of its own."""
    work = Workspace(folder=folder / "pulumi", stack=STACK, endpoint=lab.endpoint)
    work.prepare(unreached_stack_file(folder), lab.tokens)
    return Standing(cloud=lab, work=work, engine=work.engine)


def made_anew(standing: Standing, keys: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return the first rows of a new state."""
    preview = standing.work.run(["preview", "--json", *standing.work.where])
    born = min(
        server.created for account in ("edge", "vault") for server in standing.door("servers", account).get_all()
    )
    tokens = standing.cloud.tokens
    export = standing.export()
    return founded(export, preview, keys=keys, tokens=tokens, born=born, make_id=lambda: str(uuid4()))


def test_a_lost_state_is_made_anew_and_nothing_that_stands_is_touched(standing: Standing, tmp_path: Path) -> None:
    """WireGuard's keys are the hosts', those that only the state had are new; every server and address is adopted."""
    before, ids = stashes_of(standing.export("--show-secrets")), standing.ids()
    of_hosts = {name: key for name, key in before.items() if not name.endswith(("-delivery", "-ssh-birth"))}
    shutil.rmtree(tmp_path / "pulumi")  # state, history, passphrase, and the tokens that it opens
    fresh = begun(standing.cloud, tmp_path)
    fresh.take(made_anew(fresh, of_hosts))
    patient = Patient(fresh.work, adopt=True, say=lambda _: None)
    seen = patient.look()
    assert {(one.wrong, one.remedy) for one in seen.differences} == {("orphan", "adopt")}
    assert patient.mend(seen).differences == ()
    assert disturbances(fresh.work.run(["preview", "--json", "--refresh", *fresh.work.where])) == []
    fresh.up()
    assert fresh.ids() == ids
    after = stashes_of(fresh.export("--show-secrets"))
    assert {name: after[name] for name in of_hosts} == of_hosts
    assert {name for name in after if after[name] != before[name]} == after.keys() - of_hosts.keys()
    fresh.check_mended()
    fresh.check_state_silent()


def test_without_the_rows_of_keys_servers_would_be_made_again(standing: Standing, tmp_path: Path) -> None:
    """The twin: to an empty state every object is an orphan that nothing can be adopted for."""
    shutil.rmtree(tmp_path / "pulumi")
    fresh = begun(standing.cloud, tmp_path)
    seen = Patient(fresh.work, adopt=True, say=lambda _: None).look()
    assert {one.remedy for one in seen.differences} == {"remove"}
    said = disturbances(fresh.work.run(["preview", "--json", *fresh.work.where]))
    assert "create Server farshore-vault.press-server" in said


@pytest.mark.long
def test_without_a_way_into_the_hosts_the_addresses_stay(standing: Standing, tmp_path: Path) -> None:
    """All keys are new; repair adopts what has none and names the servers to be removed; `up` makes others there."""
    former, ids = stashes_of(standing.export("--show-secrets")), standing.ids()
    addresses = {account: kept(standing, account) for account in ("edge", "vault")}
    shutil.rmtree(tmp_path / "pulumi")
    fresh = begun(standing.cloud, tmp_path)
    asked = farshore(fresh, "recover")
    assert (asked.returncode, "--identity: missing" in asked.stderr) == (2, True)
    asked = farshore(fresh, "recover", "--new-hosts")
    assert (asked.returncode, "nothing was changed; to go on: --yes" in asked.stdout) == (1, True)
    assert "resources" not in fresh.export()["deployment"]
    done = farshore(fresh, "recover", "--new-hosts", "--yes")
    assert done.returncode == 0, done.stderr
    assert fresh.ids() == ids
    looked = fresh.repair()
    assert looked.said.count("remove it, with all the data on it: it is older than today's keys") == 2
    assert looked.said.count("adopt it") == len(addresses) * 4
    assert fresh.repair("--without-state", "--yes").code == 0
    fresh.up("--refresh")
    assert {account: kept(fresh, account) for account in addresses} == addresses
    after = stashes_of(fresh.export("--show-secrets"))
    assert after.keys() == former.keys()
    assert not [name for name in after if after[name] == former[name]]
    again = farshore(fresh, "recover", "--new-hosts", "--yes")
    assert (again.returncode, "state: knows 10 resources of the accounts, allowed: none" in again.stderr) == (2, True)
    fresh.check_mended()


def kept(standing: Standing, account: str) -> set[str]:
    """Return the addresses of an account."""
    return {str(address.ip) for address in standing.door("primary_ips", account).get_all()}


def farshore(standing: Standing, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `farshore` for a stack, without a terminal; nothing that it says may be secret."""
    done = subprocess.run(
        [str(FARSHORE), words[0], *standing.where, *words[1:]],
        cwd=ROOT,
        env=standing.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )
    standing.check_silent(done.stdout + done.stderr)
    return done
