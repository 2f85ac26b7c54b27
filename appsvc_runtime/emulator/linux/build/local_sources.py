"""What requirements name on this disk: wheels and archives, folders of them, folders of sources.

Reads files. How pip and uv read such lines: pip's documentation ("Requirements File Format",
"Requirement Specifiers"), its req_file.py and constructors.py; uv's ("Dependencies", sources). Must
not know what the result is used for.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

__all__ = [
    "ARCHIVES",
    "PROJECT_FILES",
    "LocalSources",
    "in_lines",
    "in_project",
    "in_variables",
    "logical_lines",
]

ARCHIVES = tuple(
    ".whl .zip .tar.gz .tgz .tar .tar.bz2 .tbz .tar.xz .txz .tlz .tar.lz .tar.lzma".split()
)
# The files of a project that define what is installed.
PROJECT_FILES = ("pyproject.toml", "uv.lock", "uv.toml", "poetry.lock", "setup.py", "setup.cfg")

_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_OPTIONS = re.compile(r"\s+--?[A-Za-z].*$")
_NAMED_URL = re.compile(r"^[A-Za-z0-9][\w.-]*\s*(?:\[[^]]*\])?\s*@\s*")
_EXTRAS = re.compile(r"\[[^]]*\]$")
# Options followed by a place to search for archives, or by a requirement.
_PLACES = ("-f", "--find-links", "-i", "--index-url", "--extra-index-url", "--pypi-url")
_EDITABLE = ("-e", "--editable")
_PLACE_VARIABLES = (
    "PIP_FIND_LINKS PIP_INDEX_URL PIP_EXTRA_INDEX_URL UV_FIND_LINKS UV_INDEX UV_DEFAULT_INDEX "
    "UV_INDEX_URL UV_EXTRA_INDEX_URL"
).split()
_FILE_VARIABLES = (
    "PIP_CONSTRAINT PIP_BUILD_CONSTRAINT UV_CONSTRAINT UV_OVERRIDE UV_BUILD_CONSTRAINT"
).split()
# In the files of a project: a key and its values, a string in quotes, a URL.
_KEY = re.compile(
    r"\b(?P<key>path|directory|editable|registry|url|find-links)\s*=\s*"
    r"(?P<values>\[[^]]*\]|\"[^\"\n]*\"|'[^'\n]*')"
)
_QUOTED = re.compile(r"\"([^\"\n]+)\"|'([^'\n]+)'")
_FILE_URL = re.compile(r"file:[^\s\"'\[\],;}]+")


@dataclass
class LocalSources:
    """The result: `files` whose content counts, `places` that are folders or pages of archives.

    `folders` are folders of sources that packages are built from.
    """

    files: set[Path] = field(default_factory=set)
    places: set[Path] = field(default_factory=set)
    folders: set[Path] = field(default_factory=set)

    def add(self, path: Path, *, looks_like_path: bool = True) -> bool:
        """Add the path that a requirement names; return whether it was taken as a path."""
        if looks_like_path and path.is_dir():
            self.folders.add(path)
        elif path.name.lower().endswith(ARCHIVES):
            self.files.add(path)  # even if missing: it may be added later
        else:
            return False
        return True

    def inside(self, folder: Path) -> set[Path]:
        """Return the folders of sources that are in a folder, or are the folder itself."""
        base = folder.resolve()
        return {path for path in self.folders if path.resolve().is_relative_to(base)}

    def update(self, other: LocalSources) -> None:
        """Add the results of `other`."""
        self.files |= other.files
        self.places |= other.places
        self.folders |= other.folders


def in_lines(
    text: str, file: Path, folder: Path, variables: Mapping[str, str]
) -> tuple[LocalSources, list[str]]:
    """Return what the requirements in `text`, from `file`, name on disk; and all other lines.

    Paths are relative to `folder`, in which pip runs. The returned lines have no comments, and
    their variables are replaced.
    """
    found, lines = LocalSources(), []
    for line in logical_lines(text, variables):
        if line.startswith("-"):
            named = _in_options(line, file.parent, folder, found)
        else:
            named = _in_requirement(_OPTIONS.sub("", line), folder, found)
        if not named:
            lines.append(line)
    return found, lines


def logical_lines(text: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of requirements as pip joins them, with variables, without comments."""
    joined = ""
    for line in text.splitlines():
        if line.endswith("\\") and not _COMMENT.match(line):
            joined += line[:-1]
            continue
        whole, joined = _COMMENT.sub("", joined + line).strip(), ""
        if whole:
            yield _VARIABLE.sub(lambda found: variables.get(found[1]) or found[0], whole)
    if joined.strip():
        yield joined.strip()


def _in_options(line: str, beside: Path, folder: Path, found: LocalSources) -> bool:
    named = False
    for option, value in _options(line):
        if option in _PLACES:
            # Relative to the file first, as pip does.
            paths = [path for base in (beside, folder) if (path := _path(value, base)) is not None]
            found.places.update([path for path in paths if path.exists()][:1])
        elif option in _EDITABLE:
            named = _in_requirement(value, folder, found) or named
    return named


def _options(line: str) -> Iterator[tuple[str, str]]:
    """Yield the options of a line that have a value: `--name=value`, `--name value`, `-nvalue`."""
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    for word, after in itertools.zip_longest(words, words[1:], fillvalue=""):
        option, sign, value = word.partition("=")
        if option in (*_PLACES, *_EDITABLE) and not sign:
            value = after
        if word[:2] in ("-e", "-f", "-i") and word[2:3] not in ("", "=", "-"):
            option, value = word[:2], word[2:]
        if value:
            yield option, value


def _in_requirement(text: str, folder: Path, found: LocalSources) -> bool:
    is_url = re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", _NAMED_URL.sub("", text)) is not None
    text = text.partition("; " if is_url else ";")[0].strip()
    rest = _NAMED_URL.sub("", text)
    if is_url:
        path = _path(rest, folder)
        return path is not None and found.add(path)
    if rest != text and not text.startswith("."):
        text = rest  # `name @ ./wheels/x.whl`
    text = _EXTRAS.sub("", text).strip()
    if not text or "\0" in text:
        return False
    looks = "/" in text or "\\" in text or text.startswith(".")
    return found.add(folder / text, looks_like_path=looks)


def in_project(folder: Path, texts: Iterable[str]) -> LocalSources:
    """Return what the files of a project in `folder` name: pyproject.toml, lock files, setup.py.

    Searches by regular expression, because not every Python has a TOML parser: a false match is
    counted without need, and does no harm.
    """
    found = LocalSources()
    for text in texts:
        for url in _FILE_URL.findall(text):
            path = _path(url, folder)
            if path is not None and path.exists():
                found.add(path)
        for path in _quoted_paths(text, folder):
            if path.name.lower().endswith(ARCHIVES) and path.is_file():
                found.files.add(path)
        for match in _KEY.finditer(text):
            kind = found.places if match["key"] in ("find-links", "registry") else found.folders
            kind.update(filter(Path.is_dir, _quoted_paths(match["values"], folder)))
    return found


def _quoted_paths(text: str, folder: Path) -> Iterator[Path]:
    for one, other in _QUOTED.findall(text):
        path = _path(one or other, folder)
        if path is not None:
            yield path


def in_variables(variables: Mapping[str, str], folder: Path) -> LocalSources:
    """Return what the variables of pip and uv name."""
    found = LocalSources()
    for names, kind in ((_PLACE_VARIABLES, found.places), (_FILE_VARIABLES, found.files)):
        for name in names:
            for word in re.split(r"[\s,]+", variables.get(name, "")):
                path = _path(word, folder) if word else None
                if path is not None and path.exists():
                    kind.add(path)
    return found


def _path(text: str, base: Path) -> Path | None:
    """Return the path that a text names, relative to `base`; None for a URL of another machine."""
    text = text.strip().strip("'\"")
    if text.lower().startswith("file:"):
        try:
            url = urlsplit(text)
        except ValueError:
            return None
        text = url2pathname(url.path)
    elif "://" in text:
        return None
    elif text.startswith("~"):
        try:
            return Path(text).expanduser()
        except RuntimeError:
            return None
    return base / text if text and "\0" not in text and len(text) < 4096 else None
