"""A short-lived program that is run for its output.

Must not know what the program is.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from ...system.output_text import decode_output
from ...system.process_tree import Tree
from . import guard

__all__ = ["ask_program"]


def ask_program(
    argv: Sequence[str],
    *,
    environ: Mapping[str, str],
    seconds: float,
    cwd: str | os.PathLike[str] | None = None,
) -> str | None:
    """Return the output of a program, or None if it fails or does not end within `seconds`.

    In that case it is killed with all processes that it started: a script may wait for another
    program.
    """
    tree = Tree()
    try:
        started = subprocess.Popen(
            argv, env=tree.environ(guard.mark_variables(environ)), cwd=cwd,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            **tree.popen_options(within=guard.enclosing()),
        )  # fmt: skip
    except (OSError, ValueError):
        return None
    tree.adopt(started.pid)
    with started:
        try:
            printed, _ = started.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if started.returncode is None:
                tree.kill()
            tree.close()
    return None if started.returncode else decode_output(printed)
