"""A requirements file and the files that it includes: found and read as pip does, but with limits.

Reads files. Must not know of packages. What pip or uv would read without end, wait for, or fail to
decode with a traceback, is refused in one sentence. How pip chooses the encoding: its documentation
("Requirements File Format", "Encoding"): by the byte order mark, by a comment
`# -*- coding: … -*-` in the first two lines, else UTF-8. uv reads UTF-8 and UTF-16 only.
"""

from __future__ import annotations

import codecs
import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ....errors import ConfigError
from ....system.plain_file import read_plain
from .local_sources import logical_lines

__all__ = ["RequirementFile", "read_files", "refuse_special"]

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Far more than anybody writes: beyond it, something else was named by mistake.
_MAX_BYTES = 16_000_000
_MAX_FILES = 1000
_SAVE = "Save it as UTF-8."
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True)
class RequirementFile:
    """A file with its content, and the encoding in which pip reads it."""

    path: Path
    data: bytes
    encoding: str

    @property
    def text(self) -> str:
        """The decoded content; what cannot be decoded is replaced."""
        return self.data.decode(self.encoding, "replace")


def read_files(path: Path, folder: Path, variables: Mapping[str, str]) -> list[RequirementFile]:
    """Return the requirements file at `path`, and all files that it includes.

    pip runs in `folder` with these variables. An included file that does not exist is left out: pip
    reports it. Raise ConfigError for a file that cannot be used, OSError if the first is missing.
    """
    files: list[RequirementFile] = []
    seen, size = {path}, 0
    waiting = [(path, _shown(path, folder))]
    while waiting:
        if len(files) >= _MAX_FILES:
            raise ConfigError(
                f"{_shown(path, folder)} includes more than {_MAX_FILES} files.",
                hint="Look at its lines with -r and -c.",
            )
        file, shown = waiting.pop()
        try:
            data = _read(file, shown)
        except (OSError, ValueError):
            if not files:
                raise
            continue
        size += len(data)
        if size > _MAX_BYTES:
            raise _too_large(shown)
        read = RequirementFile(file, data, _encoding(data))
        _refuse_undecodable(read, _shown(file, folder))
        files.append(read)
        for name in _included(read.text, variables):
            other = _place(name, file.parent)
            if other is not None and other not in seen:
                seen.add(other)
                waiting.append((other, f"{name}, which {_shown(file, folder)} includes,"))
    return files


def refuse_special(path: Path, shown: str) -> None:
    """Raise ConfigError if there is something at `path` that is not a file."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    for test, kind in _KINDS:
        if test(mode):
            raise ConfigError(
                f"{shown} is {kind}, not a file.",
                hint="Write the requirements into a file of that name, or name another.",
            )


def _read(path: Path, shown: str) -> bytes:
    refuse_special(path, shown)
    data = read_plain(path, _MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise _too_large(shown)
    return data


def _too_large(shown: str) -> ConfigError:
    return ConfigError(
        f"{shown} is too large: the requirements are more than {_MAX_BYTES // 1_000_000} MB.",
        hint="Name a file with requirements.",
    )


def _refuse_undecodable(file: RequirementFile, shown: str) -> None:
    """Raise ConfigError for what neither uv nor pip reads."""
    if file.encoding not in ("utf-16", "utf-32") and b"\0" in file.data:
        line = file.data.partition(b"\0")[0].count(b"\n") + 1
        raise ConfigError(
            f"{shown} has a null byte in line {line}, as UTF-16 without a byte order mark has: "
            "neither uv nor pip reads that.",
            hint=_SAVE,
        )
    try:
        file.data.decode(file.encoding)
    except UnicodeDecodeError as error:
        line = file.data[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{shown} is not in {file.encoding.upper()} (byte 0x{file.data[error.start]:02x} in "
            f"line {line}): neither uv nor pip reads that.",
            hint=_SAVE,
        ) from None


def _shown(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _encoding(data: bytes) -> str:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    for line in data.split(b"\n", 2)[:2]:
        found = re.search(rb"coding[:=]\s*([-\w.]+)", line) if line.startswith(b"#") else None
        if found:
            name = found[1].decode("ascii", "replace")
            try:
                b"a".decode(name)
            except UnicodeError:
                return name  # it has no character of one byte
            except (LookupError, ValueError):
                return "utf-8"
            return name
    return "utf-8"


def _included(text: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield what options of these lines include, as pip's parser (optparse) finds them."""
    for line in logical_lines(text, variables):
        if not line.startswith("-"):
            continue
        try:
            words = shlex.split(line)
        except ValueError:
            words = line.split()
        for word, after in zip(words, [*words[1:], ""], strict=True):
            option, sign, value = word.partition("=")
            if word.startswith("--"):
                if _is_long(option) and (sign or after):
                    yield value if sign else after
            elif word[:2] in ("-r", "-c"):
                yield word[2:].removeprefix("=") or after


def _is_long(option: str) -> bool:
    """Return whether a long option includes a file; optparse takes a clear beginning as well."""
    return ("--requirement".startswith(option) and len(option) > len("--require")) or (
        "--constraint".startswith(option) and len(option) > len("--con")
    )


def _place(name: str, folder: Path) -> Path | None:
    """Return the path of an included file, None for one on another machine."""
    if name.lower().startswith("file:"):
        try:
            return Path(url2pathname(urlsplit(name).path))
        except ValueError:
            return None
    return folder / name if name and "://" not in name and "\0" not in name else None
