"""`farshore init`: six questions, and a stack file that previews cleanly."""

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from pydantic import TypeAdapter, ValidationError

from plan import Plan, StackError, check
from plan.cost import tell_cost
from plan.faults import Fault
from plan.spoken import faults_of
from plan.tables import hetzner
from plan.values import Name
from tools.init_text import Answers, Side, WayIn, stack_text, token_commands
from tools.plan import read_config, read_plan
from tools.stack_edit import replace_file
from tools.workspace import ROOT

REFUSED: Final = 2
PLACES: Final = ", ".join(f"{name} ({one.city}, {one.country})" for name, one in hetzner().locations.items())
INTRODUCTION: Final = f"""\
Enter takes what stands in brackets; of a list, what is left out at its end stays.
Locations: {PLACES}"""
SHIELDS: Final = Side(location="fsn1", account="edge", company="Hetzner Online GmbH", home="DE")
# What opens a stack's secrets stands in its file and nowhere else.
SEALED: Final = re.compile(r"^(encryptionsalt|encryptedkey):|\bsecure:", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing to be said.

    Args:
        text: What a person is asked.
        default: What Enter answers, by what was said before.
        put: Returns the answers with this one.
        given: By its option; then nobody is asked.
    """

    text: str
    default: Callable[[Answers], str]
    put: Callable[[Answers, str], Answers]
    given: str | None


def init(
    *,
    stack: Annotated[str | None, typer.Option(help="Pulumi's stack name: the file is Pulumi.<stack>.yaml.")] = None,
    shields: Annotated[
        str | None, typer.Option(metavar="LOCATION[,ACCOUNT[,COMPANY[,HOME]]]", help="Where visitors come in.")
    ] = None,
    origins: Annotated[
        str | None, typer.Option(metavar="LOCATION[,ACCOUNT[,COMPANY[,HOME]]]", help="Where the hidden hosts stand.")
    ] = None,
    domain: Annotated[str | None, typer.Option(help="The name that visitors use.")] = None,
    port: Annotated[str | None, typer.Option(help="Where the application answers TLS, at its tunnel address.")] = None,
    break_glass: Annotated[
        str | None, typer.Option(metavar="'KEY from NETWORK[,…]'", help="SSH for bad days; empty for none.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: what no option says is the default.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that has no secrets yet.")] = False,
    config_file: Annotated[Path | None, typer.Option(readable=False, help="Write to another file.")] = None,
) -> None:
    """Ask six questions and write a stack file that previews cleanly."""

    def file_of(answers: Answers) -> Path:
        return config_file or ROOT / f"Pulumi.{answers.stack}.yaml"

    def named(answers: Answers, said: str) -> Answers:
        found = replace(answers, stack=_stack_name(said))
        _refuse_existing(file_of(found), overwrite=overwrite)
        return found

    questions = (
        Question(text="Name of the stack", default=lambda answers: answers.stack, put=named, given=stack),
        Question(
            text="Shields: location, account, company, its legal home",
            default=lambda answers: str(answers.shields),
            put=_put_shields,
            given=shields,
        ),
        Question(
            text="Origins: location, account, company, its legal home",
            default=lambda answers: str(answers.origins),
            put=lambda answers, said: replace(answers, origins=_side(said, answers.origins)),
            given=origins,
        ),
        Question(
            text="Domain",
            default=lambda answers: answers.domain,
            put=lambda answers, said: replace(answers, domain=said),
            given=domain,
        ),
        Question(
            text="Port of the application, which answers TLS",
            default=lambda answers: answers.port,
            put=lambda answers, said: replace(answers, port=said),
            given=port,
        ),
        Question(
            text="SSH for bad days: `<ed25519 public key> from <networks>`, or nothing",
            default=lambda _: "",
            put=lambda answers, said: replace(answers, way_in=_way_in(said)),
            given=break_glass,
        ),
    )
    answers = Answers(stack="live", shields=SHIELDS, origins=_far_from(SHIELDS), domain="www.example.com", port="8443")
    if not yes:
        typer.echo(INTRODUCTION)
    for number, question in enumerate(questions, 1):
        answers = _settle(question, answers, f"{number}/{len(questions)}", yes=yes)
    file, text = file_of(answers), stack_text(answers)
    try:
        if overwrite and file.exists():
            replace_file(file, text)
        else:
            with file.open("x", encoding="utf-8") as opened:
                opened.write(text)
    except OSError as error:
        _refuse(f"{file}: {error.__class__.__name__}, allowed: a new file in a folder of yours; name another")
    _tell(answers, file, config_file)


def _settle(question: Question, answers: Answers, number: str, *, yes: bool) -> Answers:
    """Return the answers with one more that the loader takes, asked for until it does."""
    asked = question.given is None and not yes
    while True:
        default = question.default(answers)
        said = question.given if question.given is not None else default
        if asked:
            said = str(typer.prompt(f"{number} {question.text}", default=default, show_default=bool(default)))
        try:
            found = question.put(answers, _one_line(said))
            _read(found)
        except StackError as error:
            wrong = "\n".join(str(fault) for fault in error.faults)
        else:
            return found
        if not asked:
            _refuse(wrong)
        typer.echo(wrong, err=True)


def _read(answers: Answers) -> Plan:
    """Return the plan of the file as it would be now; what is not asked yet has its default."""
    text = stack_text(answers)
    plan = read_plan(read_config(text), text, stack=answers.stack, folder=ROOT)
    findings = check(plan)
    if findings:
        raise StackError(
            Fault("farshore", text, "a safe plan", "this is a fault of ours: report it") for text in findings
        )
    return plan


def _one_line(said: str) -> str:
    if not said.isprintable():
        raise StackError([Fault("an answer", repr(said), "one line of text", "leave out what can't be seen")])
    return said.strip()


def _stack_name(said: str) -> str:
    try:
        name: str = TypeAdapter(Name).validate_python(said)
    except ValidationError as error:
        raise StackError(faults_of("--stack", error, given=said, kind=Name)) from None
    return name


def _refuse_existing(file: Path, *, overwrite: bool) -> None:
    """Raise where a file would be lost that nobody gave up, or that can't be had again."""
    if not file.exists():
        return
    if not overwrite:
        raise StackError([Fault(file.name, "there already", "a new file", "name another stack, or say --overwrite")])
    try:
        before = file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        found = error.__class__.__name__
        raise StackError([Fault(file.name, found, "a file that can be read", "name another")]) from error
    if SEALED.search(before):
        raise StackError([Fault(file.name, "holds secrets", "a file without", "move it away yourself, or edit it")])


def _put_shields(answers: Answers, said: str) -> Answers:
    side = _side(said, answers.shields)
    return replace(answers, shields=side, origins=_far_from(side))


def _side(said: str, before: Side) -> Side:
    """Return a side as `location, account, company, home`; what is left out at the end stays as it was."""
    parts = [part.strip() for part in said.split(",")]
    told = dict(zip(("location", "account", "company"), parts, strict=False))
    if len(parts) > 3:  # a company's name may have commas: its home is the last part
        told |= {"company": ", ".join(parts[2:-1]), "home": parts[-1]}
    return replace(before, **told)


def _far_from(side: Side) -> Side:
    """Return what is offered to origins: another country and another account than their shields'."""
    places = hetzner().locations
    country = places[side.location].country if side.location in places else None
    location = "hel1" if country != "FI" else "fsn1"
    return replace(SHIELDS, location=location, account="vault" if side.account != "vault" else "edge")


def _way_in(said: str) -> WayIn | None:
    """Return a way in from `<public key> from <network>, <network>`; None where nothing is said."""
    if not said:
        return None
    key, between, networks = said.rpartition(" from ")
    if not between:
        remedy = "say `<key> from <networks>`: shields answer SSH from these alone"
        raise StackError([Fault("farshore:break_glass.sources", "nothing", "at least one network", remedy)])
    return WayIn(public_key=key.strip(), sources=tuple(part.strip() for part in networks.split(",")))


def _tell(answers: Answers, file: Path, config_file: Path | None) -> None:
    """Say what was written, what it costs, and what to type next."""
    typer.echo(f"{file} is written; {tell_cost(_read(answers))}. Next:")
    named = f"--stack {answers.stack}"
    where = f"{named} --config-file {shlex.quote(str(config_file))}" if config_file else named
    for command in (f"pulumi stack init {answers.stack}", *token_commands(answers, where), f"pulumi preview {where}"):
        typer.echo(f"  {command}")


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(REFUSED)
