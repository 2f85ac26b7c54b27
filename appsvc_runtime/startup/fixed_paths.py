"""Paths in a site's files that a built site does not have, and database files that it loses.

Reads the site's Python files and shell scripts, imports and runs nothing. Must not know what the
result is used for.

Sources: Oryx's start script generator, which unpacks a built site below /tmp; the SQLite FAQ and
wal.html, on locks and shared memory on network file systems.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..azure import names as azure_names
from ..system.exact_names import is_file
from .wsgi_search import is_searched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["describe", "find_in_text", "find_paths"]

# A hint is not worth reading a whole disk.
_MAX_FILES, _MAX_BYTES, _MAX_DEPTH = 500, 1_000_000, 8
_MAX_TOLD = 3
_HOME = azure_names.SITE_FOLDER.partition("/site/")[0]
_WWWROOT = re.compile(rf"(?<![\w./~-]){re.escape(azure_names.SITE_FOLDER)}(?![\w.-])[^\s'\"`;:,)]*")
_DATABASE = re.compile(
    r"(?:sqlite(?:\+\w+)?:///?)?(?P<path>[^\0\n*?:|<>]{0,200}[^\0\n*?:|<>./]\.(?:db|db3|sqlite3?))"
    r"(?:\?.*)?",
    re.IGNORECASE,
)
# Without one of these words a file has nothing to be found, and is not parsed.
_WORDS = (azure_names.SITE_FOLDER.encode(), b".db", b".sqlite")
# Python's names of modules, such as Django's "django.db.backends.sqlite3", end like files.
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*){2,}")
_NOT_APPS = re.compile(r"tests?|test_.*|.*_test\.py|conftest\.py|migrations|docs|examples")


@dataclass(frozen=True)
class Found:
    """A path: `where` it is written, and the `text`; a file of a database, or another."""

    where: str
    text: str
    database: bool


def find_paths(site: Path) -> list[Found]:
    """Return the paths in a site's files, each text once, in the order of the files."""
    found: dict[str, Found] = {}
    for path, shown in _files(site, "", 0, [_MAX_FILES]):
        for line, text, database in _in_file(path):
            found.setdefault(text, Found(f"{shown}, line {line}", text, database))
    return list(found.values())


def find_in_text(where: str, text: str) -> list[Found]:
    """Return the paths in a command or a setting; `where` says which."""
    database = _database(text.strip())
    if database:
        return [Found(where, database, True)]
    return [Found(where, match[0], False) for match in _WWWROOT.finditer(text)]


def describe(found: Iterable[Found], *, built: bool = True) -> list[str]:
    """Return a sentence for each of the first paths, and one with the number of the others.

    If the site is not `built`, it is in /home itself, and only files of databases are described.
    """
    listed = [each for each in found if built or each.database]
    told = [_sentence(each, built) for each in listed[:_MAX_TOLD]]
    if len(listed) > _MAX_TOLD:
        told.append(f"{len(listed) - _MAX_TOLD} more such paths are in the site.")
    return told


def _sentence(found: Found, built: bool) -> str:
    if not found.database:
        return (
            f"{found.where}: {found.text} is not where a built site's files are: there is only "
            f"their archive. Write a path relative to the module, or ${azure_names.APP_PATH}."
        )
    if found.text.startswith(f"{_HOME}/") or not built:
        why = f"{_HOME} is a network share, where SQLite's locks fail or wait"
        if found.text.startswith(f"{azure_names.SITE_FOLDER}/") or not found.text.startswith("/"):
            why += ", and a deployment may replace the file"
    else:
        why = (
            "beside the app it is lost at each restart and deployment, and below "
            f"{_HOME}, a network share, SQLite's locks fail or wait"
        )
    return f"{found.where}: the database file {found.text}: {why}. Use a database server."


def _files(folder: Path, shown: str, depth: int, left: list[int]) -> Iterator[tuple[Path, str]]:
    """Yield files that may name paths, and their names in the site; `left` is how many more."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
    except OSError:
        return
    folders = []
    for entry in entries:
        if _NOT_APPS.fullmatch(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            if depth < _MAX_DEPTH and is_searched(entry):
                folders.append(entry)
        elif entry.name.endswith((".py", ".sh")) and left[0] > 0 and is_file(folder, entry.name):
            left[0] -= 1
            yield Path(entry.path), shown + entry.name
    for inner in folders:
        yield from _files(Path(inner.path), f"{shown}{inner.name}/", depth + 1, left)


def _in_file(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield the lines with a path, the path, and whether it is a file of a database."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError:
        return
    if len(data) > _MAX_BYTES or not any(word in data.lower() for word in _WORDS):
        return
    if path.suffix == ".sh":
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if not line.lstrip().startswith("#"):
                for match in _WWWROOT.finditer(line):
                    yield number, match[0], False
        return
    for node in _texts(data):
        database = _database(node.value)
        if database:
            yield node.lineno, database, True
        else:
            for match in _WWWROOT.finditer(node.value):
                yield node.lineno, match[0], False


def _texts(data: bytes) -> Iterator[_Text]:
    """Yield the string constants of a module, without docstrings and in the order of lines."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the app's own code may have any
            tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    comments = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    found = [
        _Text(node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in comments
    ]
    yield from sorted(found, key=lambda text: text.lineno)


@dataclass(frozen=True)
class _Text:
    lineno: int
    value: str


def _database(text: str) -> str:
    """Return the path of a database in a text that is a path or a URL of one, or ""."""
    match = _DATABASE.fullmatch(text) if len(text) < 300 else None
    if match is None:
        return ""
    path = match["path"]
    name = path.rpartition("/")[2]
    outside = path.startswith("/") and path.count("/") > 1 and not path.startswith(f"{_HOME}/")
    if outside or " " in name or _MODULE.fullmatch(text) or name.lower() == "thumbs.db":
        return ""
    return path if path.startswith(f"{_HOME}/") else path.lstrip("/")  # a part of an f-string
