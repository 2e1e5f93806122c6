"""`addresses: keep` outlives a destroy and a careless edit; `release` gives back. Shown at the API, without machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hcloud import Client

from tests.labs import cloud_alone, unreached_stack_file
from tools.workspace import EngineError, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.client import Lab

pytestmark = pytest.mark.lab


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Lab]:
    """A cloud without machines."""
    with cloud_alone("fa", tmp_path / "cloud") as lab:
        yield lab


def addresses(cloud: Lab) -> dict[str, str]:
    """Return the public addresses of both accounts, by name."""
    return {
        str(address.name): str(address.ip)
        for token in cloud.tokens.values()
        for address in Client(token=token, api_endpoint=cloud.endpoint).primary_ips.get_all()
    }


def servers(cloud: Lab) -> dict[str, tuple[str, int]]:
    """Return each server's IPv4 address and id."""
    return {
        str(server.name): (str(server.public_net.ipv4.ip), int(server.id or 0))
        for token in cloud.tokens.values()
        for server in Client(token=token, api_endpoint=cloud.endpoint).servers.get_all()
        if server.public_net and server.public_net.ipv4
    }


def set_addresses(work: Workspace, value: str) -> None:
    """Write one key of the stack file."""
    set_values(work, **{"farshore:addresses": value})


def set_values(work: Workspace, **values: Any) -> None:
    """Write keys of the stack file; None takes an origin out of it."""
    content: dict[str, Any] = yaml.safe_load(work.stack_file.read_text(encoding="utf-8"))
    for key, value in values.items():
        *parents, last = key.split(".")
        place = content["config"]
        for parent in parents:
            place = place[parent]
        if value is None:
            del place[last]
        else:
            place[last] = value
    work.stack_file.write_text(yaml.safe_dump(content), encoding="utf-8")


def test_kept_addresses_outlive_destroy_and_are_used_again(cloud: Lab, tmp_path: Path) -> None:
    """Destroyed and made anew: other servers and other keys at the same addresses; then released, all is empty."""
    work = Workspace(folder=tmp_path / "pulumi", stack="kept", endpoint=cloud.endpoint)
    work.prepare(unreached_stack_file(tmp_path), cloud.tokens)
    set_addresses(work, "keep")
    where = ["--stack", "kept", "--config-file", str(work.stack_file), "--yes", "--skip-preview"]
    work.run(["up", *where])
    first, machines, keys = addresses(cloud), servers(cloud), work.outputs()["tunnels"]
    assert len(first) == 4
    with pytest.raises(EngineError, match="protected"):
        work.run(["destroy", *where])
    work.run(["destroy", *where, "--exclude-protected"])
    assert addresses(cloud) == first
    assert servers(cloud) == {}
    work.run(["up", *where])
    assert addresses(cloud) == first
    again = servers(cloud)
    assert {name: address for name, (address, _) in again.items()} == {n: a for n, (a, _) in machines.items()}
    assert all(again[name][1] != machines[name][1] for name in machines)
    assert all(work.outputs()["tunnels"][name]["public_key"] != keys[name]["public_key"] for name in keys)
    set_addresses(work, "release")
    work.run(["up", *where])
    work.run(["destroy", *where])
    assert addresses(cloud) == {}
    assert not any(found for account in cloud.door.ask("GET", "objects").values() for found in account.values())


def test_a_host_with_kept_addresses_is_taken_out_in_two_steps(cloud: Lab, tmp_path: Path) -> None:
    """At once is refused with the way, and nothing is touched; released by one `up`, it goes with the next."""
    work = Workspace(folder=tmp_path / "pulumi", stack="kept", endpoint=cloud.endpoint)
    work.prepare(unreached_stack_file(tmp_path), cloud.tokens)
    where = ["--stack", "kept", "--config-file", str(work.stack_file), "--yes", "--skip-preview"]
    drop = {"slot": 3, "account": "vault", "location": "hel1", "shields": ["falkenstein"]}
    set_values(work, **{"farshore:addresses": "keep", "farshore:origins.drop": drop})
    work.run(["up", *where])
    before, machines = addresses(cloud), servers(cloud)
    assert len(before) == 6

    set_values(work, **{"farshore:origins.drop": None})
    for verb in (["preview", *where[:-2]], ["up", *where]):
        with pytest.raises(EngineError, match=r"origins\.drop: taken out, allowed: a host, as long as its public addr"):
            work.run(verb)
    assert (addresses(cloud), servers(cloud)) == (before, machines)

    set_values(work, **{"farshore:origins.drop": {**drop, "addresses": "release"}})
    assert "farshore:origins.drop.addresses: kept to released" in work.run(["up", *where])
    assert (addresses(cloud), servers(cloud)) == (before, machines)
    set_values(work, **{"farshore:origins.drop": None})
    work.run(["up", *where])
    gone = {name for name in before if "drop" in name}
    assert len(gone) == 2
    assert addresses(cloud) == {name: address for name, address in before.items() if name not in gone}
    assert servers(cloud) == {name: at for name, at in machines.items() if "drop" not in name}
    with pytest.raises(EngineError, match="protected"):
        work.run(["destroy", *where])
