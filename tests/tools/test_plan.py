"""`farshore plan` reads a stack file as it lies there: no token, no passphrase, no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml
from typer.testing import CliRunner

from tests.plan.test_topologies import whole
from tools.__main__ import app

if TYPE_CHECKING:
    from pathlib import Path


def stack_file(folder: Path, **values: object) -> Path:
    """Write a stack file whose secrets are closed."""
    config: dict[str, object] = {f"farshore:{key}": value for key, value in whole(**values).items()}
    config["farshore:secrets"] = {"tokens": {"edge": {"secure": "v1:closed"}, "vault": {"secure": "v1:closed"}}}
    path = folder / "Pulumi.dev.yaml"
    path.write_text(yaml.safe_dump({"config": config}, sort_keys=False), encoding="utf-8")
    return path


def test_a_host_is_explained_with_the_line_of_each_reason(tmp_path: Path) -> None:
    """The line is where an editor finds it."""
    path = stack_file(tmp_path)
    done = CliRunner().invoke(
        app, ["plan", "--stack", "dev", "--config-file", str(path), "--explain", "db"], env={"COLUMNS": "200"}
    )
    assert done.exit_code == 0, done.output
    rows = path.read_text(encoding="utf-8").splitlines()
    services = next(at for at, row in enumerate(rows) if row.strip() == "pg:")
    line = next(at for at, row in enumerate(rows) if at > services and row.strip() == "from:") + 1
    assert "press on tcp 5432 (db/pg)" in done.output
    assert f"Pulumi.dev.yaml:{line} origins.db.services.pg.from" in done.output
    assert "v1:closed" not in done.output


def test_every_line_names_a_line_of_the_file_or_says_that_it_always_holds(tmp_path: Path) -> None:
    """A key that is left out is told where it would stand; one that is written is not called so."""
    path = stack_file(tmp_path)
    for host in ("falkenstein", "press", "db", "laptop", "site"):
        done = CliRunner().invoke(
            app, ["plan", "--stack", "dev", "--config-file", str(path), "--explain", host], env={"COLUMNS": "300"}
        )
        assert done.exit_code == 0, done.output
        for line in done.output.splitlines():
            if line.startswith("    ") and line.strip() != "nothing":
                assert "Pulumi.dev.yaml:" in line or "always: " in line, line
    press = CliRunner().invoke(app, ["plan", "--stack", "dev", "--config-file", str(path), "--explain", "press"])
    assert "origins.press.ssh, left out: its default" in " ".join(press.output.split())
    assert "origins.press.shields, left out" not in " ".join(press.output.split())


def test_all_hosts_and_devices_are_listed(tmp_path: Path) -> None:
    """Without a name the whole deployment is shown, with its warnings."""
    done = CliRunner().invoke(app, ["plan", "--stack", "dev", "--config-file", str(stack_file(tmp_path))])
    assert done.exit_code == 0, done.output
    for name in ("falkenstein", "ashburn", "press", "db", "replica", "laptop", "phone", "site"):
        assert name in done.output
    assert "warning: farshore:parties" in done.output


def test_the_last_line_says_what_a_month_costs(tmp_path: Path) -> None:
    """Of all hosts; of one host that is explained nothing is told of money."""
    path = stack_file(tmp_path)
    done = CliRunner().invoke(app, ["plan", "--stack", "dev", "--config-file", str(path)])
    last = done.output.splitlines()[-1]
    assert last.startswith("about ")
    assert "4 servers 21.96, 5 IPv4 addresses 2.50; without ashburn (cx23 in ash), for which they have none" in last
    one = CliRunner().invoke(app, ["plan", "--stack", "dev", "--config-file", str(path), "--explain", "db"])
    assert "EUR" not in one.output


def test_faults_of_the_file_are_told_and_nothing_else(tmp_path: Path) -> None:
    """Exit code 2, one message, no traceback."""
    path = stack_file(tmp_path, meshes={"back": {"slot": 0, "hosts": {"db": {}, "falkenstein": {}}}})
    done = CliRunner().invoke(app, ["plan", "--stack", "dev", "--config-file", str(path)])
    assert done.exit_code == 2
    assert "which have a tunnel already" in done.output
    assert "Traceback" not in done.output


def test_what_fits_no_user_data_is_refused_with_its_line(tmp_path: Path) -> None:
    """The same words as in Pulumi's preview, with the line of the host."""
    mesh = {f"s{n}": {"slot": n + 10, "account": "edge", "location": "fsn1"} for n in range(200)}
    shields = whole()["shields"] | mesh
    origins = whole()["origins"]
    origins["press"] = {**origins["press"], "shields": [*origins["press"]["shields"], *mesh]}
    path = stack_file(tmp_path, shields=shields, origins=origins)
    done = CliRunner().invoke(app, ["plan", "--stack", "dev", "--config-file", str(path)])
    assert done.exit_code == 2, done.output
    line = path.read_text(encoding="utf-8").splitlines().index("    press:") + 1
    assert f"  Pulumi.dev.yaml:{line}: farshore:origins.press: user data of " in done.output
    assert "peers fit, give it fewer shields and mesh links" in done.output


def test_a_host_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    """The names to choose from are in the message; so is a file that can't be read."""
    path = stack_file(tmp_path)
    done = CliRunner().invoke(app, ["plan", "--stack", "dev", "--config-file", str(path), "--explain", "dbb"])
    assert (done.exit_code, done.output) == (
        2,
        "--explain: 'dbb', allowed: falkenstein, ashburn, press, db, replica, laptop, phone, site; name one\n",
    )
    gone = CliRunner().invoke(app, ["plan", "--stack", "dev", "--config-file", str(tmp_path / "none.yaml")])
    assert gone.exit_code == 2
    assert "FileNotFoundError, allowed: a stack file that can be read" in gone.output
