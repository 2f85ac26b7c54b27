"""`.env` at home: finding it, and reading it with python-dotenv.

Must not know what the settings are for. Nothing is put into the process's environment.
"""

from __future__ import annotations

import codecs
import io
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ConfigError
from .findings import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["find_dotenv", "read_dotenv"]

# PowerShell's `>` writes UTF-16; its Set-Content, and Notepad, a mark before UTF-8.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def find_dotenv(folder: Path) -> Path | None:
    """Give the nearest `.env` file in `folder` or a folder above it, None where there is none."""
    try:
        start = folder.resolve()
        for parent in (start, *start.parents):
            path = parent / ".env"
            if path.is_file():
                return path
    except OSError:  # a folder that is gone, or closed to us
        pass
    return None


def read_dotenv(path: Path, environ: Mapping[str, str]) -> tuple[dict[str, str], list[Finding]]:
    """Read a `.env` file: names to values, and a finding for each line that says nothing.

    `${NAME}` is expanded as python-dotenv does, from `environ` and the lines before. A name without
    `=` is left out. Raises ConfigError for a file that cannot be read.
    """
    # Loaded by those who have such a file; on the platform nobody has.
    from dotenv.parser import parse_stream
    from dotenv.variables import parse_variables

    try:
        data = path.read_bytes()
        encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
        text = data.decode(encoding)
    except OSError as error:
        raise ConfigError(
            f"The file {path} cannot be read: {error.strerror}.", hint="Make it readable."
        ) from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"The file {path} is not UTF-8 (line {line}).", hint="Save it as UTF-8."
        ) from None
    values: dict[str, str] = {}
    findings = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            findings.append(
                Finding(
                    "dotenv-syntax",
                    "warning",
                    f"{path}:{binding.original.line}",
                    f"Line {binding.original.line} of {path} cannot be read and is left out.",
                    "Write NAME=value, with quotes around a value that holds blanks or #.",
                )
            )
        elif binding.key is not None and binding.value is not None:
            known: dict[str, str | None] = {**environ, **values}
            values[binding.key] = "".join(
                atom.resolve(known) for atom in parse_variables(binding.value)
            )
    return values, findings
