"""The engine's own import: what it does for a firewall, and why no server is adopted by it (decision 0006)."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hcloud import Client
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.server_types import ServerType
from hcloud.servers import ServerCreatePublicNetwork

from tests.labs import cloud_alone
from tests.repair.standing import ROOT, Standing
from tools.workspace import STAND_IN, EngineError, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.xdist_group("repair")]

PROGRAM = """
import pulumi, pulumi_hcloud as hcloud
config = pulumi.Config("farshore")
token = config.require_secret_object("secrets").apply(lambda secrets: secrets["tokens"]["vault"])
wanted = pulumi.ResourceOptions(provider=hcloud.Provider("p", token=token), import_=str(config.require("id")))
"""
FIREWALL = (
    PROGRAM
    + """
rule = hcloud.FirewallRuleArgs(direction="in", protocol="tcp", port="443", source_ips=["0.0.0.0/0"])
hcloud.Firewall("wall", name="wall", rules=[rule], opts=wanted)
"""
)
SERVER = (
    PROGRAM
    + """
net = hcloud.ServerPublicNetArgs(ipv4_enabled=True, ipv4=int(config.require("ipv4")), ipv6_enabled=False)
hcloud.Server("host", name="host", server_type="cx23", image="debian-12", location="hel1", public_nets=[net], opts=wanted)
"""
)


@pytest.fixture(params=[str(STAND_IN), pytest.param("pulumi", marks=pytest.mark.pulumi)], ids=["stand-in", "pulumi"])
def bare(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Standing]:
    """An account, and a project without a program."""
    engine = shutil.which(request.param)
    if engine is None:
        pytest.skip("did not run: pulumi is not on PATH")
    project = tmp_path / "project"
    project.mkdir()
    runtime = f"runtime: {{name: python, options: {{virtualenv: {ROOT / '.venv'}}}}}\n"
    (project / "Pulumi.yaml").write_text(f"name: farshore\n{runtime}")
    with cloud_alone("i", tmp_path / "cloud", accounts=("vault",)) as lab:
        work = Workspace(folder=tmp_path / "pulumi", stack="mending", endpoint=lab.endpoint, project=project)
        work.__dict__["engine"] = engine
        yield Standing(cloud=lab, work=work, engine=engine)


def prepare(standing: Standing, program: str, **config: Any) -> None:
    """Write the program and what it is told."""
    folder = standing.work.project
    (folder / "__main__.py").write_text(program)
    lines = "".join(f"  farshore:{key}: '{value}'\n" for key, value in config.items())
    (folder / "stack.yaml").write_text(f"config:\n{lines}")
    standing.work.prepare(folder / "stack.yaml", standing.cloud.tokens)


def rows(standing: Standing, kind: str) -> list[dict[str, Any]]:
    """Return the rows of one type."""
    return [row for row in standing.export()["deployment"]["resources"] if row["type"].endswith(kind)]


def test_an_import_that_differs_is_followed_by_an_update(bare: Standing) -> None:
    """One row in the state, and the account has what the program asks for."""
    made = bare.door("firewalls").create(name="wall", rules=[]).firewall
    prepare(bare, FIREWALL, id=made.id)
    bare.work.run(["up", "--yes", "--skip-preview", "--non-interactive", *bare.where])
    (row,) = rows(bare, ":Firewall")
    assert (row["id"], row["inputs"]["rules"][0]["port"]) == (str(made.id), "443")
    assert [rule.port for rule in bare.door("firewalls").get_by_id(made.id).rules] == ["443"]
    bare.work.run(["preview", "--expect-no-changes", "--non-interactive", *bare.where])


def test_an_imported_server_loses_the_addresses_that_the_program_names(bare: Standing) -> None:
    """The provider's read does not tell publicNets: the update that follows deletes what was published."""
    client = Client(token=bare.cloud.tokens["vault"], api_endpoint=bare.cloud.endpoint)
    home = Location(name="hel1")
    address = client.primary_ips.create(type="ipv4", name="published", location=home).primary_ip
    net = ServerCreatePublicNetwork(ipv4=address, enable_ipv4=True, enable_ipv6=False)
    ordered = client.servers.create(
        name="host",
        server_type=ServerType(name="cx23"),
        image=Image(name="debian-12"),
        location=home,
        public_net=net,
    )
    ordered.action.wait_until_finished()
    prepare(bare, SERVER, id=ordered.server.id, ipv4=address.id)
    with pytest.raises(EngineError, match="not found"):
        bare.work.run(["up", "--yes", "--skip-preview", "--non-interactive", *bare.where])
    assert client.primary_ips.get_all() == []
