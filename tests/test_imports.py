"""What import-linter does not see: checks of the operating system, and effects of an import."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

import appsvc_runtime

PACKAGE = Path(appsvc_runtime.__file__).parent
ROOT = PACKAGE.parent
MAX_LINES = 320


@functools.cache
def modules_of_package() -> dict[str, ast.Module]:
    """Return every module's syntax tree, by its path without suffix."""
    return {
        path.relative_to(PACKAGE).with_suffix("").as_posix(): ast.parse(path.read_text("utf-8"))
        for path in PACKAGE.rglob("*.py")
    }


def test_only_system_asks_for_the_operating_system() -> None:
    """No module elsewhere reads sys.platform or os.name, or the flags made of them."""
    asking = {
        f"{name}:{node.lineno}"
        for name, tree in modules_of_package().items()
        if not name.startswith("system/")
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
            and f"{node.value.id}.{node.attr}" in {"sys.platform", "os.name", "platform.system"})
        or (isinstance(node, ast.Attribute) and node.attr in {"WINDOWS", "MAC"})
        or (isinstance(node, ast.alias) and node.name in {"WINDOWS", "MAC"})
    }  # fmt: skip
    assert not asking


# Methods that change a mapping.
_WRITERS = {"update", "setdefault", "pop", "popitem", "clear", "__setitem__", "__delitem__"}


def _is_environ(node: ast.AST, aliases: set[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in aliases
    return ast.unparse(node) in ("os.environ", "os.environb")


def environ_writes(tree: ast.Module) -> list[int]:
    """Return the lines that change this process's variables, by any of its names in a module."""
    aliases = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _holds_environ(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    lines = []
    for node in ast.walk(tree):
        targets: list[ast.AST] = []
        if isinstance(node, ast.Assign | ast.Delete):
            targets = [*node.targets]
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        writes = any(
            (isinstance(target, ast.Subscript) and _is_environ(target.value, aliases))
            or (isinstance(target, ast.Attribute) and _is_environ(target, set()))
            or (isinstance(node, ast.AugAssign) and _is_environ(target, aliases))
            for target in targets
        )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            writes = (node.func.attr in _WRITERS and _is_environ(node.func.value, aliases)) or (
                ast.unparse(node.func) in ("os.putenv", "os.unsetenv")
            )
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            writes = bool({one.name for one in node.names} & {"environ", "putenv", "unsetenv"})
        if writes:
            lines.append(node.lineno)  # type: ignore[attr-defined]
    return lines


def _holds_environ(value: ast.AST) -> bool:
    """Return whether a value may be os.environ itself, and not a copy or a part of it."""
    if isinstance(value, ast.IfExp):
        return _holds_environ(value.body) or _holds_environ(value.orelse)
    if isinstance(value, ast.BoolOp):
        return any(map(_holds_environ, value.values))
    return _is_environ(value, set())


def test_one_module_writes_this_processs_variables() -> None:
    """Modules do not communicate through them: `serving/handover.py` defines the handover."""
    runtime = {n: t for n, t in modules_of_package().items() if not n.startswith("emulator/")}
    writing = {name for name, tree in runtime.items() if environ_writes(tree)}
    assert writing == {"serving/handover"}


@pytest.mark.parametrize(
    "code",
    [
        "os.environ['A'] = 'b'",
        "os.environ['A'] += 'b'",
        "del os.environ['A']",
        "os.environ |= {}",
        "os.environ = {}",
        "os.environ.pop('A')",
        "os.environ.update(A='b')",
        "os.environ.setdefault('A', 'b')",
        "os.putenv('A', 'b')",
        "from os import environ",
        "x = os.environ\nx['A'] = 'b'",
        "x = os.environ if y is None else y\nx.clear()",
        "x = y or os.environ\nx |= {}",
    ],
)
def test_every_way_to_write_a_variable_is_seen(code: str) -> None:
    """Otherwise the test above could not fail."""
    assert environ_writes(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    ["x = os.environ['A']", "x = {**os.environ}\nx['A'] = 'b'", "x = os.environ.get('A')",
     "x = dict(os.environ)\nx.pop('A')", "environ['wsgi.x'] = 1"],
)  # fmt: skip
def test_a_copy_may_be_changed(code: str) -> None:
    """WSGI's environ is not the process's either."""
    assert not environ_writes(ast.parse(code))


def test_modules_open_with_what_they_know() -> None:
    """Each has a docstring, and stays small; a folder's `__init__` has nothing else."""
    for name, tree in modules_of_package().items():
        assert ast.get_docstring(tree), name
        lines = len((PACKAGE / f"{name}.py").read_text("utf-8").splitlines())
        assert lines <= MAX_LINES, f"{name} has {lines} lines"
        if name.endswith("/__init__"):
            assert len(tree.body) == 1, name


PROBE = """
import json, sys
before = set(sys.modules)
import appsvc_runtime
from appsvc_runtime import AppServiceMiddleware
imported = set(sys.modules) - before
AppServiceMiddleware(lambda *_: [], environ={"WEBSITE_SITE_NAME": "x", "WEBSITE_INSTANCE_ID": "y"})
used = set(sys.modules) - before
print(json.dumps([sorted(imported), sorted(used)]))
"""


def probe() -> list[set[str]]:
    result = subprocess.run(
        [sys.executable, "-S", "-c", PROBE],
        capture_output=True, text=True, check=True, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert result.stderr == ""
    return [set(names) for names in json.loads(result.stdout)]


def test_the_web_process_stays_light() -> None:
    """Importing the middleware loads only the package; making one loads nothing third-party."""
    imported, used = probe()
    own = {name.removeprefix("appsvc_runtime.") for name in imported if "appsvc_runtime" in name}
    assert own == {
        "appsvc_runtime", "azure", "azure.hosts", "azure.names", "errors", "logs",
        "logs.request_context", "middleware", "middleware.agreement", "middleware.notices",
        "middleware.options", "middleware.request_info", "middleware.short_circuit",
        "middleware.trust", "middleware.wsgi", "settings", "settings.option_parsers",
        "settings.options",
    }  # fmt: skip
    for heavy in ("re", "typing", "logging", "dataclasses", "ipaddress", "socket", "asyncio"):
        assert heavy not in imported
    outside = {name.partition(".")[0] for name in used} - {"appsvc_runtime"}
    assert outside <= set(sys.stdlib_module_names)
    assert not outside & {"xml", "logging", "asyncio", "socket", "http", "email"}


def test_importing_a_module_does_nothing() -> None:
    """No variable is read, no logging configured, nothing printed.

    Only a configuration may do so.
    """
    modules = [
        ".".join(["appsvc_runtime", *name.split("/")]).removesuffix(".__init__")
        for name in sorted(set(modules_of_package()) - {"gunicorn_conf", "__main__", "__init__"})
    ]
    code = (
        "import importlib, json, logging, os, sys\n"
        "class Watched(dict):\n"
        "    def __getitem__(self, key, *default):\n"
        "        if key.startswith(('APPSVC', 'WEB', 'WSGI', 'PORT', 'HTTP', 'PYTHON', 'GUNI')):\n"
        "            raise AssertionError(key)\n"
        "        raise KeyError(key)\n"
        "    def get(self, key, default=None): return self[key] if self.has(key) else default\n"
        "    def has(self, key):\n"
        "        try: self[key]\n"
        "        except KeyError: return False\n"
        "    __contains__ = has\n"
        "import click, runpy, ast, dataclasses, subprocess, gunicorn.config\n"
        "import aiohttp, regex, watchfiles, werkzeug\n"
        "try:\n    import waitress\nexcept ImportError: pass\n"
        "try:\n    import pydantic_settings\nexcept ImportError: pass\n"
        "real, os.environ = os.environ, Watched()\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except Exception as error:\n"
        "        sys.exit(f'{name}: {error!r}')\n"
        "    assert not logging.root.handlers, name\n"
        "os.environ = real\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, json.dumps(modules)], capture_output=True, text=True,
        check=False, cwd=ROOT, timeout=120,
    )  # fmt: skip
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
