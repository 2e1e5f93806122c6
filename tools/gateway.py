"""`farshore gateway`: let a site in by the machine that carries its networks, and put it out again."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

import typer
from ruamel.yaml.comments import CommentedMap

from tools.device_commands import ConfigFile, InLab, Into, Psk, Shields, StackName, add_common, console, refusing
from tools.devices import let_in, write_files
from tools.stack_edit import EditError
from tools.target import find_target

app = typer.Typer(no_args_is_help=True, help="Sites behind a machine of their own: let one in, or put it out.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Of the gateway: lower-case letters, digits and dashes.")],
    *,
    lan: Annotated[list[str], typer.Option(help="A network behind it, office=192.168.50.0/24; again for more.")],
    nat: Annotated[list[str] | None, typer.Option(help="A LAN whose hosts know no way back; again for more.")] = None,
    stack: StackName = "prod",
    config_file: ConfigFile = None,
    lab: InLab = None,
    shields: Shields = None,
    psk: Psk = True,
    into: Into = Path(),
) -> None:
    """Make a gateway's key on this machine, write its public half into the stack file, and its files for wg-quick."""
    with refusing():
        entry = CommentedMap(shields=shields) if shields else CommentedMap()
        entry["lans"] = _lans(lan, nat or [])
        target = find_target(stack, config_file, lab)
        found = let_in(target, "gateway", name, entry, into=into, psk=psk)
    write_files(found)
    for path in found:
        console.print(f"{path}: for {name}, and for nobody else; it is not kept anywhere else")
    console.print(f"{target.file.name} has its public key; let it in with: {target.up}")
    console.print(f"say there who may reach its LANs (`from`), then: farshore gateway files {name}")


add_common(app, "gateway", "; on the gateway: wg-quick down and up again")


def _lans(said: list[str], nat: list[str]) -> CommentedMap:
    found = CommentedMap()
    for text in said:
        name, _, network = text.partition("=")
        try:
            found[name] = CommentedMap(network=str(ip_network(network)))
        except ValueError as error:
            allowed = "a name and a network, office=192.168.50.0/24"
            raise EditError(f"--lan: {text!r}, allowed: {allowed}; write it so") from error
    for name in nat:
        if name not in found:
            raise EditError(f"--nat: {name!r}, allowed: {', '.join(found)}; name a LAN of this gateway")
        found[name]["nat"] = True
    return found
