"""What is wrong with a `WSGI_HANDLER`, the name by which wfastcgi imports the app.

Pure: the caller passes functions that read the site's files. Must not know where the value is set.
Source: get_wsgi_handler of wfastcgi 3.0.0. The value is `module.name`, with `()` behind a name that
is to be called without arguments; the last dot separates the module, so that `app:app` names none.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Literal, NamedTuple

__all__ = ["Problem", "wsgi_handler_problem"]

_NAME = r"[^\W\d]\w*"
_VALID = re.compile(rf"{_NAME}(?:\.{_NAME}(?:\(\))?)+")
_OTHER = re.compile(rf"({_NAME}(?:[./\\]{_NAME})*?)(?:\.py)?[:.]({_NAME})(\(.*\))?")
_OWN = "appsvc_runtime."


class Problem(NamedTuple):
    """The level, message and hint of a finding."""

    level: Literal["error", "warning"]
    message: str
    hint: str


def wsgi_handler_problem(
    value: str,
    source: Callable[[str], str | None] | None = None,
    is_asgi: Callable[[str], bool] | None = None,
) -> Problem | None:
    """Return why wfastcgi cannot serve what the value names, or None if no reason is found.

    `source` returns the text of a file of the site by its Windows path, or None. `is_asgi` returns
    whether a name certainly means an ASGI app.
    """
    shown = f"WSGI_HANDLER={value[:80]}"
    if _VALID.fullmatch(value) is None or value.endswith(".py"):
        return Problem(
            "error",
            f"{shown} cannot be imported by wfastcgi: it must be module.name, with dots only.",
            _suggest(value.strip()[:200]),
        )
    if value.startswith(_OWN):
        return None
    if is_asgi is not None and is_asgi(value):
        return Problem(
            "error",
            f"{shown} is an ASGI app, and wfastcgi serves WSGI apps only.",
            "Use the module httpPlatformHandler, which starts a server for it.",
        )
    return _call_problem(value, shown, source) if source is not None else None


def _suggest(value: str) -> str:
    """Return the hint with the value that was probably meant."""
    if value.endswith(".py") and value.count(".") == 1:
        value += ":app"
    found = _OTHER.fullmatch(value)
    if found is None:
        return "Write it as in app.app, or app.create_app() for a function that returns the app."
    module = re.sub(r"[/\\]", ".", found[1])
    return f"Write WSGI_HANDLER={module}.{found[2]}{'()' if found[3] else ''}."


def _call_problem(value: str, shown: str, source: Callable[[str], str | None]) -> Problem | None:
    """Return the problem of an app that is called, or of a factory that is not."""
    module, _, name = value.rpartition(".")
    called = name.endswith("()")
    if "(" in module:
        return None
    path = module.replace(".", "\\")
    for file in (f"{path}.py", f"{path}\\__init__.py"):
        text = source(file)
        if text is None:
            continue
        kind = _kind(text, name.removesuffix("()"))
        if kind == "app" and called:
            return Problem(
                "warning",
                f"{shown} calls the app itself, which is not a function that returns one.",
                f"Write WSGI_HANDLER={value[:-2]}, without parentheses.",
            )
        if kind == "factory" and not called:
            return Problem(
                "warning",
                f"{shown} is a function that takes no request: it returns the app.",
                f"Write WSGI_HANDLER={value}(), with parentheses.",
            )
        break
    return None


def _kind(text: str, name: str) -> Literal["app", "factory", ""]:
    """Return what a module's own statements make of a name, "" if that is uncertain.

    An app is the result of a call, as in `app = Flask(__name__)`; a factory is a function that can
    be called with nothing, and cannot be called with an environ and start_response.
    """
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    found: set[Literal["app", "factory", ""]] = set()
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(each, ast.Name) and each.id == name for each in targets):
                found.add("app" if _makes_app(node.value) else "")
        elif isinstance(node, ast.FunctionDef) and node.name == name:
            found.add("factory" if _is_factory(node) else "")
        elif _may_bind(node, name):
            found.add("")
    return found.pop() if len(found) == 1 else ""


def _makes_app(value: ast.expr | None) -> bool:
    if not isinstance(value, ast.Call):
        return False
    made = value.func
    named = made.attr if isinstance(made, ast.Attribute) else getattr(made, "id", "")
    return bool(named) and named != "partial"


def _is_factory(node: ast.FunctionDef) -> bool:
    arguments = node.args
    taken = [*arguments.posonlyargs, *arguments.args]
    needed = len(taken) - len(arguments.defaults)
    if node.decorator_list or arguments.vararg or None in arguments.kw_defaults:
        return False
    return needed == 0 and len(taken) < 2


def _may_bind(node: ast.stmt, name: str) -> bool:
    """Return whether another statement may give the name a value: an import, a class, an if …"""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name == name
    return any(
        (isinstance(each, ast.Name) and each.id == name and isinstance(each.ctx, ast.Store))
        or (isinstance(each, ast.alias) and (each.asname or each.name) in (name, "*"))
        for each in ast.walk(node)
    )
