"""The applications of a site: the URL paths at which other folders are served.

IIS has them in `<site>` of applicationHost.config, App Service in "Path mappings". The site's own
folder is the application at the root. Must not know of web.config or of requests.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ConfigError
from ..http.url_paths import BadPathError, decode_path, is_file_name
from ..processes import site_folder
from .windows_names import folded

__all__ = ["Application", "Applications", "Located", "parse_application", "read_applications"]

_OPTION = "--application"
_EXAMPLE = f"Write it as {_OPTION} /shop=DIR."
# IIS refuses them in the path of an application, as in those of its configuration.
_BAD = re.compile(r'[\\?;:@&=+$,|"<>*%\x00-\x1f]')
# The front end, and the site's own tools, respond below it in place of the site.
_PLATFORMS = "/.auth"


@dataclass(frozen=True)
class Application:
    """One application: its URL path without a slash at the end, "" for the site's own; its folder.

    `root` is its outermost web.config, if that is not the one in its folder. `shown` is the folder
    as the user has named it.
    """

    path: str
    folder: Path
    root: Path | None = None
    shown: str = field(default="", compare=False)

    @property
    def called(self) -> str:
        """The application's path for the user."""
        return self.path or "/"


@dataclass(frozen=True)
class Located:
    """The application of a URL path, and the part of the path below it, with its first slash."""

    application: Application
    below: str


class Applications:
    """A site's applications; `own` is the one at the root. Paths are compared without case."""

    def __init__(self, own: Application, others: Iterable[Application] = ()) -> None:
        self.own = own
        # The outermost come first: a configuration is inherited by those behind it.
        self.all = (own, *sorted(others, key=lambda each: (each.path.count("/"), each.path)))
        self._known = {_parts(each.path): each for each in self.all}
        # Also of paths above an application at which there is none: /a of /a/b.
        self._above = {key[:count] for key in self._known for count in range(len(key))}

    def locate(self, path: str) -> Located:
        """Return the innermost application of a decoded URL path, which begins with a slash."""
        segments = path.split("/")
        found, used = self.own, 0
        key: tuple[str, ...] = ()
        for count, segment in enumerate(segments[1:], 1):
            key += (folded(segment),)
            if key in self._known:
                found, used = self._known[key], count
            if key not in self._above:
                break
        rest = segments[used + 1 :] if used else segments[1:]
        return Located(found, "/" + "/".join(rest) if rest else "")

    def at(self, names: Sequence[str]) -> Application | None:
        """Return the application at exactly this path, given by its segments."""
        return self._known.get(tuple(map(folded, names)))

    def is_above(self, names: Sequence[str]) -> bool:
        """Return whether an application is below this path, given by its segments."""
        return tuple(map(folded, names)) in self._above

    def below(self, path: str) -> list[Application]:
        """Return the applications at a URL path or below it, such as "/shop", "" for all."""
        start = _parts(path)
        return [each for key, each in self._known.items() if key[: len(start)] == start]

    def owner(self, file: Path) -> Application | None:
        """Return the application with the deepest folder that holds a file of this machine."""
        holding = [each for each in self.all if file.is_relative_to(each.folder)]
        return max(holding, key=lambda each: len(each.folder.parts), default=None)


def _parts(path: str) -> tuple[str, ...]:
    return tuple(folded(part) for part in path.split("/") if part)


def parse_application(text: str) -> tuple[str, str]:
    """Parse `/shop=DIR`: the URL path of an application, and its folder as written.

    Raise ConfigError if it cannot be one.
    """
    path, sign, folder = text.partition("=")
    if not sign or not folder.strip():
        raise ConfigError(
            f"{_OPTION} {text!r} is not a path, an equals sign and a folder.", hint=_EXAMPLE
        )
    if not path.startswith("/"):
        raise ConfigError(
            f"{_OPTION} {text!r} has the path {path!r}, which does not begin with a slash.",
            hint=_EXAMPLE,
        )
    names = path.strip("/").split("/")
    if names == [""]:
        raise ConfigError(
            f"{_OPTION} {text!r} names the root of the site, whose application is SITE itself.",
            hint="Leave it out, and name that folder as SITE.",
        )
    if any(not is_file_name(name) or _BAD.search(name) for name in names) or not _is_plain(path):
        raise ConfigError(
            f"{_OPTION} {text!r} has the path {path!r}, which no URL of an application can be.",
            hint="Write plain names between single slashes, as in /shop or /shop/admin.",
        )
    if folded(f"/{names[0]}") == _PLATFORMS:
        raise ConfigError(
            f"{_OPTION} {text!r} is below /.auth, where App Service itself responds.",
            hint="Choose another path.",
        )
    return "/" + "/".join(names), folder


def _is_plain(path: str) -> bool:
    """Return whether IIS sees a path as it is written."""
    try:
        return decode_path(path.rstrip("/")) == path.rstrip("/")
    except BadPathError:
        return False


def read_applications(
    named: Iterable[tuple[str, str]], environ: Mapping[str, str]
) -> list[Application]:
    """Return the applications that the user names, by path and folder.

    `environ` holds this process's own variables. Raise ConfigError for a folder that is missing or
    holds the user's home folder, and for a path that is named twice.
    """
    found: dict[str, Application] = {}
    for path, written in named:
        key = folded(path)
        if key in found:
            raise ConfigError(
                f"{_OPTION} names {found[key].path!r} twice"
                + (f", once as {path!r}, and IIS ignores case" if path != found[key].path else "")
                + ".",
                hint="Leave one of them out.",
            )
        # Shells do not expand a ~ after an equals sign.
        folder = Path(os.path.abspath(os.path.expanduser(written)))
        if not folder.is_dir():
            what = "is a file, not a folder" if folder.exists() else "does not exist"
        else:
            what = site_folder.describe_whole(folder, environ)
        if what:
            raise ConfigError(
                f"{_OPTION} {path}={written}: that {what}.",
                hint="Name the folder that holds that app alone.",
            )
        found[key] = Application(path, folder, shown=written)
    return list(found.values())
