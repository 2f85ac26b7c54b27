"""Daemons that hide from the process that started them, in the ways that programs do it.

`code` is put into a worker or an app; each daemon writes its id into a folder. Must not import the
package under test.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from tests.support.launching import is_alive, wait_until

__all__ = ["KINDS", "alive", "code", "end", "started"]

# `nobody` only for root.
KINDS = ("cleared", "env-i-setsid", "renamed", "overwritten", "own-group", "nobody")

_CODE = """
import ctypes, os, signal, subprocess, time
def hide(name, *, session=True, overwrite=False, rename=False, user=0, argv0="sleep"):
    '''Fork twice; the grandchild is orphaned, and executes `sleep` without any variable.'''
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    try:
        os.setsid() if session else os.setpgid(0, 0)
        if os.fork():
            os._exit(0)
        os.chdir("/")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        libc = ctypes.CDLL(None)
        if rename:
            libc.prctl(15, b"kworker/0:1", 0, 0, 0)
        if overwrite:
            variables = ctypes.POINTER(ctypes.c_void_p).in_dll(libc, "environ")
            at = 0
            while variables[at]:
                ctypes.memset(variables[at], 0, len(ctypes.string_at(variables[at])))
                at += 1
        with open(os.path.join(FOLDER, name + ".new"), "w") as file:
            file.write(str(os.getpid()))
        os.rename(os.path.join(FOLDER, name + ".new"), os.path.join(FOLDER, name))
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        if user:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        while overwrite:
            time.sleep(600)
        os.execve("/bin/sleep", [argv0, "600"], {})
    finally:
        os._exit(1)
hide("cleared")
hide("renamed", rename=True, argv0="[kworker/0:1]")
hide("overwritten", overwrite=True)
hide("own-group", session=False)
if os.getuid() == 0:
    hide("nobody", user=65534)
shell = 'echo $$ > "$1.new"; mv "$1.new" "$1"; exec sleep 600'
path = os.path.join(FOLDER, "env-i-setsid")
subprocess.run(["env", "-i", "setsid", "-f", "sh", "-c", shell, "sh", path], check=True)
"""


def code(folder: Path) -> str:
    """Return the code that starts all of them; each writes the file `folder`/KIND."""
    return f"FOLDER = {str(folder)!r}{_CODE}"


def started(folder: Path, seconds: float = 30) -> dict[str, int]:
    """Return the ids of all daemons by kind, once all run."""
    kinds = [kind for kind in KINDS if kind != "nobody" or os.getuid() == 0]
    wait_until(lambda: all((folder / kind).exists() for kind in kinds), "its daemons", seconds)
    return {kind: int((folder / kind).read_text()) for kind in kinds}


def alive(pids: dict[str, int]) -> list[str]:
    """Return the kinds of daemons that run."""
    return [kind for kind, pid in pids.items() if is_alive(pid)]


def end(pids: dict[str, int]) -> None:
    """Kill the daemons that a failed test has left."""
    for kind in alive(pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pids[kind], signal.SIGKILL)
