"""What a Python file defines, read from its text: nothing is imported or run.

Pure but for reading the one file. Must not know what the names are for.
"""

from __future__ import annotations

import ast
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Names", "is_fastapi", "read_names"]

_MAX_BYTES = 2_000_000
_APP_CLASSES = frozenset(
    {"Flask", "FastAPI", "Starlette", "Quart", "Bottle", "AppServiceMiddleware"}
)
_APP_MAKERS = frozenset({"create_app", "make_app", "get_wsgi_application"})


@dataclass(frozen=True)
class Names:
    """The names a module defines at its top level.

    `names` maps each to the class or function whose call made it ("" where none did); `functions`
    are those it defines. `open_ended` where more may come (`from x import *`, `__getattr__`).
    `error` says why the file could not be read, else "".
    """

    names: dict[str, str]
    functions: frozenset[str] = frozenset()
    open_ended: bool = False
    error: str = ""

    def has(self, name: str) -> bool:
        """Say whether the module may define `name`: True also where that cannot be told."""
        return self.open_ended or bool(self.error) or name in self.names

    def has_certain(self, name: str) -> bool:
        """Say whether the module certainly defines `name`."""
        return name in self.names

    def app_candidates(self) -> list[str]:
        """Give what else may be the app, the likeliest first, `create_app()` included."""
        made = [name for name, maker in self.names.items() if maker in _APP_CLASSES | _APP_MAKERS]
        usual = [name for name in ("application", "api") if name in self.names]
        factories = [f"{name}()" for name in sorted(self.functions & _APP_MAKERS)]
        return list(dict.fromkeys([*made, *usual, *factories]))


def is_fastapi(path: Path) -> bool:
    """Say whether the platform takes a file for FastAPI: by these words in its text."""
    try:
        text = _read(path)
    except (OSError, SyntaxError, LookupError):
        return False
    return ("from fastapi" in text or "import fastapi" in text) and "from flask" not in text


def read_names(path: Path) -> Names:
    """Read the names that a file defines; never raises, the error is in the answer."""
    try:
        tree = ast.parse(_read(path))
    except (OSError, SyntaxError, LookupError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        reason = getattr(error, "msg", None) or str(error)
        return Names({}, error=f"line {line}: {reason}" if line else reason)
    names: dict[str, str] = {}
    functions = set()
    open_ended = False
    for node in _top_level(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names[node.name] = ""
            functions.add(node.name)
            open_ended = open_ended or node.name == "__getattr__"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                open_ended = open_ended or alias.name == "*"
                names[alias.asname or alias.name.partition(".")[0]] = ""
        else:
            for name in _targets(node):
                names[name] = _maker(node)
    return Names(names, frozenset(functions), open_ended)


def _read(path: Path) -> str:
    with path.open("rb") as file:
        encoding, _ = tokenize.detect_encoding(file.readline)
        file.seek(0)
        return file.read(_MAX_BYTES).decode(encoding, "replace")


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Give the statements that run in the module's own scope, also inside if, try and with."""
    for node in body:
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from _top_level(getattr(node, part, []))
        for handler in getattr(node, "handlers", []):
            yield from _top_level(handler.body)


def _targets(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets = [node.target]
    elif isinstance(node, ast.With | ast.AsyncWith):
        targets = [item.optional_vars for item in node.items if item.optional_vars]
    else:
        return
    for target in targets:
        for part in ast.walk(target):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id


def _maker(node: ast.stmt) -> str:
    value = getattr(node, "value", None)
    if not isinstance(value, ast.Call):
        return ""
    function = value.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
