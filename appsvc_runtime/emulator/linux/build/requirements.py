"""What a site's requirements say: which of them are on this disk, and what will surprise.

Pure, but for what the files are read by. Must not know of processes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .local_sources import LocalSources, in_lines
from .requirement_files import RequirementFile, read_files

__all__ = ["Requirements", "read_requirements"]

# Requirements whose content may change although the line stays the same: commits, URLs.
_MOVING = re.compile(
    r"^(?:-e\b|--editable\b|\.{0,2}/|[A-Za-z]:\\|\S*\s*@\s*\S|\S+\+\S+://|https?:|file:)"
)
# Options that name where packages are looked for.
_PLACE = re.compile(r"(?:-i|-f|--index-url|--extra-index-url|--find-links|--no-index)(?:\b|=|\s)")
_DJANGO = re.compile(rb"django", re.IGNORECASE)


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
    """Read the file and the files it includes; see `requirement_files.read_files`.

    pip is run in `folder`, by default the file's own folder, with these variables.
    """
    digest = hashlib.sha256()
    fixed, own, by_name, elsewhere = True, False, False, False
    local, folder, variables = LocalSources(), folder or path.parent, variables or {}
    files = read_files(path, folder, variables)
    for file in files:
        digest.update(len(file.data).to_bytes(8, "big") + file.data)
        found, lines = in_lines(file.text, file.path, folder, variables)
        local.update(found)
        for line in lines:
            fixed = fixed and not _MOVING.match(line)
            elsewhere = elsewhere or bool(_PLACE.match(line))
            if re.match(r"\s*appsvc[-_.]runtime\b", line, re.IGNORECASE):
                own, by_name = True, by_name or "@" not in line
    return Requirements(
        encoding=files[0].encoding,
        mentions_django=bool(_DJANGO.search(files[0].data)),
        # The copy tracks files inside the site; others count by their content.
        fixed=fixed and not local.inside(folder),
        digest=digest.hexdigest(),
        names_own=own,
        own_by_name=by_name and not elsewhere,
        warnings=tuple(_surprises(files[0])),
        local=local,
    )


def _surprises(file: RequirementFile) -> Iterator[str]:
    name, save = file.path.name, "Save it as UTF-8."
    if file.encoding in ("utf-16", "utf-32"):
        yield (
            f"{name} is in {file.encoding.upper()}, as PowerShell's `>` writes: pip reads it, but "
            f"the platform searches its bytes for Django and does not find it. {save}"
        )
    elif file.encoding == "utf-8-sig":
        yield f"{name} starts with a byte order mark: pip reads it, some tools do not. {save}"
    elif b"\r" in file.data and b"\n" not in file.data:
        yield f"{name} ends its lines with CR alone: uv and pip read it, some tools do not. {save}"
