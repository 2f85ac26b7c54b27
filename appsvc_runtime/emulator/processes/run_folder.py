"""The folder that one running emulator has for itself, and what those that were killed have left.

Their processes are known by a mark of the folder, their folders by the emulator's number in the
name. Must not know what is started, nor what is kept in the folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from ...system import own_files, process, process_tree, procfs

__all__ = ["mark_variables", "remove_old_runs", "run_folder"]

_RUN = "run-"


def run_folder(above: Path) -> Path:
    """Return the path of this process's own folder in `above`."""
    return above / f"{_RUN}{os.getpid()}"


def mark_variables(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables with which what is started is known to belong to a run."""
    return process_tree.Tree(_mark(folder)).environ(environ)


def remove_old_runs(above: Path) -> None:
    """Remove what emulators have left that were killed, and end what they had started.

    That would keep the ports, and write into what the next one makes. Also where this process has
    got the number of one.
    """
    for folder in above.glob(f"{_RUN}*"):
        number = folder.name.removeprefix(_RUN)
        if not number.isdecimal() or (int(number) != os.getpid() and _is_running(int(number))):
            continue
        if process_tree.can_find_by_mark():
            process_tree.Tree(_mark(folder)).kill()
        own_files.discard(folder)


def _is_running(pid: int) -> bool:
    """Return whether a process runs; one that has ended may be listed long after, in a container.

    There the first process is often one that waits for no other.
    """
    if not process_tree.can_find_by_mark():
        return process.is_running(pid)
    found = procfs.look(pid)
    return found is not None and found.running


def _mark(folder: Path) -> str:
    return f"run-{hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:32]}"
