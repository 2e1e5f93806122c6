"""`farshore replace` and `farshore resize`: another server for a host, or another size of the same one.

The engine deletes a server before it orders its successor, which has the same name and addresses; so it is looked first
whether there is one to be had. Another size switches a server off, and its provider leaves it so: it is switched on
here.
"""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from plan import Host, Plan, StackError
from plan.moves import find_moves
from tools.device_commands import ConfigFile, InLab, StackName, console, refusing
from tools.repair_stack import HETZNER
from tools.stack_edit import EditError, edit, section
from tools.stock import Stock, StockError
from tools.target import Target, find_target

HostName = Annotated[str, typer.Argument(metavar="HOST", help="In the stack file.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


def replace(
    name: HostName, *, stack: StackName = "prod", config_file: ConfigFile = None, lab: InLab = None, yes: Yes = False
) -> None:
    """Replace a host's server by a new one, after a look whether there is one to be had."""
    with _refusing():
        target = find_target(stack, config_file, lab)
        host = _host(_plan(target), name)
        _require(target, host)
    console.print(f"{name}: a {host.server_type} with {host.image} is to be had in {host.location}")
    _agree(f"what is on the disk of {name} goes with its server", yes=yes)
    _up(target, "--replace", f"**::{_resource(host)}-server")
    console.print(f"{name}: has a new server")


def resize(
    name: HostName,
    server_type: Annotated[str, typer.Argument(help="Hetzner's name of the machine, as `cx33`.")],
    *,
    stack: StackName = "prod",
    config_file: ConfigFile = None,
    lab: InLab = None,
    yes: Yes = False,
) -> None:
    """Give a host's server another size: it is off for that moment, and is switched on and waited for."""
    with _refusing():
        target = find_target(stack, config_file, lab)
        host = _host(_plan(target), name)
        if host.server_type == server_type:
            raise EditError(f"{host.key}.server_type: {server_type!r} already, allowed: another; choose one")
        _require(target, host, resized=server_type)
    _agree(f"{name} is off for a moment, and its disk can't become smaller again", yes=yes)
    with _refusing():
        edit(target.file, stack=target.stack, change=_with_type(host, server_type))
    _up(target)
    delivered = target.standing().hosts[name].delivery
    beside = "answers over SSH" if delivered else "delivery does not reach it: see that its domains answer"
    console.print(f"{name}: is a {server_type}, and on; {beside}")


def _refusing() -> Any:
    return refusing(StockError)


def _plan(target: Target) -> Plan:
    """Return what the stack file plans.

    Raises:
        EditError: There is no such file.
        StackError: It has faults, or would have a host move.
    """
    plan = target.plan()
    if moves := tuple(find_moves(plan, target.standing())):
        raise StackError(moves)
    return plan


def _host(plan: Plan, name: str) -> Host:
    for host in plan.hosts:
        if host.name == name:
            return host
    raise EditError(f"host: {name!r}, allowed: {', '.join(host.name for host in plan.hosts)}; name one")


def _require(target: Target, host: Host, *, resized: str = "") -> None:
    stock = Stock(host.account, token=_token(target, host), endpoint=_endpoint(target))
    try:
        stock.require(host, resized=resized)
    except StockError as error:
        raise StockError(f"{error}\nnothing was changed") from error


def _with_type(host: Host, server_type: str) -> Callable[[Any], None]:
    def change(config: Any) -> None:
        section(config, f"{host.role}s")[host.name]["server_type"] = server_type

    return change


def _token(target: Target, host: Host) -> str:
    path = f"farshore:secrets.tokens.{host.account}"
    return target.work.run(["config", "get", "--path", path, *target.work.where]).strip()


def _endpoint(target: Target) -> str:
    return target.work.environment.get("HCLOUD_ENDPOINT", HETZNER)


def _resource(host: Host) -> str:
    return f"farshore-{host.account}.{host.name}"


def _agree(what: str, *, yes: bool) -> None:
    """Ask, where there is somebody to ask.

    Raises:
        typer.Exit: Nobody has said yes; nothing was changed.
    """
    if yes:
        return
    if not sys.stdin.isatty() or not typer.confirm(f"{what}; go on?"):
        console.print(f"{what}\nnothing was changed; to do it, run it again with --yes")
        raise typer.Exit(1)


def _up(target: Target, *flags: str) -> None:
    """Deploy before the user's eyes.

    Raises:
        typer.Exit: It failed, and has said why.
    """
    with _refusing():
        code = target.deploy(*flags)
    if code:
        raise typer.Exit(code)
