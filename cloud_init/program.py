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
LINE: Final = 120
_HEAD: Final = "#!/usr/bin/python3 -IB\n# Farshore's own file: cloud_init/host, where its docstrings are.\n"
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
        body = _joined(_bare(_unannotated(_IMPORT.sub("", text))))
        if "cloud_init" in body or any("cloud_init" in line for line in imports):
            raise JoinError(f"cloud_init/host/{name}.py: an import of its own room of another form")
        for line in body.splitlines():
            found = _TOP.match(line)
            if found and owners.setdefault(found[1] or found[2], name) != name:
                raise JoinError(f"cloud_init/host/{name}.py: {found[1] or found[2]}, which another module has as well")
        bodies.append(_tight(body))
    imports -= {"from __future__ import annotations"}
    head = ["from __future__ import annotations", *_merged(imports)]
    return _HEAD + "\n".join(head) + "\n" + "".join(bodies)


def _merged(imports: set[str]) -> list[str]:
    """Return imports with one line for a module, and without those that only annotations need."""
    names: dict[str, set[str]] = {}
    for line in imports:
        module, _, wanted = line.removeprefix("from ").partition(" import ")
        names.setdefault(module, set()).update(wanted.split(", ") if wanted else ())
    names.pop("typing", None)
    plain = ", ".join(sorted(module.removeprefix("import ") for module in names if not names[module]))
    return [
        *([f"import {plain}"] if plain else ()),
        *(f"from {module} import {', '.join(sorted(names[module]))}" for module in sorted(names) if names[module]),
    ]


def _unannotated(source: str) -> str:
    """Return a source without annotations, which nothing reads at run time; a class's field has to have one, 0."""
    lines = source.splitlines()
    places: list[tuple[int, int, ast.expr, str]] = []
    tree = ast.parse(source)
    fields = {part for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for part in node.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation:
            places.append((node.lineno, node.col_offset + len(node.arg), node.annotation, ""))
        if isinstance(node, ast.FunctionDef) and node.returns:
            arrow = lines[node.returns.lineno - 1].rindex("->", 0, node.returns.col_offset)
            places.append((node.returns.lineno, arrow - 1, node.returns, ""))
        if isinstance(node, ast.AnnAssign):
            bare = node.value is not None and node not in fields
            places.append((node.lineno, node.target.end_col_offset or 0, node.annotation, "" if bare else ": 0"))
    for row, start, until, instead in sorted(places, key=lambda place: place[:2], reverse=True):
        if until.end_lineno != row or not lines[row - 1].isascii():
            raise JoinError(f"an annotation of two lines, or beside a letter that is not ASCII: {lines[row - 1]}")
        lines[row - 1] = lines[row - 1][:start] + instead + lines[row - 1][until.end_col_offset :]
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


def _joined(source: str) -> str:
    """Return a bare source with each statement on one line that is not longer than a line of ours for it."""
    lines = source.splitlines()
    places, start = [], 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in {tokenize.NL, tokenize.INDENT, tokenize.DEDENT}:
            start = start or token.start[0]
        if token.type == tokenize.NEWLINE:
            places.append((start - 1, token.start[0]))
            start = 0
    for first, last in reversed(places):
        whole, *rest = lines[first:last]
        for part in map(str.lstrip, rest):
            whole += part if whole[-1] in "([{" or part[0] in ")]}" else f" {part}"
        if len(whole) <= LINE:
            lines[first:last] = [whole]
    joined = "\n".join(lines) + "\n"
    if ast.dump(ast.parse(joined)) != ast.dump(ast.parse(source)):
        raise JoinError("a statement of several lines that is another one on one line")
    return joined


def _tight(source: str) -> str:
    """Return a source without the spaces on its lines that no two words need between them; strings keep theirs."""
    lines, inside = source.splitlines(), 0
    places: list[tuple[int, int, int]] = []
    before: tokenize.TokenInfo | None = None
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        inside += kind == "FSTRING_START"
        if before is not None and not inside and before.end[0] == token.start[0] and before.type != tokenize.INDENT:
            words = (before.string[-1:].isalnum() or before.string[-1:] == "_") and re.match(r"[\w\"']", token.string)
            if before.end[1] < token.start[1] and before.string and not words:
                places.append((token.start[0] - 1, before.end[1], token.start[1]))
        inside -= kind == "FSTRING_END"
        before = token
    for row, start, end in reversed(places):
        lines[row] = lines[row][:start] + lines[row][end:]
    tight = "\n".join(lines) + "\n"
    if ast.dump(ast.parse(tight)) != ast.dump(ast.parse(source)):
        raise JoinError("a statement that is another one without its spaces")
    return tight
