"""The stack file that `farshore init` writes, from its answers.

Pure. An answer becomes one scalar, whatever it says: nothing in it can end its line or begin another key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import yaml

from plan.tables import hetzner

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9 ._/@+=-]*(?<! )")


@dataclass(frozen=True, kw_only=True)
class Side:
    """Where the hosts of one role stand, and whose they are.

    Args:
        location: Hetzner's name of the place.
        account: Name of the account.
        company: Its legal name.
        home: ISO 3166 code of its legal home.
    """

    location: str
    account: str
    company: str
    home: str

    def __str__(self) -> str:
        return f"{self.location}, {self.account}, {self.company}, {self.home}"


@dataclass(frozen=True, kw_only=True)
class WayIn:
    """The operator's own way in: an OpenSSH public key, and the networks that it may come from."""

    public_key: str
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the six questions were answered with, as it was typed.

    Args:
        stack: Pulumi's stack name.
        shields: Of the public side.
        origins: Of the hidden side.
        domain: The name that visitors use.
        port: Where the application answers, TCP.
        way_in: For the day when nothing else works; None leaves it out.
    """

    stack: str
    shields: Side
    origins: Side
    domain: str
    port: str
    way_in: WayIn | None = None


def stack_text(answers: Answers) -> str:
    """Return the stack file; it is as sound as the answers are, and the loader judges it."""
    tokens = [f"#   {command}" for command in token_commands(answers)]
    return "\n".join(
        [
            _HEAD.format(stack=answers.stack, tokens="\n".join(tokens)),
            *_accounts(answers.shields, answers.origins),
            _HOSTS.format(
                shield=_city(answers.shields.location),
                shields_account=_scalar(answers.shields.account),
                shields_location=_scalar(answers.shields.location),
                origins_account=_scalar(answers.origins.account),
                origins_location=_scalar(answers.origins.location),
                port=answers.port if re.fullmatch(r"[1-9][0-9]*", answers.port) else _scalar(answers.port),
                domain=_scalar(answers.domain),
                separate=", ".join(_kept_apart(answers)),
            ),
            *_break_glass(answers.way_in),
        ]
    )


def token_commands(answers: Answers, where: str = "") -> list[str]:
    """Return the commands that ask for the accounts' tokens.

    Args:
        answers: Sound ones.
        where: What the commands say of the stack, if not its name.
    """
    accounts = dict.fromkeys((answers.shields.account, answers.origins.account))
    where = where or f"--stack {answers.stack}"
    return [f"pulumi config set --secret --path 'farshore:secrets.tokens.{name}' {where}" for name in accounts]


def _kept_apart(answers: Answers) -> list[str]:
    """Return what the answers keep apart: the policy then demands that it stays so."""
    ours, theirs = answers.shields, answers.origins
    differing = [rule for rule in ("company", "home") if getattr(ours, rule) != getattr(theirs, rule)]
    return ["country", "account", *differing]


def _accounts(*sides: Side) -> list[str]:
    entries: dict[str, Side] = {}
    for side in sides:
        entries.setdefault(side.account, side)  # two of one name are one: the loader says that this can't be
    return [
        f"    {_scalar(name)}: {{company: {_scalar(side.company)}, home: {_scalar(side.home)}}}"
        for name, side in entries.items()
    ]


def _break_glass(way_in: WayIn | None) -> list[str]:
    if way_in is None:
        return [_NO_WAY_IN]
    sources = ", ".join(_scalar(source) for source in way_in.sources)
    return [_WAY_IN, f"    public_key: {_scalar(way_in.public_key)}", f"    sources: [{sources}]", ""]


def _city(location: str) -> str:
    known = hetzner().locations.get(location)
    return known.city.lower() if known else "shield"


def _scalar(text: str) -> str:
    """Return a text as a YAML scalar that every reader takes for this text, also inside brackets."""
    if _PLAIN.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    dumped: str = yaml.safe_dump(text, default_style='"', width=2**30, allow_unicode=True)
    return dumped.removesuffix("\n")


_HEAD: Final = """\
# yaml-language-server: $schema=docs/stack.schema.json
# Written by `farshore init`. Pulumi.prod.yaml explains every other choice, docs/reference.md every key.
#
# Before the first preview, give each account its API token (Hetzner console → the project → Security → API tokens,
# read and write). It is asked for and never echoed; only its encrypted form comes into this file:
#
#   pulumi stack init {stack}
{tokens}
config:
  # Nothing is ever made with an account that this file does not name.
  pulumi:disable-default-providers: ["*"]

  # One entry for each cloud project. `company` and `home` say whose courts can reach it: they are judged by `policy`.
  farshore:accounts:"""

_HOSTS: Final = """
  # Public hosts, which visitors reach. A slot is the host's number for ever: shield k is 10.0.k.1.
  farshore:shields:
    {shield}:
      slot: 0
      account: {shields_account}
      location: {shields_location}
      server_type: cx23 # 2 vCPU, 4 GB; where Hetzner has none left, cpx22 has the same for more money

  # Hidden hosts. They dial their shields and have no open port.
  farshore:origins:
    press:
      slot: 2 # 10.0.0.2, behind whichever shield
      account: {origins_account}
      location: {origins_location}
      server_type: cx23
      shields: [{shield}]
      # What the application offers at the tunnel address, and nowhere else: bind it to FARSHORE_ADDRESS, which stands
      # in /etc/farshore/tunnel.env.
      services:
        web: {{port: {port}}}
      # The origin's own cloud-config, joined with Farshore's at first boot: packages, files, commands.
      # setup: press.cloud-config.yaml

  # What visitors ask for, and who answers. With `passthrough` the visitor's TLS ends at the origin, which has the
  # certificate, and port 80 redirects to it; `none` is plain HTTP.
  farshore:domains:
    {domain}: {{origin: press, service: web, tls: passthrough}}

  # What must differ between a shield and each origin behind it. A breach stops the preview.
  farshore:policy:
    separate: [{separate}]

  # keep: public addresses are protected, and outlive `pulumi destroy --exclude-protected`, so that DNS stays true.
  farshore:addresses: keep
"""

_WAY_IN: Final = """\
  # The way in for the day when nothing else works: this key is admitted as root. Shields answer SSH from these networks
  # only; origins answer it through their shields alone.
  farshore:break_glass:"""

_NO_WAY_IN: Final = """\
  # The way in for the day when nothing else works: an ed25519 key of yours, admitted as root. Shields answer SSH from
  # these networks only; origins answer it through their shields alone. Without it, nothing outside answers SSH.
  # farshore:break_glass:
  #   public_key: ssh-ed25519 AAAA… operator@example.com
  #   sources: [192.0.2.0/24]
"""
