"""`farshore status`: what each host is, and how old its keys are."""

import json
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated

import typer
from rich.table import Table

from plan import Host
from plan.standing import read_standing
from tools.device_commands import ConfigFile, InLab, StackName, console, refusing
from tools.health import Health, findings, read_health
from tools.repair_state import StateError
from tools.rotation import RotationError, out_of_reach
from tools.rotation_hosts import Doors, open_doors
from tools.target import find_target

AT_ONCE = 8
AsJson = Annotated[bool, typer.Option("--json", help="For machines: `hosts` and `findings`.")]


def status(
    *, stack: StackName = "prod", config_file: ConfigFile = None, lab: InLab = None, as_json: AsJson = False
) -> None:
    """Show what each host is and how old its keys are; exit code 1 where something is to be done, which is said."""
    with refusing(RotationError, StateError):
        target = find_target(stack, config_file, lab)
        plan, outputs = target.plan(), target.work.outputs()
        standing = read_standing(outputs.get("standing"))
        unasked = {host.name: why for host in plan.hosts if (why := out_of_reach(host, standing))}
        within = [host for host in plan.hosts if host.name not in unasked]
        with open_doors(target.work, plan, outputs, within) as doors, ThreadPoolExecutor(AT_ONCE) as asking:
            healths = list(asking.map(partial(look, doors, unasked), plan.hosts))
    names = {host.name for host in plan.hosts}
    said = [line for one in healths for line in findings(one, max_key_age_days=plan.max_key_age_days, hosts=names)]
    if as_json:
        hosts = {one.host: one.as_output() for one in healths}
        sys.stdout.write(json.dumps({"hosts": hosts, "findings": said}, indent=2) + "\n")
    else:
        console.print(table(healths))
        for line in said:
            console.print(line)
    if said:
        raise typer.Exit(1)


def look(doors: Doors, unasked: Mapping[str, str], host: Host) -> Health:
    """Return how a host is; one that can't be asked says why, and does not keep the others."""
    if host.name in unasked:
        return Health(host.name, unasked=unasked[host.name])
    try:
        return read_health(host.name, doors.status(host))
    except RotationError as error:
        return Health(host.name, unasked=str(error))


def table(healths: list[Health]) -> Table:
    """Return a line for each host."""
    drawn = Table(box=None, pad_edge=False)
    for title in ("host", "state", "changed by hand", "last handshake", "oldest key", "user data left"):
        drawn.add_column(title)
    for one in healths:
        ages = [age for age in one.handshake_age_s.values() if age is not None]
        days = one.oldest_key_days
        drawn.add_row(
            one.host,
            "no answer" if one.unasked else one.state,
            str(len(one.drift)) if not one.unasked else "",
            f"{max(ages)} s ago" if ages else "",
            "" if days is None else f"{days} d",
            str(len(one.leftovers)) if not one.unasked else "",
        )
    return drawn
