"""Whether an app is a WSGI or an ASGI app, read from the text of its files.

Imports and runs nothing. The result is certain or "": a caller that gets "" finds out when the app
is imported. Must not know what the result is used for.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import python_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ASGI", "WSGI", "read_interface"]

ASGI, WSGI = "asgi", "wsgi"
# What makes an app, by its own name, wherever it is imported from. A class of the site's own is
# looked at instead.
_MAKERS = {
    **dict.fromkeys(
        (
            "FastAPI", "Starlette", "Quart", "Litestar", "Sanic", "ProtocolTypeRouter",
            "get_asgi_application", "AppServiceASGIMiddleware", "CORSMiddleware",
            "GZipMiddleware", "TrustedHostMiddleware", "ProxyHeadersMiddleware",
            "SentryAsgiMiddleware", "WsgiToAsgi", "WSGIMiddleware", "ASGIApp",
        ),
        ASGI,
    ),
    **dict.fromkeys(
        (
            "Flask", "Bottle", "get_wsgi_application", "AppServiceMiddleware", "ProxyFix",
            "WhiteNoise", "DispatcherMiddleware", "ASGIMiddleware", "WSGIApp",
        ),
        WSGI,
    ),
}  # fmt: skip
# Parameters of an app, by position, as frameworks name them.
_SCOPE, _START = ("scope", "receive", "send"), "start_response"
# No app goes through so many names and files.
_MAX_STEPS = 40


def read_interface(app: str, site: Path) -> str:
    """Return `ASGI` or `WSGI` for the app that a name means in a site's folder, "" if uncertain.

    `app` is a name as `appsvc serve` takes it: `module:attr`, `module:factory()`, `module`, or a
    dotted name. Never raises.
    """
    module, colon, rest = app.strip().partition(":")
    reader = _Reader(site)
    if not colon:
        outer, _, last = module.rpartition(".")
        if outer and reader.module(outer) is not None and reader.module(module) is None:
            module, rest = outer, last
        elif module.endswith("()"):
            return _MAKERS.get(last.removesuffix("()"), "")
    found = reader.module(module)
    if found is None:
        return ""
    names = [rest] if rest else [name for name in ("app", "application") if name in found.bound]
    if not names:
        return ""
    name = names[0].removesuffix("()")
    return reader.returned(found, name) if name != names[0] else reader.named(found, name)


@dataclass
class _Module:
    """One file: for each name of its top level all that is bound to it, and where it is from."""

    path: Path
    bound: dict[str, list[ast.AST]] = field(default_factory=dict)
    imported: dict[str, tuple[str, int, str]] = field(default_factory=dict)  # module, level, name


class _Reader:
    """Follows names through the files of one site."""

    def __init__(self, site: Path) -> None:
        self._site = site
        self._modules: dict[Path, _Module | None] = {}
        self._steps = 0

    def module(self, dotted: str, folder: Path | None = None) -> _Module | None:
        """Return a module of the site, None if it is elsewhere or cannot be read."""
        parts = dotted.split(".") if dotted else []
        if not all(part.isidentifier() for part in parts):
            return None
        base = (folder or self._site).joinpath(*parts)
        for path in (base / "__init__.py", base.parent / f"{base.name}.py"):
            if path not in self._modules:
                self._modules[path] = _read(path)
            if (found := self._modules[path]) is not None:
                return found
        return None

    def named(self, module: _Module, name: str) -> str:
        """Return the interface of the object that a module's name means."""
        self._steps += 1
        if self._steps > _MAX_STEPS or "." in name:
            return ""
        if name in module.imported:
            other, inner = self._origin(module, name)
            return self.named(other, inner) if other and name not in module.bound else ""
        return _all_the_same(self._of(module, node, name) for node in module.bound.get(name, ()))

    def returned(
        self, module: _Module, name: str, around: Mapping[str, list[ast.AST]] | None = None
    ) -> str:
        """Return the interface of what a call of a module's name returns: a class or a function."""
        self._steps += 1
        if self._steps > _MAX_STEPS:
            return ""
        if name in module.imported:
            other, inner = self._origin(module, name)
            return self.returned(other, inner) if other else _MAKERS.get(inner, "")
        nodes = (around or {}).get(name) or module.bound.get(name, [])
        if len(nodes) != 1:
            return _MAKERS.get(name, "") if not nodes else ""
        node = nodes[0]
        if isinstance(node, ast.ClassDef):
            return self._made_by(module, node)
        if isinstance(node, ast.FunctionDef) and not node.decorator_list:
            return self._of_body(module, node)
        return ""

    def _origin(self, module: _Module, name: str) -> tuple[_Module | None, str]:
        """Return the site's module that a name is imported from, or None, and its name there."""
        dotted, level, inner = module.imported[name]
        folder = self._site
        if level:
            folder = module.path.parent
            for _ in range(level - 1):
                folder = folder.parent
        return self.module(dotted, folder) if dotted or level else None, inner

    def _of(
        self, module: _Module, node: ast.AST, name: str = "",
        local: Mapping[str, list[ast.AST]] | None = None,
    ) -> str:  # fmt: skip
        """Return the interface of a definition or an expression; `name` is what it is bound to."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return "" if node.decorator_list else _by_parameters(node)
        if isinstance(node, ast.Call):
            maker = node.func
            if isinstance(maker, ast.Attribute):
                # `fastapi.FastAPI()`, of a module that is not the site's.
                owner = maker.value.id if isinstance(maker.value, ast.Name) else ""
                is_module = owner in module.imported and not self._origin(module, owner)[0]
                return _MAKERS.get(maker.attr, "") if is_module else ""
            if isinstance(maker, ast.Name):
                return self.returned(module, maker.id, local)
        if isinstance(node, ast.Name) and node.id != name:
            if local and node.id in local:
                return _all_the_same(
                    self._of(module, one, node.id, local) for one in local[node.id]
                )
            return self.named(module, node.id)
        return ""

    def _of_body(self, module: _Module, node: ast.FunctionDef) -> str:
        """Return the interface of what a function returns."""
        self._steps += 1
        inner = ast.Module(node.body, [])
        local = dict(_bindings(inner))
        imported = dict(_imports(inner))
        scope = _Module(module.path, module.bound, {**module.imported, **imported})
        values = [
            one.value
            for one in python_files.statements(node.body)
            if isinstance(one, ast.Return) and one.value is not None
        ]
        return _all_the_same(self._of(scope, value, "", local) for value in values)

    def _made_by(self, module: _Module, node: ast.ClassDef) -> str:
        """Return the interface of a class's objects, by its `__call__` or its base."""
        for one in node.body:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name == "__call__":
                return "" if one.decorator_list else _by_parameters(one, method=True)
        if len(node.bases) == 1:
            call = ast.Call(node.bases[0], [], [])
            return self._of(module, call)
        return ""


def _read(path: Path) -> _Module | None:
    tree = python_files.parse(path)
    if tree is None:
        return None
    return _Module(path, dict(_bindings(tree)), dict(_imports(tree)))


def _bindings(tree: ast.Module) -> Iterable[tuple[str, list[ast.AST]]]:
    """Return each name that is bound at the top level, with all that is bound to it."""
    found: dict[str, list[ast.AST]] = {}
    for node in python_files.statements(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.setdefault(node.name, []).append(node)
        else:
            for name in python_files.targets(node):
                found.setdefault(name, []).append(getattr(node, "value", None) or node)
    return found.items()


def _imports(tree: ast.Module) -> Iterable[tuple[str, tuple[str, int, str]]]:
    """Return each name that is imported, with its module, the dots before that, and its name."""
    for node in python_files.statements(tree.body):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, (node.module or "", node.level, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], (alias.name, 0, "")


def _by_parameters(node: ast.FunctionDef | ast.AsyncFunctionDef, *, method: bool = False) -> str:
    names = [one.arg for one in (*node.args.posonlyargs, *node.args.args)][1 if method else 0 :]
    if isinstance(node, ast.AsyncFunctionDef):
        return ASGI if len(names) == len(_SCOPE) else ""
    if names[:1] == [_SCOPE[0]]:
        return ASGI
    return WSGI if len(names) == 2 and names[1] == _START else ""


def _all_the_same(found: Iterable[str]) -> str:
    kinds = set(found)
    return kinds.pop() if len(kinds) == 1 else ""
