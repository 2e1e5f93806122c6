"""The command line's grammar: which verbs there are, and their flags.

Light on purpose: a verb's module is imported when the verb is called for.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Handler = Callable[[argparse.Namespace], int]

FAILED: Final = 1
MISUSED: Final = 2
NO_STACK: Final = 6
UNEXPECTED: Final = 7
CANCELED: Final = 8
INTERNAL: Final = 255

VERSION: Final = "3.255.0"


class CommandError(Exception):
    """A command that can't be carried out; `code` is its exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


def main(arguments: Sequence[str]) -> int:
    """Carry out one command and return its exit code."""
    parser = make_parser()
    asked, rest = parser.parse_known_args(arguments)
    if len(rest) == 1 and getattr(asked, "verb", "") == "config:put" and asked.value is None:
        asked.value = rest.pop()  # `config set KEY --secret VALUE`: argparse does not look behind a flag
    if rest:
        flags = [one.split("=", 1)[0] for one in rest if one.startswith("-")]  # a value may be a secret
        unknown = f"unknown flag: {flags[0]}" if flags else f"unknown arguments: {len(rest)}"
        sys.stderr.write(f"error: {unknown}, allowed: those of --help\n")
        return FAILED
    if not getattr(asked, "verb", None):
        parser.print_help()
        return 0
    try:
        if asked.cwd:
            os.chdir(asked.cwd)
        return handler(asked.verb)(asked)
    except KeyboardInterrupt:
        return CANCELED
    except Exception as fault:  # noqa: BLE001 - every fault gets the exit code that callers count on
        known = explained(fault)
        if known is None:
            traceback.print_exc()
            return INTERNAL
        sys.stderr.write(f"error: {fault}\n")
        return known


def handler(verb: str) -> Handler:
    """Return what carries out a verb, named `module:function` below `lab.engine.verbs`."""
    module, _, function = verb.partition(":")
    found: Handler = getattr(importlib.import_module(f"lab.engine.verbs.{module}"), function)
    return found


def explained(fault: Exception) -> int | None:
    """Return the exit code of a fault that a person can do something about, None for a bug."""
    if isinstance(fault, CommandError):
        return fault.code
    from lab.engine.backend import BackendError, StackMissingError
    from lab.engine.checkpoint import CheckpointError
    from lab.engine.config import ConfigError
    from lab.engine.passphrase import PassphraseError
    from lab.engine.project import ProjectError

    if isinstance(fault, StackMissingError):
        return NO_STACK
    if isinstance(fault, BackendError | CheckpointError | ConfigError | PassphraseError | ProjectError | OSError):
        return FAILED
    return None


def make_parser() -> argparse.ArgumentParser:
    """Return the grammar of the command line."""
    parser = argparse.ArgumentParser(
        prog="pulumi",
        description="Deploy to a lab, as Pulumi would. For a real cloud, use Pulumi itself.",
        parents=[_shared()],
    )
    below_all = _shared(argument_default=argparse.SUPPRESS)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")

    def verb(name: str, place: str, text: str, *, into: Any = None) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = (into or verbs).add_parser(
            name, help=text, description=text, parents=[below_all]
        )
        made.set_defaults(verb=place)
        return made

    _add_operations(verb)
    _add_stack(verb)
    _add_config(verb)
    _add_state(verb)
    cancel = verb("cancel", "stack:cancel", "remove the locks of a stack")
    cancel.add_argument("name", nargs="?")
    cancel.add_argument("-y", "--yes", action="store_true")
    verb("version", "stack:version", "say which engine this stands in for")
    return parser


def _shared(**settings: Any) -> argparse.ArgumentParser:
    """Return the flags that every verb takes; below a verb they must not hide those given before it."""
    shared = argparse.ArgumentParser(add_help=False, **settings)

    def flag(*names: str, **settings_of_flag: Any) -> None:
        if shared.argument_default == argparse.SUPPRESS:
            settings_of_flag["default"] = argparse.SUPPRESS
        shared.add_argument(*names, **settings_of_flag)

    flag("-s", "--stack", help="stack to work on; the selected one if not given")
    flag("-C", "--cwd", help="run as if started in this folder")
    flag("--config-file", help="the stack's configuration file")
    flag("--non-interactive", action="store_true", help="never ask")
    flag("--color", choices=("auto", "always", "never", "raw"), default="auto")
    flag("-v", "--verbose", type=int, default=0, help=argparse.SUPPRESS)
    flag("-e", "--emoji", action="store_true", help=argparse.SUPPRESS)
    flag("--logtostderr", action="store_true", help=argparse.SUPPRESS)
    return shared


def _add_operations(verb: Callable[..., argparse.ArgumentParser]) -> None:
    texts = {
        "up": "create, update and delete what the program asks for",
        "preview": "show what `up` would do",
        "destroy": "delete everything in a stack",
        "refresh": "look at what is there, and remember it",
    }
    for name, text in texts.items():
        one = verb(name, f"run:{name}", text)
        one.add_argument("-y", "--yes", action="store_true", help="do not ask")
        one.add_argument("-f", "--skip-preview", action="store_true", help="do not preview first")
        one.add_argument("-p", "--parallel", type=int, default=0, help="how many steps at once")
        one.add_argument("--event-log", help="write engine events into this file")
        one.add_argument("-j", "--json", action="store_true", help="write JSON")
        one.add_argument("--diff", action="store_true", help="show what differs in each resource")
        one.add_argument("--expect-no-changes", action="store_true", help="fail if anything changes")
        one.add_argument("--show-sames", action="store_true", help="show what stays as it is")
        one.add_argument("--show-secrets", action="store_true", help="show secret outputs")
        one.add_argument("--suppress-outputs", action="store_true", help="do not show outputs")
        one.add_argument("--suppress-permalink", nargs="?", help=argparse.SUPPRESS)
        one.add_argument("-t", "--target", action="append", default=[], metavar="URN")
        one.add_argument("--target-dependents", action="store_true")
        one.add_argument("--exclude", action="append", default=[], metavar="URN")
        one.add_argument("--exclude-dependents", action="store_true")
        one.add_argument("--exclude-protected", action="store_true", help="leave protected resources alone")
        one.add_argument("--replace", action="append", default=[], metavar="URN")
        one.add_argument("--target-replace", action="append", default=[], metavar="URN")
        one.add_argument("--continue-on-error", action="store_true")
        one.add_argument("-r", "--refresh", nargs="?", const="true", default="false")
        one.add_argument("--clear-pending-creates", action="store_true")
        if name in {"destroy", "refresh"}:  # to look at what `up` would do is `preview`
            one.add_argument("--preview-only", action="store_true")
        one.add_argument("--remove", action="store_true", help="forget the stack once it is empty")
        one.add_argument("-m", "--message", default="", help="what the history says")


def _add_stack(verb: Callable[..., argparse.ArgumentParser]) -> None:
    stack = verb("stack", "stack:show", "show and manage stacks")
    stack.add_argument("-i", "--show-ids", action="store_true")
    stack.add_argument("-u", "--show-urns", action="store_true")
    stack.add_argument("--show-name", action="store_true")
    stack.add_argument("--show-secrets", action="store_true")
    below = stack.add_subparsers(metavar="VERB")
    init = verb("init", "stack:init", "make a stack", into=below)
    init.add_argument("name", nargs="?")
    init.add_argument("--secrets-provider", default="passphrase")
    init.add_argument("--no-select", action="store_true")
    ls = verb("ls", "stack:ls", "list stacks", into=below)
    ls.add_argument("-j", "--json", action="store_true")
    ls.add_argument("-a", "--all", action="store_true")
    select = verb("select", "stack:select", "choose a stack for further commands", into=below)
    select.add_argument("name", nargs="?")
    select.add_argument("-c", "--create", action="store_true")
    output = verb("output", "stack:output", "show a stack's outputs", into=below)
    output.add_argument("name", nargs="?")
    output.add_argument("-j", "--json", action="store_true")
    output.add_argument("--show-secrets", action="store_true")
    export = verb("export", "stack:export", "write a stack's state", into=below)
    export.add_argument("--file")
    export.add_argument("--show-secrets", action="store_true")
    take = verb("import", "stack:take", "read a stack's state", into=below)
    take.add_argument("--file")
    take.add_argument("--force", action="store_true")
    remove = verb("rm", "stack:rm", "forget a stack", into=below)
    remove.add_argument("name", nargs="?")
    remove.add_argument("-y", "--yes", action="store_true")
    remove.add_argument("-f", "--force", action="store_true")
    remove.add_argument("--preserve-config", action="store_true")
    history = verb("history", "stack:history", "list what was done to a stack", into=below)
    history.add_argument("-j", "--json", action="store_true")


def _add_config(verb: Callable[..., argparse.ArgumentParser]) -> None:
    config = verb("config", "config:show", "show and change configuration")
    config.add_argument("--show-secrets", action="store_true")
    config.add_argument("-j", "--json", action="store_true")
    below = config.add_subparsers(metavar="VERB")
    put = verb("set", "config:put", "set a value", into=below)
    put.add_argument("key")
    put.add_argument("value", nargs="?")
    put.add_argument("--path", action="store_true", help="the key is a path")
    put.add_argument("--secret", action="store_true", help="encrypt the value")
    put.add_argument("--plaintext", action="store_true", help="store the value as it is")
    put.add_argument("--type", choices=("string", "int", "bool", "float"), default=None)
    get = verb("get", "config:get", "show a value", into=below)
    get.add_argument("key")
    get.add_argument("--path", action="store_true", help="the key is a path")
    get.add_argument("-j", "--json", action="store_true")
    remove = verb("rm", "config:rm", "remove a value", into=below)
    remove.add_argument("key")
    remove.add_argument("--path", action="store_true", help="the key is a path")


def _add_state(verb: Callable[..., argparse.ArgumentParser]) -> None:
    state = verb("state", "state:show", "change a stack's state by hand")
    below = state.add_subparsers(metavar="VERB")
    for name, text in (("unprotect", "take protection off"), ("protect", "protect")):
        one = verb(name, f"state:{name}", text, into=below)
        one.add_argument("urn", nargs="?")
        one.add_argument("--all", action="store_true")
        one.add_argument("-y", "--yes", action="store_true")
    delete = verb("delete", "state:delete", "forget a resource without deleting it", into=below)
    delete.add_argument("urn")
    delete.add_argument("-y", "--yes", action="store_true")
    delete.add_argument("--force", action="store_true", help="protected ones too")
    delete.add_argument("--target-dependents", action="store_true", help="what depends on it too")
    rename = verb("rename", "state:rename", "give a resource another name", into=below)
    rename.add_argument("urn")
    rename.add_argument("name")
    rename.add_argument("-y", "--yes", action="store_true")
