"""How a container gets another folder as /home: a mount namespace, or changed paths in its texts.

Knows Linux's mounts. Must not know what runs in the container. `unshare` and `mount` of util-linux,
which every Linux has, make the namespace; an ordinary user's namespace is inside a user namespace,
where the user is root, as the container's user is. The machine's own folders in /home stay visible
beside the platform's: the interpreter may be in one of them.

Sources: unshare(1), mount(8), user_namespaces(7).
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...azure import names as azure_names
from ...system import own_files

__all__ = ["HOME", "Space", "make_space", "rewrite_file"]

HOME = azure_names.SITE_FOLDER.partition("/site/")[0]
# The platform's own names in /home, whether they exist already or an app creates them.
_OWN = ("LogFiles", "data", "site")
# A path of the platform in a text: at the start, or after a character that no path contains
# unescaped, or in a URL where the path is absolute (SQLAlchemy's sqlite:////home); the name must
# end there.
_PATHS = re.compile(
    r"(?:(?<![\w./~-])|(?<=\w:///))/home"
    rf"(?P<rest>/site/wwwroot(?![\w.-])|/(?:{'|'.join(_OWN)})(?![\w.-]))"
)
_TRIAL_SECONDS = 15
_SAFE = re.compile(r"[\w@%+=:,./-]+")
_MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class Space:
    """Where a container finds its folders.

    `site` and `home` are the paths of the built copy and of /home inside, `prefix` stands before a
    program's own arguments. `note` is why there is no namespace; with a namespace, it names the
    machine's folders that are hidden, or is "".
    """

    site: str
    home: str
    prefix: tuple[str, ...] = ()
    note: str = ""

    def inside(self, text: str) -> str:
        """Return a text in which the platform's paths are replaced by the paths inside."""
        if self.home == HOME:
            return text

        def place(match: re.Match[str]) -> str:
            rest = match["rest"]
            if rest == "/site/wwwroot":
                return self.site
            return f"{self.home}{rest}"

        return _PATHS.sub(place, text)


async def make_space(folder: Path, home: Path, stage: Path, *, allow: bool = True) -> Space:
    """Make the space for containers in which `home` is /home and `folder` the built copy.

    `stage` is a folder for mount points. If the machine allows no namespace, or `allow` is False,
    the paths are those of this machine.
    """
    try:
        prefix, why = await asyncio.to_thread(_try_namespace, folder, home, stage, allow)
    except OSError as error:
        prefix, why = (), f"{error.filename}: {error.strerror}"
    if prefix:
        hidden = [name for name in _OWN if os.path.lexists(f"{HOME}/{name}")]
        note = f"This machine's own {_listed(hidden)} is hidden in the container." if hidden else ""
        return Space(azure_names.SITE_FOLDER, HOME, prefix, note)
    site, inner = (_without_blanks(path) for path in (folder, home))
    note = (
        f"The container has no /home of its own ({why}): in startup commands, in their files in "
        f"the copy and in settings, /home/site/wwwroot becomes {site}. Your app's code does not "
        "find that path."
    )
    return Space(site, inner, (), note)


def rewrite_file(path: Path, space: Space) -> bool:
    """Rewrite a text file of the copy with the paths inside; return whether it changed.

    The file's mode stays. A binary file, a file over a million bytes and a file outside the copy,
    even if reached through a link, are left alone: the latter is the user's own.
    """
    if space.home == HOME:
        return False

    def change(data: bytes) -> bytes:
        if len(data) > _MAX_BYTES or b"\0" in data:
            return data
        text = space.inside(data.decode("utf-8", "surrogateescape"))
        return text.encode("utf-8", "surrogateescape")

    return own_files.rewrite_inside(space.site, path, change)


def _try_namespace(
    folder: Path, home: Path, stage: Path, allow: bool
) -> tuple[tuple[str, ...], str]:
    """Return the command prefix that enters the namespace, or () and the reason."""
    if not allow:
        return (), "switched off"
    programs = {name: shutil.which(name) for name in ("unshare", "mount", "sh")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        return (), f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing"
    if not os.path.isdir(HOME):
        return (), f"this machine has no {HOME}"
    script = stage / "enter.sh"
    own_files.make_folders(stage)
    with os.scandir(HOME) as machine:
        own_files.write_file(script, os.fsencode(_entering(folder, home, stage, machine)))
    prefix = [str(programs["unshare"]), "--mount", "--propagation", "private"]
    prefix += [] if _is_root() else ["--map-root-user"]
    prefix += ["--", str(programs["sh"]), str(script)]
    refusal = _try(prefix, folder)
    return (tuple(prefix), "") if not refusal else ((), refusal)


def _is_root() -> bool:
    return not hasattr(os, "geteuid") or os.geteuid() == 0


def _try(prefix: list[str], folder: Path) -> str:
    """Return why a program started with the prefix does not see the site's folder, or ""."""
    try:
        # The folder may be a user's own: compare its inode, write nothing into it.
        tried = subprocess.run(
            [*prefix, "ls", "-di", azure_names.SITE_FOLDER],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=_TRIAL_SECONDS,
        )  # fmt: skip
        if not tried.returncode and tried.stdout.split()[:1] == [str(folder.stat().st_ino)]:
            return ""
        said = tried.stderr.strip().partition("\n")[0]
    except (subprocess.SubprocessError, OSError) as error:
        said = str(error)
    return said.rstrip(".") or "the machine allows none"


def _entering(folder: Path, home: Path, stage: Path, machine: Iterable[os.DirEntry[str]]) -> str:
    """Return the script that makes /home in a new namespace, then executes its arguments.

    Entries of the machine's own /home are mounted on empty folders and files that are made in
    `home`. An entry of the same name in `home` wins, and the platform's own names always come from
    `home`: an app must not write into this machine's /home/data. Everything is assembled in `stage`
    and mounted over /home last: the site, and the mounted entries, may be inside the machine's own
    /home.
    """
    own_files.make_folders(home / "site" / "wwwroot")
    whole = stage / "home"
    whole.mkdir(exist_ok=True)
    lines = ["#!/bin/sh", "set -e", _mount(home, whole)]
    for entry in sorted(machine, key=lambda entry: entry.name):
        if entry.name in _OWN:
            continue
        point = home / entry.name
        if entry.is_symlink():
            if not os.path.lexists(point):
                point.symlink_to(os.readlink(entry.path))
        elif _make_point(point, entry.is_dir()):
            lines.append(_mount(entry.path, whole / entry.name))
    if folder.resolve() != (home / "site" / "wwwroot").resolve():
        lines.append(_mount(folder, whole / "site" / "wwwroot"))
    return "\n".join([*lines, _mount(whole, HOME), 'exec "$@"', ""])


def _make_point(point: Path, is_folder: bool) -> bool:
    """Make a mount point; return whether it is empty, without content of its own."""
    if point.is_symlink():
        return False
    if is_folder:
        point.mkdir(exist_ok=True)
        return point.is_dir() and not any(os.scandir(point))
    with contextlib.suppress(FileExistsError):
        os.close(os.open(point, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    return point.is_file() and not point.stat().st_size


def _listed(names: Iterable[str]) -> str:
    return " and ".join(f"{HOME}/{name}" for name in names)


def _mount(what: str | os.PathLike[str], where: str | os.PathLike[str]) -> str:
    return f"mount --rbind {shlex.quote(os.fspath(what))} {shlex.quote(os.fspath(where))}"


def _without_blanks(path: Path) -> str:
    """Return a path of a folder that needs no quotes, whatever quotes surround it.

    That is its own path, or a link to it that exists until this process ends.
    """
    if _SAFE.fullmatch(str(path)):
        return str(path)
    folder = tempfile.mkdtemp(prefix="appsvc-home-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    link = Path(folder) / "link"
    link.symlink_to(path, target_is_directory=True)
    return str(link)
