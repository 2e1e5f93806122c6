"""The program that runs on a host, as one file: the modules of `cloud_init.host`, one after the other.

Pure: the same text from the same sources, on every Python. Plain text in one namespace, and neither a zipapp nor a
compressed part: it rides in user data, where gzip sees all of it and shares its words with the rest, and somebody
on a host at night can read it. Docstrings, comments and annotations are left out by their places, in the
source's own words: another Python does not write them otherwise.
"""

from __future__ import annotations

import ast
import io
import pkgutil
import re
import tokenize
from functools import lru_cache
from typing import Final

PROGRAM_PATH: Final = "/usr/local/sbin/farshore-host"
# In the order of their imports: whatever a module uses stands above it.
MODULES: Final = (
    "faults", "places", "commands", "durable", "document", "interface", "live", "steps", "parsers", "journal",
    "switch", "lock", "rollback", "apply", "leftovers", "domains", "echo", "prove", "status", "birth", "deliver",
    "main",
)  # fmt: skip
SEED: Final = ("faults", "places", "commands", "durable", "document", "leftovers", "birth", "seed")
_HEAD: Final = (
    "#!/usr/bin/python3 -IB\n# Farshore's own file, joined from cloud_init/host, where it stands with its docstrings.\n"
)
_TOP: Final = re.compile(r"(?:def|class|async def) (\w+)|(\w+)(?:: [^=]+)? = ")
_OWN: Final = re.compile(r"from cloud_init\.host\.\w+ import (?:\([^)]*\)|[^\n(]*)\n")
_TYPING: Final = re.compile(r"if TYPE_CHECKING:\n(?:    .*\n|\n)*?(?=\S)")
_IMPORT: Final = re.compile(r"^(?:import [\w.]+|from (?!cloud_init)[\w.]+ import [\w, ]+)\n", re.MULTILINE)


class JoinError(Exception):
    """Two modules give one name two meanings, or import what the joined file can't have."""


@lru_cache(maxsize=4)
def render_program(modules: tuple[str, ...] = MODULES) -> str:
    """Return the program, or its seed.

    Raises:
        JoinError: A name at the top of two modules, or an import of another form than the two that are joined.
    """
    return join_modules({name: _source(name) for name in modules})


def join_modules(sources: dict[str, str]) -> str:
    """Return modules as one file.

    Args:
        sources: Their texts by their names, in the order of their imports.

    Raises:
        JoinError: As above.
    """
    imports: set[str] = set()
    owners: dict[str, str] = {}
    bodies: list[str] = []
    for name, source in sources.items():
        text = _TYPING.sub("", _OWN.sub("", source))
        imports |= {line.strip() for line in _IMPORT.findall(text)}
        body = _bare(_unannotated(_IMPORT.sub("", text)))
        if "cloud_init" in body or any("cloud_init" in line for line in imports):
            raise JoinError(f"cloud_init/host/{name}.py: an import of its own room of another form")
        for line in body.splitlines():
            found = _TOP.match(line)
            if found and owners.setdefault(found[1] or found[2], name) != name:
                raise JoinError(f"cloud_init/host/{name}.py: {found[1] or found[2]}, which another module has as well")
        bodies.append(body)
    imports -= {"from __future__ import annotations", "from typing import TYPE_CHECKING"}
    imports = {line.replace("TYPE_CHECKING, ", "") for line in imports}
    head = ["from __future__ import annotations", *sorted(imports)]
    return _HEAD + "\n".join(head) + "\n" + "".join(bodies)


def _unannotated(source: str) -> str:
    """Return a source without its annotations, which nothing reads at run time; a class's fields keep a mark of one.

    dataclasses(3) asks whether a field has one, and not what it says.
    """
    lines = source.splitlines()
    places: list[tuple[int, int, ast.expr, str]] = []
    tree = ast.parse(source)
    fields = {id(node) for one in ast.walk(tree) if isinstance(one, ast.ClassDef) for node in one.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and (node.value or id(node) in fields):
            mark = ":0" if id(node) in fields else ""
            places.append((node.lineno, node.target.end_col_offset or 0, node.annotation, mark))
        if isinstance(node, ast.arg) and node.annotation:
            places.append((node.lineno, node.col_offset + len(node.arg), node.annotation, ""))
        if isinstance(node, ast.FunctionDef) and node.returns:
            arrow = lines[node.returns.lineno - 1].rindex("->", 0, node.returns.col_offset)
            places.append((node.returns.lineno, arrow - 1, node.returns, ""))
    for row, start, until, mark in sorted(places, key=lambda place: place[:2], reverse=True):
        if until.end_lineno != row or not lines[row - 1].isascii():
            raise JoinError(f"an annotation of two lines, or beside a letter that is not ASCII: {lines[row - 1]}")
        lines[row - 1] = lines[row - 1][:start] + mark + lines[row - 1][until.end_col_offset :]
    return "\n".join(lines) + "\n"


def _source(name: str) -> str:
    found = pkgutil.get_data("cloud_init.host", f"{name}.py")
    if found is None:
        raise JoinError(f"cloud_init/host/{name}.py: not there")
    return found.decode()


def _bare(source: str) -> str:
    """Return a source without docstrings, comments and empty lines, indented by one space a level."""
    lines = source.splitlines()
    before = tokenize.NEWLINE
    for token in [*tokenize.generate_tokens(io.StringIO(source).readline)][::-1]:  # from the end: places stay
        statement = token.type == tokenize.STRING and token.start[1] == len(token.line) - len(token.line.lstrip())
        if token.type == tokenize.COMMENT or (statement and before == tokenize.NEWLINE):
            (row, column), (last, end) = token.start, token.end
            lines[row - 1 : last] = [lines[row - 1][:column] + lines[last - 1][end:]]
        if token.type not in {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT}:
            before = token.type
    kept = (line.rstrip() for line in lines)
    return "".join(" " * ((len(line) - len(line.lstrip())) // 4) + line.lstrip() + "\n" for line in kept if line)
