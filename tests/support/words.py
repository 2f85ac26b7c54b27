"""Find home-made words where the field has its own: `python -m tests.support.words [PATH ...]`.

Prints `file:line: what` for each, and ends with 1 where it has found one. Looks at docstrings,
comments and messages of the package and the examples, at docstrings of the tests, and at all pages.
`--all` also looks into the folders of `UNFINISHED`; `--table` prints what belongs into it.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["UNFINISHED", "Problem", "area", "files", "find", "main"]

ROOT = Path(__file__).resolve().parents[2]

# What is found, and what to write instead.
WORDS = {
    r"rooms?": "module, package or space",
    r"doors?": "entry point",
    r"visitors?": "client",
    r"mend(?:s|ed|ing)?": "fix",
    r"whoever": "name who it is",
    r"(?:is|are|was|were|be|been) (?:not )?believed": "trusted",
    r"there is none of": "missing",
}
# A phrase may go on in the next line, behind the quotes of a string or the # of a comment.
_GAP = r"(?:\s|[\"'#]|(?<=\s)[rfb]{1,2}(?=[\"']))+"
_PATTERNS = {
    re.compile(rf"\b{word.replace(' ', _GAP)}\b", re.IGNORECASE): instead
    for word, instead in WORDS.items()
}
# Names of products, which are nobody's choice here.
_PRODUCTS = re.compile(rf"\bfront(?:{_GAP}|-)doors?\b", re.IGNORECASE)
# "\0" stands for what an f-string fills in.
_SEVERAL = re.compile(r"\w[,;:]?\s+[\w\0]|\0\s+\w")
_OPENING = re.compile(r"\s*(Give|Say)s?\b")

# Where texts are still to be rewritten; a row goes when its texts are done.
UNFINISHED: frozenset[str] = frozenset(
    """
    appsvc_runtime
    appsvc_runtime/azure
    appsvc_runtime/connections
    appsvc_runtime/emulator
    appsvc_runtime/launcher
    appsvc_runtime/logs
    appsvc_runtime/settings
    appsvc_runtime/startup
    appsvc_runtime/system
    docs/reference/settings.md
    tests
    tests/apps
    tests/azure
    tests/cli
    tests/connections
    tests/emulator
    tests/integration
    tests/launcher
    tests/logs
    tests/middleware
    tests/serving
    tests/settings
    tests/support
    tests/system
    """.split()
)


@dataclass(frozen=True, order=True)
class Problem:
    """One word that is not the field's: file (from the root), line, what, and what to write."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


def files() -> list[Path]:
    """Return all files that are looked at, sorted."""
    folders = {"appsvc_runtime": "*.py", "tests": "*.py", "docs": "*.md", "examples": "*.*"}
    found = [
        path
        for folder, pattern in folders.items()
        for path in (ROOT / folder).rglob(pattern)
        if path.suffix in (".py", ".md") and not _is_made(path)
    ]
    return sorted([*ROOT.glob("*.md"), *found])


def _is_made(path: Path) -> bool:
    """Return whether a file is made by a command, and nobody's text."""
    return not {"_build", ".appsvc", "__pycache__"}.isdisjoint(path.relative_to(ROOT).parts)


def area(file: str) -> str:
    """Return the row of the table that a file belongs to: itself for a page, else its folder."""
    if file.endswith(".md"):
        return file
    return "/".join(file.split("/")[:-1][:2])


def find(file: str, text: str) -> list[Problem]:
    """Return what is wrong in a file, by line; `file` decides what is looked at."""
    if not file.endswith(".py"):
        return sorted(_in_text(file, text, 1))
    tree = ast.parse(text)
    found: set[Problem] = set()
    docstrings = dict(_docstrings(tree))
    for node, value in docstrings.items():
        found.update(_in_text(file, _source(text, node), node.lineno))
        opening = _OPENING.match(value)
        if opening:
            hint = "a docstring begins with a verb such as Return"
            found.add(Problem(file, node.lineno, f"{opening[1]!r}: {hint}"))
    if not file.startswith("tests/"):
        found.update(_in_comments(file, text))
        found.update(_in_messages(file, text, tree, set(docstrings)))
    return sorted(found)


def _docstrings(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and node.body and isinstance(node.body[0], ast.Expr):
            first = node.body[0].value
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first, first.value


def _in_comments(file: str, text: str) -> Iterator[Problem]:
    """Yield problems of comments; those in lines that follow each other are one text."""
    lines = dict.fromkeys(range(1, text.count("\n") + 2), "")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0]] = token.string
    return _in_text(file, "\n".join(lines.values()), 1)


def _in_messages(
    file: str, text: str, tree: ast.Module, docstrings: set[ast.expr]
) -> Iterator[Problem]:
    """Yield problems of strings of several words. One word alone may be a name of something."""
    inner = {
        part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
    }
    for node in ast.walk(tree):
        if node in docstrings or node in inner:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = [part.value for part in node.values if isinstance(part, ast.Constant)]
            value = "\0".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            value = node.value
        else:
            continue
        if not _SEVERAL.search(value):
            continue
        said = {problem.what for problem in _in_text(file, value, node.lineno)}
        lines = {
            problem.what: problem for problem in _in_text(file, _source(text, node), node.lineno)
        }
        yield from (lines.get(what, Problem(file, node.lineno, what)) for what in said)


def _source(text: str, node: ast.expr) -> str:
    end = node.end_lineno or node.lineno
    return "\n".join(text.split("\n")[node.lineno - 1 : end])


def _in_text(file: str, text: str, first_line: int) -> Iterator[Problem]:
    text = _PRODUCTS.sub(lambda name: re.sub(r"\S", "_", name[0]), text)
    for pattern, instead in _PATTERNS.items():
        for match in pattern.finditer(text):
            line = first_line + text.count("\n", 0, match.start())
            word = re.sub(_GAP, " ", match[0]).lower()
            yield Problem(file, line, f"{word!r}: write {instead}")


def problems(paths: Iterable[Path], *, unfinished: bool = False) -> list[Problem]:
    """Return what is wrong in files, with or without those that are still to be rewritten."""
    found: list[Problem] = []
    for path in paths:
        name = path.resolve().relative_to(ROOT).as_posix()
        if unfinished or area(name) not in UNFINISHED:
            found += find(name, path.read_text("utf-8"))
    return found


def main(argv: list[str] | None = None) -> int:
    """Print what is wrong; return 1 if anything is."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.words")
    parser.add_argument("--all", action="store_true", help="also where texts are unfinished")
    parser.add_argument("--table", action="store_true", help="print what UNFINISHED should be")
    parser.add_argument("paths", nargs="*", type=Path, help="files and folders [default: all]")
    given = parser.parse_args(argv)
    wanted = [path.resolve() for path in given.paths]
    missing = [str(path) for path in wanted if not path.exists()]
    if missing:
        parser.error(f"there is no {missing[0]}")
    chosen = [
        path for path in files() if not wanted or any(path.is_relative_to(one) for one in wanted)
    ]
    if given.table:
        print("\n".join(sorted({area(each.file) for each in problems(chosen, unfinished=True)})))
        return 0
    found = problems(chosen, unfinished=given.all or bool(wanted))
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
