"""Which file names a site's packages, which others it includes, and what of it will surprise.

Reads files. Must not know of pip's options or of processes. How pip reads requirements: its
documentation ("Requirements File Format", "Encoding"): by the byte order mark, by a comment
`# -*- coding: … -*-` in the first two lines, else as UTF-8.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Requirements", "read_requirements"]

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_INCLUDED = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)(?:\s+|=)?(.+?)\s*$")
# What may be another thing the next time although the line is the same: folders, files, commits.
_MOVING = re.compile(
    r"^\s*(?:-e\b|--editable\b|\.{0,2}/|[A-Za-z]:\\|\S*\s*@\s*\S|\S+\+\S+://|file:)"
)
_DJANGO = re.compile(rb"django", re.IGNORECASE)
_MAX_FILES = 50


@dataclass(frozen=True)
class Requirements:
    """A requirements file as the platform sees it.

    `encoding` is how pip decodes it. `mentions_django`: the bytes do, which is what the platform
    looks at (`grep -iq "Django"`). `fixed`: an unchanged `digest`, which is of all included files
    too, means that nothing has to be installed. `names_own`: this package is among them.
    `warnings` are what will surprise, one sentence each.
    """

    encoding: str
    mentions_django: bool
    fixed: bool
    digest: str
    names_own: bool
    warnings: tuple[str, ...]


def read_requirements(path: Path) -> Requirements:
    """Read the file and those it includes; OSError where the first cannot be read."""
    data = path.read_bytes()
    encoding = _encoding(data)
    digest = hashlib.sha256()
    fixed, own, seen = True, False, 0
    for content in _with_included(path, data, set()):
        seen += 1
        digest.update(len(content).to_bytes(8, "big") + content)
        for line in content.decode(_encoding(content), "replace").splitlines():
            fixed = fixed and not _MOVING.match(line)
            own = own or bool(re.match(r"\s*appsvc[-_.]runtime\b", line, re.IGNORECASE))
    return Requirements(
        encoding=encoding,
        mentions_django=bool(_DJANGO.search(data)),
        fixed=fixed and seen <= _MAX_FILES,
        digest=digest.hexdigest(),
        names_own=own,
        warnings=tuple(_surprises(path.name, data, encoding)),
    )


def _encoding(data: bytes) -> str:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    for line in data.split(b"\n")[:2]:
        found = re.search(rb"coding[:=]\s*([-\w.]+)", line) if line.startswith(b"#") else None
        if found:
            name = found[1].decode("ascii", "replace")
            try:
                codecs.lookup(name)
            except LookupError:
                return "utf-8"
            return name
    return "utf-8"


def _with_included(path: Path, data: bytes, seen: set[Path]) -> Iterator[bytes]:
    seen.add(path)
    yield data
    for line in data.decode(_encoding(data), "replace").splitlines():
        found = _INCLUDED.match(line)
        other = path.parent / found[1].strip("'\"") if found else None
        if other is None or other in seen or len(seen) > _MAX_FILES:
            continue
        try:
            content = other.read_bytes()
        except (OSError, ValueError):
            continue  # pip says so
        yield from _with_included(other, content, seen)


def _surprises(name: str, data: bytes, encoding: str) -> Iterator[str]:
    text = data.decode(encoding, "replace")
    save = "Save it as UTF-8."
    if encoding in ("utf-16", "utf-32"):
        yield (
            f"{name} is in {encoding.upper()}, as PowerShell's `>` writes: pip reads it, but the "
            f"platform looks for Django in its bytes and will not see any. {save}"
        )
    elif b"\0" in data:
        yield (f"{name} looks like UTF-16 without a byte order mark: pip cannot read that. {save}")
    elif encoding == "utf-8-sig":
        yield f"{name} begins with a byte order mark: pip reads it, some tools do not. {save}"
    elif "\ufffd" in text:
        yield f"{name} is not in UTF-8, so that pip reads other characters than meant. {save}"
