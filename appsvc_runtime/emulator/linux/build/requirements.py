"""Which file names a site's packages, which files it includes, and what about it will surprise.

Reads files. Must not know of processes. How pip chooses the encoding: its documentation
("Requirements File Format", "Encoding"): by the byte order mark, by a comment `# -*- coding: … -*-`
in the first two lines, else UTF-8.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from .local_sources import LocalSources, in_lines, logical_lines

__all__ = ["Requirements", "read_requirements"]

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_INCLUDED = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)(?:\s+|=)?(.+?)\s*$")
# Requirements whose content may change although the line stays the same: commits, URLs.
_MOVING = re.compile(
    r"^(?:-e\b|--editable\b|\.{0,2}/|[A-Za-z]:\\|\S*\s*@\s*\S|\S+\+\S+://|https?:|file:)"
)
# Options that name where packages are looked for.
_PLACE = re.compile(r"(?:-i|-f|--index-url|--extra-index-url|--find-links|--no-index)(?:\b|=|\s)")
_DJANGO = re.compile(rb"django", re.IGNORECASE)
_MAX_FILES = 50


@dataclass(frozen=True)
class Requirements:
    """A requirements file as the platform reads it.

    `encoding` is how pip decodes it. `mentions_django`: the bytes contain Django, which is what the
    platform tests (`grep -iq "Django"`). `fixed`: with the same `digest`, which covers included
    files too, nothing has to be installed. `names_own`: this package is among them; `own_by_name`:
    by its name alone, for which pip looks on the default index. `warnings` are what will surprise,
    one sentence each. `local` is what the requirements name on this disk.
    """

    encoding: str
    mentions_django: bool
    fixed: bool
    digest: str
    names_own: bool
    own_by_name: bool
    warnings: tuple[str, ...]
    local: LocalSources = field(default_factory=LocalSources)


def read_requirements(
    path: Path, folder: Path | None = None, variables: Mapping[str, str] | None = None
) -> Requirements:
    """Read the file and the files it includes; raise OSError if the first cannot be read.

    pip is run in `folder`, by default the file's own folder, with these variables.
    """
    data = path.read_bytes()
    encoding = _encoding(data)
    digest = hashlib.sha256()
    fixed, own, by_name, elsewhere, seen = True, False, False, False, 0
    local, folder, variables = LocalSources(), folder or path.parent, variables or {}
    for file, content in _with_included(path, data, set(), variables):
        seen += 1
        digest.update(len(content).to_bytes(8, "big") + content)
        text = content.decode(_encoding(content), "replace")
        found, lines = in_lines(text, file, folder, variables)
        local.update(found)
        for line in lines:
            fixed = fixed and not _MOVING.match(line)
            elsewhere = elsewhere or bool(_PLACE.match(line))
            if re.match(r"\s*appsvc[-_.]runtime\b", line, re.IGNORECASE):
                own, by_name = True, by_name or "@" not in line
    return Requirements(
        encoding=encoding,
        mentions_django=bool(_DJANGO.search(data)),
        # The copy tracks files inside the site; others count by their content.
        fixed=fixed and seen <= _MAX_FILES and not local.inside(folder),
        digest=digest.hexdigest(),
        names_own=own,
        own_by_name=by_name and not elsewhere,
        warnings=tuple(_surprises(path.name, data, encoding)),
        local=local,
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


def _with_included(
    path: Path, data: bytes, seen: set[Path], variables: Mapping[str, str]
) -> Iterator[tuple[Path, bytes]]:
    seen.add(path)
    yield path, data
    for line in logical_lines(data.decode(_encoding(data), "replace"), variables):
        found = _INCLUDED.match(line)
        other = _included(found[1], path.parent) if found else None
        if other is None or other in seen or len(seen) > _MAX_FILES:
            continue
        try:
            if not other.is_file():
                continue  # pip reports it; and do not wait for a pipe
            content = other.read_bytes()
        except (OSError, ValueError):
            continue
        yield from _with_included(other, content, seen, variables)


def _included(name: str, folder: Path) -> Path:
    name = name.strip("'\"")
    if name.startswith("file:"):
        return Path(url2pathname(urlsplit(name).path))
    return folder / name


def _surprises(name: str, data: bytes, encoding: str) -> Iterator[str]:
    text = data.decode(encoding, "replace")
    save = "Save it as UTF-8."
    if encoding in ("utf-16", "utf-32"):
        yield (
            f"{name} is in {encoding.upper()}, as PowerShell's `>` writes: pip reads it, but the "
            f"platform searches its bytes for Django and does not find it. {save}"
        )
    elif b"\0" in data:
        yield (f"{name} looks like UTF-16 without a byte order mark: pip cannot read that. {save}")
    elif encoding == "utf-8-sig":
        yield f"{name} starts with a byte order mark: pip reads it, some tools do not. {save}"
    elif "\ufffd" in text:
        yield f"{name} is not in UTF-8, so pip reads wrong characters. {save}"
