"""How /home is another folder for a container: a mount namespace, or other paths in its texts.

Knows Linux's mounts. Must not know what runs in the container. The namespace is made by `unshare`
and `mount` of util-linux, which every Linux has; an ordinary user's are in a user namespace, where
he is root as the container's user is. What the machine has in its /home stays there beside the
platform's own folders: the interpreter may live in it.
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
# The platform's own in /home, whether it is there yet or an app will make it.
_OWN = ("LogFiles", "data", "site")
# A path of the platform in a text: at its beginning or behind what no path holds unescaped, or in
# a URL where it is absolute (SQLAlchemy's sqlite:////home), and followed by the end of a name.
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

    `site` and `home` are what the built copy and /home are called inside, `prefix` is what stands
    before a program's own arguments. `note` says why there is no namespace; where there is one,
    which of the machine's folders it hides, or "".
    """

    site: str
    home: str
    prefix: tuple[str, ...] = ()
    note: str = ""

    def inside(self, text: str) -> str:
        """Give a text with the platform's paths as they are called inside."""
        if self.home == HOME:
            return text

        def place(match: re.Match[str]) -> str:
            rest = match["rest"]
            if rest == "/site/wwwroot":
                return self.site
            return f"{self.home}{rest}"

        return _PATHS.sub(place, text)


async def make_space(folder: Path, home: Path, stage: Path, *, allow: bool = True) -> Space:
    """Make the place for containers that have the built copy `folder` and `home` for their /home.

    `stage` is a folder for what is mounted. Where the machine allows no namespace, or `allow` is
    False, the paths are those of this machine.
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
        f"There is no /home of its own ({why}): in startup commands, in their files in the copy "
        f"and in settings, /home/site/wwwroot becomes {site}. What your app's code calls so it "
        "will not find."
    )
    return Space(site, inner, (), note)


def rewrite_file(path: Path, space: Space) -> bool:
    """Write a text file of the copy with the paths as they are called inside; say if any changed.

    Its mode stays. A file that is no text, or long, is left alone, as is one that does not lie in
    the copy, be it by a link: that is the user's own.
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
    """Give what starts a program in the namespace, or nothing and why not."""
    if not allow:
        return (), "switched off"
    programs = {name: shutil.which(name) for name in ("unshare", "mount", "sh")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        return (), f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not here"
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
    """Return why a program that is started so does not see the site's folder, "" if it does."""
    try:
        # The folder may be a user's own: it is known by its number, nothing is written into it.
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
    """Give the script that makes /home in a new namespace, and becomes its arguments.

    What the machine has in its own /home is mounted on empty folders and files that are made in
    `home`; where that has something of the name, it is what counts, and for the platform's own
    names always: an app must not write into a /home/data of this machine. All is put together in
    `stage` and covers /home at last: the site, and what is mounted, may lie in the machine's own.
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
    """Make what can be mounted on; say whether it is only that, and nothing of its own."""
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
    """Give a name for a folder that needs no quotes, in whatever quotes it may come to stand.

    That is its own, or that of a link to it, which is there until this process ends.
    """
    if _SAFE.fullmatch(str(path)):
        return str(path)
    folder = tempfile.mkdtemp(prefix="appsvc-home-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    link = Path(folder) / "link"
    link.symlink_to(path, target_is_directory=True)
    return str(link)
