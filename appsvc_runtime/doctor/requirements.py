"""The packages that a site asks for: names, versions and lines of its requirements.

Reads requirements.txt and the files it includes, pyproject.toml as far as that lists packages.
Must not know what a package is good for. The syntax: PEP 508 and pip's "Requirements File Format".
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

__all__ = ["Requirement", "normal", "of_project", "read_project", "read_requirements"]

_NAME = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(.*)", re.S)
_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]+(\S+)")
_MAX_FILES = 50


@dataclass(frozen=True)
class Requirement:
    """One line: the package's normal `name` ("" for what is no name), and its place.

    `versions` is the part behind the name without marker and hashes; `text` the line.
    """

    name: str
    versions: str
    text: str
    file: str
    line: int

    @property
    def pin(self) -> str:
        """The version, if exactly one is allowed, else ""."""
        found = re.fullmatch(r"={2,3}\s*([^,*\s]+)", self.versions)
        return found[1] if found else ""


def normal(name: str) -> str:
    """Return a package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_requirements(read: Callable[[str], bytes], name: str) -> list[Requirement]:
    """Return the requirements of a file and of those that it includes, each file once.

    `read` returns the content of a file of the site, none for any other.
    """
    found: list[Requirement] = []
    waiting, seen = [name], {name}
    while waiting and len(seen) <= _MAX_FILES:
        file = waiting.pop(0)
        for number, line in _lines(read(file)):
            include = _INCLUDE.fullmatch(line)
            if include:
                inner = os.path.normpath(PurePosixPath(file).parent / include[1]).replace("\\", "/")
                if inner not in seen and not inner.startswith(("..", "/")):
                    seen.add(inner)
                    waiting.append(inner)
            elif not line.startswith("-") or line.startswith(("-e", "--editable")):
                found.append(_parse(line, file, number))
    return found


def read_project(data: bytes) -> dict[str, Any]:
    """Return what a pyproject.toml says, {} if it cannot be read, or before Python 3.11."""
    if sys.version_info < (3, 11):
        return {}
    tomllib = importlib.import_module("tomllib")  # not there for a type checker of 3.10
    try:
        read: dict[str, Any] = tomllib.loads(data.decode("utf-8"))
        return read
    except (ValueError, RecursionError):
        return {}


def of_project(project: dict[str, Any]) -> list[Requirement]:
    """Return the packages that pyproject.toml lists, those of Poetry's own table as well."""
    listed = _table(project, "project").get("dependencies")
    texts = [text for text in listed if isinstance(text, str)] if isinstance(listed, list) else []
    poetry = _table(_table(_table(project, "tool"), "poetry"), "dependencies")
    texts += [name for name in poetry if isinstance(name, str) and name.lower() != "python"]
    return [_parse(text, "pyproject.toml", 0) for text in texts]


def _table(value: Any, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not empty, without comments, continued ones joined."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    begun, start = "", 0
    for number, line in enumerate(data.decode(encoding, "replace").splitlines(), 1):
        start = start or number
        line = re.sub(r"(?:^|\s)#.*", "", line)
        if line.rstrip().endswith("\\"):
            begun += line.rstrip()[:-1] + " "
            continue
        text = (begun + line).strip()
        if text:
            yield start, text
        begun, start = "", 0


def _parse(text: str, file: str, line: int) -> Requirement:
    plain = text.partition(";")[0].partition(" --")[0].strip()
    name, versions = "", ""
    found = _NAME.fullmatch(plain)
    if found and not plain.startswith("-") and not re.match(r"[/\\:]", found[2]):
        name, versions = normal(found[1]), found[2].strip()
        if found[1].endswith((".whl", ".zip", ".gz")):
            name = ""
    return Requirement(name, versions, text, file, line)
