"""How a container gets its folders: a mount namespace, or changed paths in its texts.

Knows what the machine allows. Must not know what runs in the container. `unshare` and `mount` of
util-linux, which every Linux has, make the namespace; an ordinary user's namespace is inside a user
namespace, where the user is root, as the container's user is.

Sources: unshare(1), mount(8), user_namespaces(7), proc_pid_mountinfo(5).
"""

from __future__ import annotations

import asyncio
import atexit
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
from . import mounts
from .layout import Layout
from .space import HOME, OWN_IN_HOME, OWN_IN_OPT, Space

__all__ = ["make_space"]

_TRIAL_SECONDS = 15
_SAFE = re.compile(r"[\w@%+=:,./-]+")
# Options of an overlay to try: an ordinary user's needs the first, and old systems refuse it.
_LAYERS = ("userxattr", "")


@dataclass(frozen=True)
class _Seen:
    """What a trial in a namespace has shown: why it failed, or the mounts by their places."""

    refusal: str = ""
    mounts: tuple[tuple[str, str, frozenset[str]], ...] = ()

    def has(self, place: str, *, kind: str = "", option: str = "") -> bool:
        """Return whether a mount is at a place, of a kind of file system or with an option."""
        return any(
            where == place and kind in ("", system) and (not option or option in options)
            for where, system, options in self.mounts
        )


async def make_space(layout: Layout, *, allow: bool = True) -> Space:
    """Make the space for containers with the folders of `layout`.

    If the machine allows no namespace, or `allow` is False, the paths are those of this machine.
    """
    try:
        found = await asyncio.to_thread(_try_namespace, layout, allow)
    except OSError as error:
        found = f"{error.filename}: {error.strerror}"
    if isinstance(found, Space):
        return found
    site, home, wwwroot, opt = (
        _without_blanks(path) for path in (layout.site, layout.home, layout.wwwroot, layout.opt)
    )
    notes = [
        f"The container has no /home of its own ({found}): in startup commands, in their files in "
        f"the copy and in settings, {azure_names.SITE_FOLDER} becomes {wwwroot}. Your app's code "
        "does not find that path."
    ]
    if layout.point is not None:
        notes.append(
            f"The site runs from {site}, there from {layout.point.parent}/<id>: what it writes "
            "into its folder stays until the next build, and is lost there at each restart."
        )
    if layout.read_only:
        notes.append(_writable(wwwroot))
    moved = {f"{HOME}/{name}": f"{home}/{name}" for name in OWN_IN_HOME}
    moved |= {f"{mounts.OPT}/{name}": f"{opt}/{name}" for name in OWN_IN_OPT}
    moved[azure_names.SITE_FOLDER] = wwwroot
    return Space(site, home, (), moved, notes=tuple(notes))


def _try_namespace(layout: Layout, allow: bool) -> Space | str:
    """Return the space that the machine allows, or why it allows none."""
    if not allow:
        return "switched off"
    programs = {name: shutil.which(name) for name in ("unshare", "mount", "sh")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        return f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing"
    if not os.path.isdir(HOME):
        return f"this machine has no {HOME}"
    script = layout.stage / "enter.sh"
    prefix = [str(programs["unshare"]), "--mount", "--propagation", "private"]
    prefix += [] if _is_root() else ["--map-root-user"]
    prefix += ["--", str(programs["sh"]), str(script)]
    seen = _Seen("the machine allows none")
    for layers in (None,) if layout.point is None else (*_LAYERS, None):
        own_files.make_folders(layout.stage)
        own_files.write_file(script, os.fsencode(mounts.make_script(layout, layers=layers)))
        seen = _try(prefix, layout)
        if not seen.refusal:
            return _space(layout, tuple(prefix), seen)
    return seen.refusal


def _space(layout: Layout, prefix: tuple[str, ...], seen: _Seen) -> Space:
    """Return the space that a trial has shown."""
    notes, moved = [], {}
    hidden = [
        f"{parent}/{name}"
        for parent, own in ((HOME, OWN_IN_HOME), (mounts.OPT, OWN_IN_OPT))
        for name in own
        if os.path.lexists(f"{parent}/{name}")
    ]
    if hidden:
        notes.append(f"This machine's own {_listed(hidden)} is hidden in the container.")
    if not seen.has(mounts.OPT):
        opt = _without_blanks(layout.opt)
        moved = {f"{mounts.OPT}/{name}": f"{opt}/{name}" for name in OWN_IN_OPT}
    read_only = layout.read_only and seen.has(azure_names.SITE_FOLDER, option="ro")
    if layout.read_only and not read_only:
        notes.append(_writable(azure_names.SITE_FOLDER))
    point = "" if layout.point is None else str(layout.point)
    fresh = bool(point) and seen.has(point, kind="overlay")
    if point and not fresh:
        notes.append(
            "What the site writes into its folder stays until the next build, as this machine "
            "allows no overlay: there it is lost at each restart."
        )
    return Space(
        point or azure_names.SITE_FOLDER,
        prefix=prefix,
        moved=moved,
        fresh=fresh,
        read_only=read_only,
        notes=tuple(notes),
    )


def _writable(wwwroot: str) -> str:
    return f"{wwwroot} can be written to here, and not there, because of WEBSITE_RUN_FROM_PACKAGE."


def _is_root() -> bool:
    return not hasattr(os, "geteuid") or os.geteuid() == 0


def _try(prefix: list[str], layout: Layout) -> _Seen:
    """Return what a program started with the prefix sees."""
    # A folder may be a user's own: compare inodes, write nothing into it.
    script = f"ls -di {shlex.quote(azure_names.SITE_FOLDER)} && cat /proc/self/mountinfo"
    try:
        tried = subprocess.run(
            [*prefix, "sh", "-c", script],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            check=False, timeout=_TRIAL_SECONDS,
        )  # fmt: skip
        wanted = str(layout.wwwroot.stat().st_ino)
    except (subprocess.SubprocessError, OSError) as error:
        return _Seen(str(error).rstrip("."))
    first, _, rest = tried.stdout.partition("\n")
    seen = _Seen(mounts=tuple(map(_mount, filter(None, rest.splitlines()))))
    here = layout.point is None or seen.has(str(layout.point))
    if not tried.returncode and first.split()[:1] == [wanted] and here:
        return seen
    said = tried.stderr.strip().partition("\n")[0]
    return _Seen(said.rstrip(".") or "the machine allows none")


def _mount(line: str) -> tuple[str, str, frozenset[str]]:
    """Return place, file system and options of a line of mountinfo."""
    before, _, after = line.partition(" - ")
    fields = before.split()
    return fields[4], after.split()[0], frozenset(fields[5].split(","))


def _listed(names: Iterable[str]) -> str:
    return " and ".join(names)


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
