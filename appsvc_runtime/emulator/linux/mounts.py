"""The shell script that gives a container its folders, in a mount namespace of its own.

Makes folders and files that are mounted over; mounts nothing itself. Must not know how a namespace
is entered. The machine's own entries of /home and /opt stay visible beside the platform's: the
interpreter may be in one of them.

Sources: mount(8), mount_namespaces(7); the kernel's documentation of overlayfs.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from ...system import own_files
from .layout import Layout
from .space import HOME, OWN_IN_HOME, OWN_IN_OPT

__all__ = ["OPT", "make_script", "written_layer"]

OPT = "/opt"
# Where the layers of a site are, below the stage: what was built, and what is written over it.
_LAYERS, _LOWER, _UPPER, _WORK = "layers", "lower", "upper", "work"


def make_script(layout: Layout, *, layers: str | None) -> str:
    """Return the script that mounts the folders, then executes its arguments.

    `layers` are options of an overlay, in which each container gets what was built anew, and
    writes into memory; None mounts the folder of the build itself.

    Everything is assembled in the stage and mounted last: the site, and the mounted entries, may be
    inside the machine's own /home.
    """
    own_files.make_folders(layout.home / "site" / "wwwroot")
    whole = layout.stage / "home"
    lines = ["#!/bin/sh", "set -e", *_assembled(layout.home, whole, HOME, OWN_IN_HOME)]
    wwwroot = whole / "site" / "wwwroot"
    lines.append(_mount(layout.wwwroot, wwwroot))
    if layout.read_only:
        # Whether it worked is seen in the namespace.
        lines.append(f"mount -o remount,bind,ro {shlex.quote(str(wwwroot))} 2>/dev/null || :")
    if os.path.isdir(OPT):
        opt = layout.stage / "opt"
        lines += [*_assembled(layout.opt, opt, OPT, OWN_IN_OPT), _mount(opt, OPT)]
    if layout.point is not None:
        lines += _site(layout, layout.point, layers)
    lines.append(_mount(whole, HOME))
    if layout.point is not None:
        # The programs of the virtual environment name the folder in which they were built.
        lines.append(_mount(layout.point, layout.site))
    return "\n".join([*lines, 'exec "$@"', ""])


def written_layer(stage: Path) -> Path:
    """Return where a container with an overlay has the files that it has written, by its paths."""
    return stage / _LAYERS / _UPPER


def _assembled(ours: Path, whole: Path, machines: str, own: Iterable[str]) -> Iterator[str]:
    """Yield the lines that assemble a folder of ours, and the machine's entries, in `whole`.

    Entries of the machine's folder are mounted on empty folders and files that are made in `ours`.
    An entry of the same name there wins, and the platform's own names always come from there: an
    app must not write into this machine's /home/data.
    """
    own_files.make_folders(whole)
    yield _mount(ours, whole)
    with os.scandir(machines) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name in own:
                continue
            point = ours / entry.name
            if entry.is_symlink():
                if not os.path.lexists(point):
                    point.symlink_to(os.readlink(entry.path))
            elif _make_point(point, entry.is_dir()):
                yield _mount(entry.path, whole / entry.name)


def _site(layout: Layout, point: Path, layers: str | None) -> Iterator[str]:
    """Yield the lines that mount a built site at its folder below /tmp."""
    if layers is None:
        yield _mount(layout.site, point)
        return
    stage = layout.stage / _LAYERS
    own_files.make_folders(stage)
    folder = shlex.quote(str(stage))
    yield f"mount -t tmpfs -o mode=755 tmpfs {folder}"
    # Short names, from within the folder: a path in an option may have no comma and no colon.
    yield f"cd {folder}"
    yield f"mkdir -m 755 {_LOWER} {_UPPER} {_WORK}"
    yield _mount(layout.site, stage / _LOWER)
    options = ",".join(
        filter(None, [f"lowerdir={_LOWER},upperdir={_UPPER},workdir={_WORK}", layers])
    )
    yield f"mount -t overlay -o {options} overlay {shlex.quote(str(point))}"
    yield "cd /"


def _make_point(point: Path, is_folder: bool) -> bool:
    """Make a mount point; return whether it is empty, without content of its own."""
    if point.is_symlink():
        return False
    if is_folder:
        point.mkdir(exist_ok=True)
        return point.is_dir() and not any(os.scandir(point))
    with contextlib.suppress(FileExistsError):
        # O_EXCL follows no link.
        os.close(os.open(point, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return point.is_file() and not point.stat().st_size


def _mount(what: str | os.PathLike[str], where: str | os.PathLike[str]) -> str:
    return f"mount --rbind {shlex.quote(os.fspath(what))} {shlex.quote(os.fspath(where))}"
