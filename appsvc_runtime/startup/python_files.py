"""The names that a Python file defines, read from its text: nothing is imported or run.

Pure except that it reads the one file. Must not know what the names are for.
"""

from __future__ import annotations

import ast
import codecs
import io
import tokenize
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["FACTORIES", "Names", "is_fastapi", "parse", "read_names", "statements", "targets"]

# Longer than real files. A longer file is not parsed, so its names are unknown.
_MAX_BYTES = 2_000_000
_ASGI_CLASSES = frozenset({"FastAPI", "Starlette", "Quart", "AppServiceASGIMiddleware"})
_APP_CLASSES = frozenset({"Flask", "Bottle", "AppServiceMiddleware"}) | _ASGI_CLASSES
FACTORIES = frozenset({"create_app", "make_app", "get_wsgi_application"})
_UNREADABLE = (OSError, SyntaxError, LookupError, ValueError, RecursionError, MemoryError)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Names:
    """The names that a module defines at its top level.

    `names` maps each to the class or function whose call returned it ("" if there is no call);
    `functions` are the functions and classes among them. `open_ended` if there may be more names
    (`from x import *`, `__getattr__`). `error` says why the file could not be read, else "".
    """

    names: dict[str, str]
    functions: frozenset[str] = frozenset()
    open_ended: bool = False
    error: str = ""

    def has(self, name: str) -> bool:
        """Return whether the module may define `name`; True also if that is unknown."""
        return self.open_ended or bool(self.error) or name in self.names

    def has_certain(self, name: str) -> bool:
        """Return whether the module certainly defines `name`."""
        return name in self.names

    def app_candidates(self) -> list[str]:
        """Return other names that may be the app, the likeliest first, also `create_app()`."""
        made = self.made_apps()
        usual = [name for name in ("application", "api") if name in self.names]
        return list(dict.fromkeys([*(n for n in made if n[-1] != ")"), *usual, *made]))

    def made_apps(self) -> list[str]:
        """Return the names that are made by a framework's class, and functions that make an app."""
        made = [name for name, maker in self.names.items() if maker in _APP_CLASSES | FACTORIES]
        return [*made, *(f"{name}()" for name in sorted(self.functions & FACTORIES))]

    def is_asgi(self, name: str) -> bool:
        """Return whether the app `name` is made by a class of an ASGI framework."""
        return self.names.get(name) in _ASGI_CLASSES


def is_fastapi(path: Path) -> bool:
    """Return whether the platform takes a file for FastAPI, by these words in its text."""
    try:
        data = _read(path)
    except (OSError, ValueError):
        return False
    # The script compares bytes and ignores the encoding that the file declares.
    return (b"from fastapi" in data or b"import fastapi" in data) and b"from flask" not in data


def read_names(path: Path) -> Names:
    """Return the names that a file defines; never raises, the error is in the result."""
    try:
        data = _read(path)
        if len(data) > _MAX_BYTES:
            return Names({}, open_ended=True)
        tree = _parse(data)
    except _UNREADABLE as error:
        line = getattr(error, "lineno", None)
        # A MemoryError, which the parser raises for deep nesting, has no text.
        reason = getattr(error, "msg", None) or str(error) or "it is nested too deeply"
        return Names({}, error=f"line {line}: {reason}" if line else reason)
    return _names_in(tree)


def parse(path: Path) -> ast.Module | None:
    """Return a file's syntax tree; None if it cannot be read or is too long. Never raises."""
    try:
        data = _read(path)
        return _parse(data) if len(data) <= _MAX_BYTES else None
    except _UNREADABLE:
        return None


def _parse(data: bytes) -> ast.Module:
    with warnings.catch_warnings():
        # Do not show warnings about the app's code, nor raise them under `python -W error`.
        warnings.simplefilter("ignore")
        return ast.parse(_decode(data))


def _names_in(tree: ast.Module) -> Names:
    names: dict[str, str] = {}
    functions = set()
    open_ended = False
    for node in statements(tree.body):
        if isinstance(node, _DEFINITIONS):
            names[node.name] = ""
            functions.add(node.name)
            open_ended = open_ended or node.name == "__getattr__"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imported = [alias.asname or alias.name.partition(".")[0] for alias in node.names]
            open_ended = open_ended or "*" in imported
            names.update((name, "") for name in imported if name != "*")
        else:
            names.update(dict.fromkeys(targets(node), _maker(node)))
    return Names(names, frozenset(functions), open_ended)


def _read(path: Path) -> bytes:
    """Return a file's bytes; if it is too long, one byte more than the limit."""
    with path.open("rb") as file:
        return file.read(_MAX_BYTES + 1)


def _decode(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # Python's own message differs from release to release, and does not name UTF-16.
        raise SyntaxError("the encoding is UTF-16, which Python does not read: save it as UTF-8")
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding, "replace")


def statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run in a module's or a function's own scope, in order.

    This includes those inside if, for, try, with and match. It is not recursive: a thousand `elif`
    are nested a thousand deep.
    """
    waiting = [*body][::-1]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, _DEFINITIONS):
            continue
        inner = [*getattr(node, "body", [])]
        for part in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
            inner += part.body
        inner += [*getattr(node, "orelse", []), *getattr(node, "finalbody", [])]
        waiting += inner[::-1]


def targets(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement assigns to."""
    for target in _target_nodes(node):
        for part in ast.walk(target):
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id


def _target_nodes(node: ast.stmt) -> list[ast.expr]:
    """Return the targets that a statement assigns to."""
    if isinstance(node, ast.Assign):
        return node.targets
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return [node.target]
    if isinstance(node, ast.With | ast.AsyncWith):
        return [item.optional_vars for item in node.items if item.optional_vars]
    if isinstance(node, ast.For | ast.AsyncFor):
        return [node.target]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.NamedExpr):
        return [node.value.target]
    return []


def _maker(node: ast.stmt) -> str:
    value = getattr(node, "value", None)
    if isinstance(value, ast.NamedExpr):
        value = value.value
    if not isinstance(value, ast.Call):
        return ""
    function = value.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
