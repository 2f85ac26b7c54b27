"""Run the real wfastcgi as IIS runs it (`python wfastcgi.py`), also on systems without Windows.

Run this as a script, with one end of a socket pair as standard input: wfastcgi reads FastCGI
records from it and writes the responses to the same descriptor, which on Windows is a two-way named
pipe.

wfastcgi needs Windows only for `ctypes.windll`, which it looks up while it loads. On other systems
this script provides a stand-in, so that everything else in the process is wfastcgi's own code. Must
not depend on the app that is served, and must not import the package under test: the app would find
the package half-configured.
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

# Any value except NULL and wfastcgi's INVALID_HANDLE_VALUE, which both mean "no watcher".
_HANDLE = 1


class _Function:
    """A function of a DLL: it can be called, and `restype` and `argtypes` can be set on it."""

    def __init__(self, function: Callable[..., int]) -> None:
        self.restype: Any = None
        self.argtypes: Any = None
        self._function = function

    def __call__(self, *args: Any) -> int:
        return self._function(*args)


def _park(*_args: Any) -> NoReturn:
    """Block the calling thread until the process ends, at no cost.

    On Windows the two waiting functions block as well as long as nothing happens. A return from
    ReadDirectoryChangesW would end the watcher, or make it wait again at once and use a whole core.
    wfastcgi waits in threads that do not keep the process alive, so blocking one is safe.
    """
    while True:
        threading.Event().wait()


def _exit_process(code: int) -> NoReturn:
    """End the process from any thread, at once and without clean-up, as ExitProcess does."""
    os._exit(code)


class _Kernel32:
    """The functions that wfastcgi takes from kernel32, and no others: a new one must fail."""

    def __init__(self) -> None:
        self.CreateFileW = _Function(lambda *_args: _HANDLE)
        self.CloseHandle = _Function(lambda _handle: 1)
        self.GetLastError = _Function(lambda: 0)
        self.ExitProcess = _Function(_exit_process)
        self.ReadDirectoryChangesW = _Function(_park)
        self.WaitForSingleObject = _Function(_park)


class _WinDLL:
    """Stand-in for `ctypes.windll`."""

    def __init__(self) -> None:
        self.kernel32 = _Kernel32()


def _prepare() -> None:
    """Install the stand-in, and a signal by which a test can print where the process hangs."""
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
    # Otherwise modules of this folder could be imported until wfastcgi replaces it with ".".
    sys.path[0] = os.path.dirname(spec.origin)
    runpy.run_path(spec.origin, run_name="__main__")


if __name__ == "__main__":
    main()
