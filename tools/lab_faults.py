"""`farshore lab cut`, `slow`, `cut-power` and so on: break the world of a lab on purpose, and heal it."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from lab.client import Lab, LabError
from lab.faults.model import (
    MOMENTARY,
    Blackhole,
    Block,
    Cut,
    CutPower,
    Fault,
    FaultError,
    FillDisk,
    HideMetadata,
    Narrow,
    Outage,
    Reboot,
    Reset,
    SilenceResolver,
    SkewClock,
    Slow,
    fault_figures,
    fault_name,
    say_wrong,
)
from tools.deployment import hosts_of
from tools.workspace import ROOT

app = typer.Typer()
console = Console(highlight=False)
PANEL = "Break it on purpose"
LABS = ROOT / ".lab"
T = TypeVar("T")

Name = Annotated[str, typer.Option(help="The lab's name.")]
Host = Annotated[str, typer.Argument(help="A host of the deployment, or a server.")]
End = Annotated[
    str, typer.Argument(help="A host of the deployment, a server, or a place: visitor, operator, attacker.")
]
Other = Annotated[str | None, typer.Argument(help="The other end; everybody, if there is none.")]


@app.command(rich_help_panel=PANEL)
def cut(host: End, name: Name = "lab") -> None:
    """Unplug a host: nothing comes in or goes out."""
    _inject(name, lambda word: Cut(word(host)))


@app.command(rich_help_panel=PANEL)
def block(
    one: End,
    other: Other = None,
    *,
    protocol: Annotated[Literal["tcp", "udp", "icmp"] | None, typer.Option(help="Only this one.")] = None,
    port: Annotated[int | None, typer.Option(help="Only to or from this port.")] = None,
    family: Annotated[Literal["ipv4", "ipv6"] | None, typer.Option(help="Only this IP version.")] = None,
    name: Name = "lab",
) -> None:
    """Drop what two ends send each other, without a word, as a provider's filter does."""
    _inject(name, lambda word: Block(word(one), other and word(other), protocol=protocol, port=port, family=family))


@app.command(rich_help_panel=PANEL)
def slow(
    one: End,
    other: Other = None,
    *,
    latency_ms: Annotated[float, typer.Option(help="Added in each direction.")] = 0,
    jitter_ms: Annotated[float, typer.Option(help="The latency varies by this much, up and down.")] = 0,
    loss: Annotated[float, typer.Option(help="Part of the packets that is lost: 0.01.")] = 0,
    rate_mbit: Annotated[float, typer.Option(help="What gets through in each direction; 0: all.")] = 0,
    reorder: Annotated[float, typer.Option(help="Part of the packets that overtakes.")] = 0,
    name: Name = "lab",
) -> None:
    """Make the way between two ends a long or a bad one; again with other figures, it changes."""
    _inject(
        name,
        lambda word: Slow(
            word(one),
            other and word(other),
            latency_ms=latency_ms,
            jitter_ms=jitter_ms,
            loss_ratio=loss,
            rate_mbit=rate_mbit,
            reorder_ratio=reorder,
        ),
    )


@app.command(rich_help_panel=PANEL)
def blackhole(
    host: Host,
    larger_than_bytes: Annotated[int, typer.Option(help="Largest packet that gets through: 1280-1499.")] = 1400,
    name: Name = "lab",
) -> None:
    """Lose larger packets from and to a host, and tell nobody."""
    _inject(name, lambda word: Blackhole(word(host), larger_than_bytes=larger_than_bytes))


@app.command(rich_help_panel=PANEL)
def narrow(
    host: Host,
    mtu_bytes: Annotated[int, typer.Option(help="Of the host's way to the internet: 1280-1499.")] = 1400,
    name: Name = "lab",
) -> None:
    """Give a host's way a smaller MTU, as an honest router does: it says what fits."""
    _inject(name, lambda word: Narrow(word(host), mtu_bytes=mtu_bytes))


@app.command(rich_help_panel=PANEL)
def outage(
    location: Annotated[str, typer.Argument(help="The provider's name of it: fsn1.")], name: Name = "lab"
) -> None:
    """Take a provider's location off the internet."""
    _inject(name, lambda _: Outage(location))


@app.command(rich_help_panel=PANEL)
def hide_metadata(
    host: Host,
    *,
    refuse: Annotated[bool, typer.Option("--refuse", help="Reset the connection; else silence.")] = False,
    name: Name = "lab",
) -> None:
    """Keep the metadata service from a host."""
    _inject(name, lambda word: HideMetadata(word(host), answer="refusal" if refuse else "silence"))


@app.command(rich_help_panel=PANEL)
def silence_resolver(host: End, name: Name = "lab") -> None:
    """Have the provider's resolvers answer a host nothing."""
    _inject(name, lambda word: SilenceResolver(word(host)))


@app.command(rich_help_panel=PANEL)
def cut_power(host: Host, name: Name = "lab") -> None:
    """Take the data centre's power from a server; its API goes on saying that it runs."""
    _inject(name, lambda word: CutPower(word(host)))


@app.command(rich_help_panel=PANEL)
def reset(host: Host, name: Name = "lab") -> None:
    """Cut a server's power and give it back at once."""
    _inject(name, lambda word: Reset(word(host)))


@app.command(rich_help_panel=PANEL)
def reboot(host: Host, name: Name = "lab") -> None:
    """Have a machine reboot cleanly."""
    _inject(name, lambda word: Reboot(word(host)))


@app.command(rich_help_panel=PANEL)
def fill_disk(
    host: Host,
    free_mib: Annotated[float, typer.Option(min=0, help="What can still be written.")] = 0,
    name: Name = "lab",
) -> None:
    """Fill a machine's disk."""
    _inject(name, lambda word: FillDisk(word(host), free_bytes=int(free_mib * (1 << 20))))


@app.command(rich_help_panel=PANEL)
def skew_clock(
    host: Host,
    seconds: Annotated[float, typer.Option(help="Ahead of the time; behind it if negative.")],
    name: Name = "lab",
) -> None:
    """Set a virtual machine's clock wrong."""
    _inject(name, lambda word: SkewClock(word(host), skew_s=seconds))


@app.command(rich_help_panel=PANEL)
def faults(name: Name = "lab") -> None:
    """Say what is wrong now."""
    found = _refusing(lambda: Lab.open(LABS / name).faults())
    if not found:
        console.print("nothing is wrong")
        return
    table = Table("fault", "how", box=None, pad_edge=False)
    for fault in found:
        table.add_row(fault_name(fault), _how(fault))
    console.print(table)


@app.command(rich_help_panel=PANEL)
def heal(
    words: Annotated[
        list[str] | None, typer.Argument(help="Of one fault, as `faults` lists it, or of several; all without any.")
    ] = None,
    name: Name = "lab",
) -> None:
    """End faults: heal; heal slow; heal press; heal block falkenstein press udp 51820."""
    lab = _refusing(lambda: Lab.open(LABS / name))
    found = _refusing(lab.faults)
    meant = [fault_name(fault) for fault in found if _fits(lab, fault, words or [])]
    if words and not meant:
        known = "; ".join(fault_name(fault) for fault in found) or "nothing is wrong"
        _refuse(f"fault: {' '.join(words)!r}, allowed: words of one that lasts ({known}); see: farshore lab faults")
    for fault in reversed(meant):  # power comes back before what is to be mended in the machine
        with console.status(f"healing: {fault}"):
            _refusing(partial(lab.heal, fault))
        console.print(f"healed: {fault}")


def _inject(name: str, make: Callable[[Callable[[str], str]], Fault]) -> None:
    lab = _refusing(lambda: Lab.open(LABS / name))
    fault = _refusing(lambda: make(lambda word: server_of(lab, word)))
    with console.status(fault_name(fault)):
        _refusing(lambda: lab.inject(fault))
    how = _how(fault)
    lasts = "" if isinstance(fault, MOMENTARY) else f"; to end it: farshore lab heal {fault_name(fault)}"
    console.print(f"{fault_name(fault)}{f' ({how})' if how else ''}{lasts}", soft_wrap=True)


def server_of(lab: Lab, word: str) -> str:
    """Return what the lab calls a host of the deployment; its own names are left as they are.

    Raises:
        LabError: Nobody has the name.
    """
    world = lab.world()
    known = {*world["places"], *(machine["name"] for machine in world["machines"])}
    known |= {str(machine["server_id"]) for machine in world["machines"]}
    return word if word in known else hosts_of(lab).named(word).server_name


def _fits(lab: Lab, fault: Fault, words: list[str]) -> bool:
    """Tell whether all words are the fault's; a host may be called as the deployment does."""
    own = fault_name(fault).split()
    if all(word in own for word in words):
        return True
    meant = {host.name: host.server_name for host in hosts_of(lab).all}
    return all(word in own or meant.get(word) in own for word in words)


def _how(fault: Fault) -> str:
    figures = fault_figures(fault).items()
    return ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in figures)


def _refuse(reason: str) -> NoReturn:
    sys.stderr.write(f"{reason}\n")
    raise typer.Exit(2)


def _refusing(do: Callable[[], T]) -> T:
    """Do something, and end with one message where it is refused."""
    try:
        return do()
    except ValidationError as error:
        _refuse(say_wrong(error))
    except (FaultError, LabError, OSError) as error:
        _refuse(str(error))
