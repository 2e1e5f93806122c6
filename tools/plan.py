"""`farshore plan`: what a stack file asks for, without Pulumi, tokens or passphrase."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cloud_init import RenderError, draft_user_data
from plan import Plan, StackError, check, load, located, make_plan
from plan.cost import tell_cost
from plan.explain import TOPICS, explain, title
from plan.faults import Fault
from plan.lines import find_lines, line_of
from plan.stack import TOKEN_LENGTH
from tools.workspace import ROOT

console = Console(highlight=False)
PROJECT: Final = "farshore"
REFUSED: Final = 2


def plan(
    stack: Annotated[str, typer.Option(help="Pulumi's stack name: its file is Pulumi.<stack>.yaml.")],
    config_file: Annotated[Path | None, typer.Option(readable=False, help="Another stack file.")] = None,
    host: Annotated[str | None, typer.Option("--explain", metavar="HOST", help="Tell all of one host.")] = None,
) -> None:
    """Say what a stack file asks for: hosts and tunnels, or all that one host may do and why."""
    file = config_file or ROOT / f"Pulumi.{stack}.yaml"
    try:
        text = file.read_text(encoding="utf-8")
        config = read_config(text)
        found = read_plan(config, text, stack=stack, folder=ROOT)
        draft_user_data(found.hosts)
    except RenderError as error:
        _refuse(str(located(error, text, config, project=PROJECT, stack=stack)))
    except (OSError, UnicodeDecodeError) as error:
        _refuse(f"{file}: {error.__class__.__name__}, allowed: a stack file that can be read; name another")
    except StackError as error:
        _refuse(str(error))
    findings = check(found)
    if findings:
        _refuse("\n".join(f"{finding}: this is a fault of ours: report it" for finding in findings))
    if host is None:
        _show(found)
        return
    names = [one.name for one in found.everybody]
    if host not in names:
        _refuse(f"--explain: {host!r}, allowed: {', '.join(names)}; name one")
    _explain(found, host, find_lines(text, config, project=PROJECT), file.name)


def read_config(text: str) -> dict[str, Any]:
    """Return the values of a stack file in the project's namespace; empty where it has none.

    Raises:
        StackError: It is no YAML.
    """
    try:
        said = YAML(typ="safe", pure=True).load(text)  # version 1.2's booleans, as Pulumi reads it: NO is a country
    except (YAMLError, ValueError, RecursionError) as error:
        at = getattr(error, "problem_mark", None)
        where = f"line {at.line + 1}" if at else "the file"
        # Of a key that stands twice the message would have the values.
        problem = str(getattr(error, "problem", error)).partition(" with value")[0].partition("\n")[0]
        raise StackError([Fault(where, problem, "YAML as Pulumi reads it", "correct it")]) from None
    values = said.get("config") if isinstance(said, dict) else None
    if not isinstance(values, dict):
        return {}
    prefix = f"{PROJECT}:"
    return {str(key).removeprefix(prefix): value for key, value in values.items() if str(key).startswith(prefix)}


def read_plan(config: Mapping[str, Any], text: str, *, stack: str, folder: Path) -> Plan:
    """Return the plan of a stack file; what is secret in it stays closed, and no plan depends on it.

    Raises:
        StackError: With every fault of the file but those of its secrets.
    """
    from components.reading import named_files

    accounts = config.get("accounts")
    tokens = dict.fromkeys(accounts if isinstance(accounts, dict) else (), "0" * TOKEN_LENGTH)
    loaded, _ = load(
        {**config, "secrets": {"tokens": tokens}},
        project=PROJECT,
        stack=stack,
        day=datetime.now(UTC).date(),
        files=named_files(config, folder),
        text=text,
    )
    return make_plan(loaded)


def _show(found: Plan) -> None:
    table = Table("host", "what", "country", "account", "tunnel address", "tunnels", box=None, pad_edge=False)
    for host in found.hosts:
        tunnels = ", ".join(dict.fromkeys(peer.name for one in host.interfaces for peer in one.peers))
        table.add_row(host.name, host.role, host.country, host.account, f"{host.address}\n{host.address6}", tunnels)
    for device in found.devices:
        addresses = "\n".join(str(tunnel.addresses[0].ip) for tunnel in device.tunnels)
        table.add_row(device.name, device.kind, "", "", addresses, ", ".join(t.shield for t in device.tunnels))
    console.print(table)
    for warning in found.warnings:
        console.print(f"warning: {warning}", soft_wrap=True, markup=False)
    console.print(tell_cost(found), soft_wrap=True, markup=False)


def _explain(found: Plan, host: str, lines: Mapping[str, int], file: str) -> None:
    console.print(title(found, host), soft_wrap=True, markup=False)
    said = explain(found, host)
    for topic in TOPICS:
        console.print(f"  {topic}")
        rows = [one for one in said if one.topic == topic]
        width = max((len(one.text) for one in rows), default=0)
        for one in rows:
            because = _reason(one.because, lines, file)
            console.print(f"    {one.text:{width}}  [dim]{escape(because)}[/dim]", soft_wrap=True)
        if not rows:
            console.print("    nothing")


def _reason(because: str, lines: Mapping[str, int], file: str) -> str:
    """Return where a key stands; of one that is left out, where it would."""
    line = line_of(because, lines) if because.startswith(f"{PROJECT}:") else None
    left_out = "" if because in lines else ", left out: its default"
    return f"{file}:{line} {because.removeprefix(f'{PROJECT}:')}{left_out}" if line else because


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(REFUSED)
