"""A PID namespace, in which the first program is process 1, as in a container."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys

import pytest

__all__ = ["needs_pid_namespace", "prefix"]


def prefix() -> list[str]:
    """Return the words before a command that becomes process 1 of a namespace.

    The namespace ends with its process 1, and process 1 with the process that has made it.
    """
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--pid", "--fork", "--kill-child", "--mount-proc", "--"]


@functools.cache
def _refusal() -> str:
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return "there is no unshare on this system"
    tried = subprocess.run(
        [*prefix(), "true"], capture_output=True, text=True, check=False, timeout=20
    )
    return "" if tried.returncode == 0 else f"unshare: {tried.stderr.strip()}"


def needs_pid_namespace() -> pytest.MarkDecorator:
    """Return the mark of tests that are skipped where a PID namespace is not allowed."""
    return pytest.mark.skipif(bool(_refusal()), reason=_refusal())
