"""Run the real wfastcgi as IIS runs it (`python wfastcgi.py`), off Windows as well.

Run as a script, with one end of a socket pair as standard input: wfastcgi reads FastCGI records
from it and writes the answers to the same descriptor, which on Windows is a two-way named pipe.

wfastcgi needs Windows only for `ctypes.windll`, looked up while it loads. Where there is none this
gives it a stand-in, so that everything else in the process is wfastcgi's own code. Must not know
what is being served, and must not import the package under test: it would find it half-configured.
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib.util
import os
import runpy
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

# Anything but NULL and wfastcgi's INVALID_HANDLE_VALUE, either of which means "no watcher".
_HANDLE = 1


class _Function:
    """A function of a DLL: called like one, and `restype` and `argtypes` can be set on it."""

    def __init__(self, function: Callable[..., int]) -> None:
        self.restype: Any = None
        self.argtypes: Any = None
        self._function = function

    def __call__(self, *args: Any) -> int:
        return self._function(*args)


def _park(*_args: Any) -> NoReturn:
    """Block the calling thread for good, at no cost.

    It is what the two waiting functions do on Windows as long as nothing happens. Returning from
    ReadDirectoryChangesW would end the watcher, or make it ask again at once and burn a core.
    wfastcgi waits on threads that do not keep the process alive, so parking one is safe.
    """
    while True:
        threading.Event().wait()


def _exit_process(code: int) -> NoReturn:
    """End the process from any thread, at once and without clean-up, as ExitProcess does."""
    os._exit(code)


class _Kernel32:
    """The functions that wfastcgi takes from kernel32, and no others: a new one should be seen."""

    def __init__(self) -> None:
        self.CreateFileW = _Function(lambda *_args: _HANDLE)
        self.CloseHandle = _Function(lambda _handle: 1)
        self.GetLastError = _Function(lambda: 0)
        self.ExitProcess = _Function(_exit_process)
        self.ReadDirectoryChangesW = _Function(_park)
        self.WaitForSingleObject = _Function(_park)


class _WinDLL:
    """Stands for `ctypes.windll`."""

    def __init__(self) -> None:
        self.kernel32 = _Kernel32()


def _prepare() -> None:
    """Give wfastcgi its stand-in, and the test a way to ask where the process is stuck."""
    if sys.platform != "win32":
        ctypes.windll = _WinDLL()  # type: ignore[attr-defined]
        # SIGUSR1 writes every thread's stack to the real stderr, then ends the process (`chain`).
        # It has to be set up here: wfastcgi later puts a StringIO in place of sys.stderr.
        faulthandler.register(signal.SIGUSR1, all_threads=True, chain=True)


def main() -> None:
    """Become `python wfastcgi.py`: same argv, same first entry on sys.path, same `__main__`."""
    spec = importlib.util.find_spec("wfastcgi")
    if spec is None or spec.origin is None:
        sys.exit("wfastcgi is not installed for " + sys.executable)
    _prepare()
    sys.argv = [spec.origin]
    # Otherwise this folder's modules could be imported until wfastcgi puts "." there instead.
    sys.path[0] = os.path.dirname(spec.origin)
    runpy.run_path(spec.origin, run_name="__main__")


if __name__ == "__main__":
    main()
