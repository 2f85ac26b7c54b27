"""The folder that each running emulator has for itself, and the remains of killed emulators.

Their processes are recognized by a mark of the folder, their folders by the process id in the name.
Must not know what is started, nor what is kept in the folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ...system import own_files, process, process_tree, procfs

__all__ = ["mark_variables", "remove_old_runs", "run_folder"]

_RUN = "run-"


def run_folder(above: Path) -> Path:
    """Return the path of this process's own folder in `above`."""
    return above / f"{_RUN}{os.getpid()}"


def mark_variables(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables with a mark, by which processes are recognized as part of a run."""
    return process_tree.Tree(_mark(folder)).environ(environ)


def remove_old_runs(above: Path, before: Callable[[Path], None] = lambda _: None) -> None:
    """Remove what killed emulators have left, and end the processes that they had started.

    These would keep the ports, and write into the files of the next run. Also remove a folder with
    the process id that this process now has. `before` is called with each folder to be removed.
    """
    for folder in above.glob(f"{_RUN}*"):
        number = folder.name.removeprefix(_RUN)
        if not number.isdecimal() or (int(number) != os.getpid() and _is_running(int(number))):
            continue
        if process_tree.can_find_by_mark():
            process_tree.Tree(_mark(folder)).kill()
        before(folder)
        own_files.discard(folder)


def _is_running(pid: int) -> bool:
    """Return whether a process runs; in a container an ended process may stay listed for long.

    There the first process often does not wait for its children.
    """
    if not process_tree.can_find_by_mark():
        return process.is_running(pid)
    found = procfs.look(pid)
    return found is not None and found.running


def _mark(folder: Path) -> str:
    return f"run-{hashlib.sha256(os.fsencode(os.path.realpath(folder))).hexdigest()[:32]}"
