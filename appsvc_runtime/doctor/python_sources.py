"""The Python files of a site, parsed when a check asks for them. Imports and runs nothing.

A check names words, and gets the files whose text has one of them: reading is cheap, parsing is
not. Must not know what is looked for.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..startup import python_files
from ..system.plain_file import read_plain
from .tree import Tree

__all__ = ["Call", "PythonSources", "Source", "assigned", "dotted", "is_main"]

# A site's own sources. More are a copy of a library, or data.
_MAX_FILES, _MAX_BYTES, _MAX_TOTAL = 1_500, 400_000, 12_000_000
# Tests and the like do not run on the platform.
_NOT_DEPLOYED = re.compile(
    r"(?:^|/)(?:tests?|docs|examples|benchmarks)/|(?:^|/)(?:test_[^/]*|conftest)\.py$"
)


@dataclass(frozen=True)
class Call:
    """A call in a source: `name` as it is written (`os.environ.get`), its node, its place.

    `depth` counts the functions around it: 0 runs when the module is imported. `is_guarded` if it
    is below `if __name__ == "__main__"`.
    """

    name: str
    node: ast.Call
    depth: int
    is_guarded: bool

    @property
    def line(self) -> int:
        """The line, from 1."""
        return self.node.lineno

    @property
    def last(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]

    def text(self, index: int = 0) -> str | None:
        """Return an argument that is a text written out, or None."""
        if index < len(self.node.args):
            value = self.node.args[index]
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                return value.value
        return None

    def keyword(self, name: str) -> ast.expr | None:
        """Return the value of a keyword argument, or None."""
        return next((one.value for one in self.node.keywords if one.arg == name), None)


@dataclass(frozen=True)
class Source:
    """One parsed file: its name in the site, text and tree."""

    name: str
    text: str
    tree: ast.Module

    def calls(self) -> Iterator[Call]:
        """Yield all calls."""
        waiting: list[tuple[ast.AST, int, bool]] = [(self.tree, 0, False)]
        while waiting:
            node, depth, guarded = waiting.pop()
            if isinstance(node, ast.Call):
                name = dotted(node.func)
                if name:
                    yield Call(name, node, depth, guarded)
            inner = depth
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                inner += 1
            guards = guarded or (isinstance(node, ast.If) and is_main(node.test))
            waiting += [(child, inner, guards) for child in ast.iter_child_nodes(node)]

    def assignments(self) -> Iterator[tuple[str, ast.expr, int]]:
        """Yield the names and attributes that the module's own scope assigns, value and line."""
        yield from assigned(self.tree)

    def line_of(self, words: re.Pattern[str]) -> int:
        """Return the line of the first match, 0 if there is none."""
        found = words.search(self.text)
        return self.text.count("\n", 0, found.start()) + 1 if found else 0


class PythonSources:
    """The sources below a folder; read once, parsed once."""

    def __init__(self, folder: Path, tree: Tree) -> None:
        self._folder = folder
        names = [name for name in tree.ending(".py") if not _NOT_DEPLOYED.search(name)]
        self._names = names[:_MAX_FILES]
        self.is_whole = len(names) <= _MAX_FILES
        self._texts: dict[str, str] | None = None
        self._parsed: dict[str, Source | None] = {}

    def with_words(self, words: str) -> Iterator[Source]:
        """Yield the parsed files in whose text the regular expression `words` is found."""
        pattern = re.compile(words)
        for name, text in self._read().items():
            if pattern.search(text):
                source = self.parse(name)
                if source is not None:
                    yield source

    def all_text(self) -> Iterator[tuple[str, str]]:
        """Yield name and text of each file."""
        yield from self._read().items()

    def parse(self, name: str) -> Source | None:
        """Return one file of the site, None if it is not there or not valid Python."""
        if name not in self._parsed:
            tree = python_files.parse(self._folder / name)
            text = self._read().get(name, "")
            self._parsed[name] = Source(name, text, tree) if tree is not None else None
        return self._parsed[name]

    def _read(self) -> dict[str, str]:
        if self._texts is None:
            self._texts = {}
            total = 0
            for name in self._names:
                try:
                    data = read_plain(self._folder / name, _MAX_BYTES + 1)
                except (OSError, ValueError):
                    continue
                if len(data) > _MAX_BYTES:
                    continue
                total += len(data)
                if total > _MAX_TOTAL:
                    self.is_whole = False
                    break
                self._texts[name] = data.decode("utf-8", "replace")
        return self._texts


def assigned(scope: ast.Module | ast.FunctionDef) -> Iterator[tuple[str, ast.expr, int]]:
    """Yield the names and attributes that a module or a function assigns, value and line."""
    for node in python_files.statements(scope.body):
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            pairs = [(node.target, node.value)]
        else:
            continue
        for target, value in pairs:
            name = dotted(target)
            if name:
                yield name, value, node.lineno


def dotted(node: ast.AST) -> str:
    """Return a name as it is written, `a.b.c`; "" for anything else."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def is_main(test: ast.expr) -> bool:
    """Return whether a test is `__name__ == "__main__"`."""
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
    )
