"""Run the real wfastcgi as IIS does, off Windows as well: a script, started by its path.

    python wfastcgi_child.py --wfastcgi FILE [--config-folder DIR] [--site DIR] [--watch FD]
        [--shutdown X] [-- ARGUMENT...]

Standard input is one end of the connection to the web server. The script runs under the site's
interpreter, which may be as old as Python 3.8 and have no packages, not even this one: it uses the
standard library only.

Where `ctypes` has no `windll`, the script replaces what wfastcgi uses of Windows. The file watcher
reads the names of changed files from the descriptor of `--watch`; each ends with a NUL byte, and an
empty name means that some were lost. The shutdown event is the socket of `--shutdown`: it is set
when the socket becomes readable. On Windows, `--shutdown` is the name of an event, and nothing else
is replaced. All other code in the process is wfastcgi's own, except that it reads its settings from
`Web.config` in DIR: it opens the file by that exact spelling, and the file in DIR has this
machine's paths. `--site` passes the site's folder if FastCGI's Latin-1 cannot encode its name.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import threading
import types

TYPE_CHECKING = False  # typing itself is not needed here
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

__all__ = ["main"]

_HANDLE = 1  # neither NULL nor INVALID_HANDLE_VALUE, both of which mean "no watcher"
_MODIFIED = 3  # FILE_ACTION_MODIFIED
_ENUM_DIR = 1022  # ERROR_NOTIFY_ENUM_DIR: the buffer cannot hold all changes
# wfastcgi decodes names as wide characters of this system, which may have four bytes instead of
# two. It takes half of the stated length as their number.
_WIDE_SIZE = ctypes.sizeof(ctypes.c_wchar)
_WIDE = "utf-16-le" if _WIDE_SIZE == 2 else "utf-32-le"
_ENTRY = struct.Struct("<III")  # FILE_NOTIFY_INFORMATION: next entry, action, length of the name
_EVENT = "_FCGI_SHUTDOWN_EVENT_"


class Function:
    """A function of a DLL: it is callable, and its `restype` and `argtypes` can be set."""

    def __init__(self, function: Callable[..., int]) -> None:
        self.restype: Any = None
        self.argtypes: Any = None
        self._function = function

    def __call__(self, *args: Any) -> int:
        """Call the function."""
        return self._function(*args)


class Changes:
    """The names of changed files, read from a descriptor; with -1 there are never any."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._held = b""
        self._names: list[bytes] = []

    def next(self) -> bytes:
        """Wait for a name, as UTF-8 with backslashes; return it empty if some names were lost."""
        while not self._names:
            if self._descriptor < 0 or not self._read():
                _park()
        return self._names.pop(0)

    def more(self, size: int) -> bytes | None:
        """Return the next name, or None if none has come or it is longer than `size` bytes."""
        if self._names and self._names[0] and len(_wide(self._names[0])) <= size:
            return self._names.pop(0)
        return None

    def _read(self) -> bool:
        data = os.read(self._descriptor, 65536)
        whole, _, self._held = (self._held + data).rpartition(b"\0")
        self._names += whole.split(b"\0") if data and whole + _ else []
        return bool(data)


def _wide(name: bytes) -> bytes:
    return name.decode("utf-8", "surrogateescape").encode(_WIDE, "surrogatepass")


def _park() -> NoReturn:
    """Block the calling thread for good; wfastcgi's are daemon threads, so the process can end."""
    while True:
        threading.Event().wait()


class Kernel32:
    """The functions of kernel32 that wfastcgi uses, and no others, so that a new one is noticed."""

    def __init__(self, changes: Changes, shutdown: int) -> None:
        self._changes = changes
        self._shutdown = shutdown
        self._error = 0
        self.CreateFileW = Function(lambda *_args: _HANDLE)
        self.CloseHandle = Function(lambda _handle: 1)
        self.GetLastError = Function(lambda: self._error)
        self.ExitProcess = Function(_exit_process)
        self.ReadDirectoryChangesW = Function(self._read_directory_changes)
        self.WaitForSingleObject = Function(self._wait_for_single_object)

    def _read_directory_changes(self, *args: Any) -> int:
        """Wait for changes and write them into the buffer (second argument; third: its size)."""
        buffer, size, returned = args[1], int(args[2]), args[5]
        name = self._changes.next()
        wide = _wide(name)
        if not name or _ENTRY.size + len(wide) > size:
            self._error = _ENUM_DIR
            return 0
        entries = []
        left = size
        while True:
            length = _ENTRY.size + len(wide)
            padded = (length + 3) & ~3  # entries start at multiples of four
            left -= padded
            entries.append((padded, wide))
            following = self._changes.more(left - _ENTRY.size)
            if following is None:
                break
            wide = _wide(following)
        data = b""
        for number, (padded, wide) in enumerate(entries):
            offset = padded if number < len(entries) - 1 else 0
            entry = _ENTRY.pack(offset, _MODIFIED, len(wide) // _WIDE_SIZE * 2) + wide
            data += entry.ljust(padded if offset else 0, b"\0")
        ctypes.memmove(buffer, data, len(data))
        getattr(returned, "_obj", returned).value = len(data)
        return 1

    def _wait_for_single_object(self, *_args: Any) -> int:
        """Report to the server that a thread waits for the shutdown event, and wait for it."""
        if self._shutdown < 0:
            _park()
        os.write(self._shutdown, b"w")
        os.read(self._shutdown, 1)
        return 0


def _exit_process(code: int) -> NoReturn:
    """End the process from any thread, at once and without clean-up, as ExitProcess does."""
    os._exit(code)


class WinDLL:
    """A substitute for `ctypes.windll`."""

    def __init__(self, kernel32: Kernel32) -> None:
        self.kernel32 = kernel32


def _open_event(name: str) -> int:
    """Return the handle of the named event, on Windows, or 0 if it cannot be opened."""
    windows: Any = ctypes
    kernel32: Any = windows.windll.kernel32
    kernel32.OpenEventW.restype = ctypes.c_void_p
    kernel32.OpenEventW.argtypes = [ctypes.c_uint32, ctypes.c_int, ctypes.c_wchar_p]
    return kernel32.OpenEventW(0x00100000, 0, name) or 0  # SYNCHRONIZE


def _prepare(watch: int, shutdown: str) -> None:
    """Set up what wfastcgi needs of Windows, and its shutdown event, if there is one."""
    event = 0
    if hasattr(ctypes, "windll"):
        event = _open_event(shutdown) if shutdown else 0
    else:
        descriptor = int(shutdown) if shutdown else -1
        for number in (watch, descriptor):
            if number >= 0:
                os.set_inheritable(number, False)  # the app's own children do not need it
        event = max(descriptor, 0)
        kernel32 = Kernel32(Changes(watch), descriptor)
        windows: Any = ctypes
        windows.windll = WinDLL(kernel32)
    os.environ.pop(_EVENT, None)
    if event:
        os.environ[_EVENT] = str(event)


def _load(path: str, config_folder: str, site: str) -> types.ModuleType:
    """Load wfastcgi as `__main__`, without calling its `main`."""
    module = types.ModuleType("__main__")
    module.__file__ = path
    module.__dict__["__builtins__"] = __builtins__
    with open(path, "rb") as source:
        code = compile(source.read(), path, "exec")
    module.__name__ = "wfastcgi"  # so that its `if __name__ == "__main__"` does not run
    sys.modules["__main__"] = module
    exec(code, module.__dict__)
    module.__name__ = "__main__"
    original = getattr(module, "get_environment", None)
    if original is not None and config_folder:
        module.__dict__["get_environment"] = lambda _folder: original(config_folder)
    if site:
        _tell_folder(module, os.path.join(site, ""))
    return module


def _tell_folder(module: types.ModuleType, folder: str) -> None:
    """Replace APPL_PHYSICAL_PATH of every request by this folder."""
    processors = getattr(module, "REQUEST_PROCESSORS", {})
    if 4 not in processors:  # FCGI_PARAMS
        return
    original = processors[4]

    def read_params(stream: Any, req_id: int, content: bytes) -> Any:
        result = original(stream, req_id, content)
        module.__dict__["_REQUESTS"][req_id].params["APPL_PHYSICAL_PATH"] = folder
        return result

    processors[4] = read_params


def _options(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the options by name, and the words after `--`. argparse would take long to load."""
    options = {
        "--wfastcgi": "",
        "--config-folder": "",
        "--site": "",
        "--watch": "-1",
        "--shutdown": "",
    }
    rest = list(words)
    while rest and rest[0] != "--":
        if rest[0] not in options or len(rest) < 2:
            raise SystemExit("wfastcgi_child.py: unknown option " + rest[0])
        options[rest[0]] = rest[1]
        del rest[:2]
    return options, rest[1:]


def main(words: Sequence[str]) -> None:
    """Run as `python wfastcgi.py` would: same argv, first entry of sys.path and `__main__`."""
    options, arguments = _options(words)
    path = os.path.abspath(options["--wfastcgi"])
    _prepare(int(options["--watch"]), options["--shutdown"])
    sys.argv = [path, *arguments]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[1:] = sys.argv
    if not getattr(sys.flags, "safe_path", False):
        # Otherwise the emulator's modules could be imported, until wfastcgi puts "." there. If the
        # wfastcgi is not from the site's packages, neither are the packages beside it: then the
        # entry is the file itself, a path from which no module can be imported.
        folder = os.path.dirname(path)
        sys.path[0] = folder if folder in sys.path[1:] else path
    module = _load(path, options["--config-folder"], options["--site"])
    module.main()


if __name__ == "__main__":
    main(sys.argv[1:])
