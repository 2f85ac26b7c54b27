"""Find the `.env` file on a developer's machine, and read it with python-dotenv.

Must not know what the settings are for. Nothing is put into the process's environment.
"""

from __future__ import annotations

import codecs
import io
from collections import ChainMap
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..errors import ConfigError
from ..findings import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["find_dotenv", "read_dotenv"]

# A larger file is not a list of settings: no process starts with an environment of that size.
_MAX_BYTES = 5_000_000

# PowerShell's `>` writes UTF-16; its Set-Content and Notepad write UTF-8 with a byte order mark.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
    (b"", "utf-8", "UTF-8"),
)


def find_dotenv(folder: Path) -> tuple[Path | None, list[Finding]]:
    """Return the nearest `.env` file in `folder` or a folder above it, or None.

    A `.env` that is not a file is skipped, and so are folders that cannot be read. A file above
    `folder` that belongs to another user is skipped with a finding: in a folder such as /tmp, any
    user can put one there.
    """
    from ..system import process  # on the platform there is no search

    findings: list[Finding] = []
    try:
        start = folder.resolve()
    except (OSError, ValueError, RuntimeError):  # deleted; not a path; links in a circle
        return None, findings
    for parent in (start, *start.parents):
        path = parent / ".env"
        try:
            if not path.is_file():
                continue
            if parent == start or not process.is_foreign(path, start):
                return path, findings
        except OSError:
            continue
        findings.append(
            Finding(
                "dotenv-owner",
                "warning",
                str(path),
                f"The file {path} belongs to another user and is not read.",
                "To read it anyway, pass its path: load_settings(dotenv=PATH).",
            )
        )
    return None, findings


def read_dotenv(path: Path, environ: Mapping[str, str]) -> tuple[dict[str, str], list[Finding]]:
    """Read a `.env` file: names to values, and a finding for each line that cannot be read.

    `${NAME}` is expanded as by python-dotenv's `load_dotenv()`: from `environ`, else from the lines
    before. A name without `=` is left out. Raises ConfigError for a file that cannot be read.
    """
    # Imported only if there is a `.env` file: on the platform there is none.
    from dotenv.parser import parse_stream
    from dotenv.variables import parse_variables

    values: dict[str, str] = {}
    known: ChainMap[str, str | None] = ChainMap({**environ}, cast("dict[str, str | None]", values))
    findings = []
    # newline=None turns every line end into \n, even within quotes, as reading a text file does.
    for binding in parse_stream(io.StringIO(_read_text(path), newline=None)):
        if binding.error:
            # A binding includes the blank lines before it.
            original = binding.original.string
            blank = original[: len(original) - len(original.lstrip())]
            line = binding.original.line + blank.count("\n")
            findings.append(
                Finding(
                    "dotenv-syntax",
                    "warning",
                    f"{path}:{line}",
                    f"Line {line} of {path} cannot be read and is left out.",
                    "Write NAME=value, with quotes around a value that contains blanks or #.",
                )
            )
        elif binding.key is not None and binding.value is not None:
            values[binding.key] = "".join(
                atom.resolve(known) for atom in parse_variables(binding.value)
            )
    return values, findings


def _read_text(path: Path) -> str:
    """Return the text of a file; ConfigError if it cannot be read or cannot be settings."""
    reason, data = "", b""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            reason = f"it is larger than {_MAX_BYTES // 1_000_000} MB"
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except ValueError:
        reason = "its name contains a NUL character"
    if reason:
        raise ConfigError(
            f"The file {path} cannot be read: {reason}.", hint="Make it readable, or name another."
        )
    encoding, called = next(row[1:] for row in _MARKS if data.startswith(row[0]))
    try:
        text = data.decode(encoding)
        bad = text.find("\0")
        if bad < 0:
            return text
        line = text.count("\n", 0, bad) + 1
        problem = (
            f"contains a NUL character (line {line}), as UTF-16 without a byte order mark does"
        )
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"is not {called} (line {line})"
    # Not within `except`: the caught error holds the whole file.
    raise ConfigError(f"The file {path} {problem}.", hint="Save it as UTF-8.")
