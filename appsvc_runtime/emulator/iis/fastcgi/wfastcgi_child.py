"""Run the real wfastcgi as IIS runs it, off Windows as well: a script, started by its path.

    python wfastcgi_child.py --wfastcgi FILE [--config-folder DIR] [--site DIR] [--watch FD]
        [--shutdown X] [-- ARGUMENT...]

Standard input is one end of the connection to the web server. Runs under the site's interpreter,
which may be as old as Python 3.8 and hold no package, this one included: the standard library only.

What wfastcgi takes from Windows is stood in for where `ctypes` has no `windll`: its file watcher
gets the names that come through the descriptor of `--watch`, each ended by a NUL byte, an empty one
saying that some were lost; its shutdown event is the socket of `--shutdown`, which wakes it when it
can be read. On Windows only the name of an event comes with `--shutdown`. Everything else in the
process is wfastcgi's own code, but that it reads its settings from `Web.config` in DIR: it opens
the file by that exact spelling, and in DIR are those that hold this machine's paths. With `--site`
the site's folder is told here, where its name is not one that FastCGI's Latin-1 can say.
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

_HANDLE = 1  # neither NULL nor INVALID_HANDLE_VALUE, either of which means "no watcher"
_MODIFIED = 3  # FILE_ACTION_MODIFIED
_ENUM_DIR = 1022  # ERROR_NOTIFY_ENUM_DIR: more has changed than the buffer holds
# wfastcgi reads names as this system's wide characters, of which not all have two bytes, and takes
# their number for half the length that is said.
_WIDE_SIZE = ctypes.sizeof(ctypes.c_wchar)
_WIDE = "utf-16-le" if _WIDE_SIZE == 2 else "utf-32-le"
_ENTRY = struct.Struct("<III")  # FILE_NOTIFY_INFORMATION: next entry, action, length of the name
_EVENT = "_FCGI_SHUTDOWN_EVENT_"


class Function:
    """A function of a DLL: called like one, and `restype` and `argtypes` can be set on it."""

    def __init__(self, function: Callable[..., int]) -> None:
        self.restype: Any = None
        self.argtypes: Any = None
        self._function = function

    def __call__(self, *args: Any) -> int:
        """Call it."""
        return self._function(*args)


class Changes:
    """The names of changed files, as they come through a descriptor; -1 for none ever."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._held = b""
        self._names: list[bytes] = []

    def next(self) -> bytes:
        """Wait for a name, as UTF-8 with backslashes; empty where some were lost."""
        while not self._names:
            if self._descriptor < 0 or not self._read():
                _park()
        return self._names.pop(0)

    def more(self, size: int) -> bytes | None:
        """Give the next name if there is one of at most `size` bytes."""
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
    """Block the calling thread for good, at no cost; wfastcgi's do not keep the process alive."""
    while True:
        threading.Event().wait()


class Kernel32:
    """The functions that wfastcgi takes from kernel32, and no others: a new one should be seen."""

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
        """Fill the buffer (second argument, size third) with what changed; wait for it."""
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
            padded = (length + 3) & ~3  # entries begin at multiples of four
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
        """Wait until the server asks for the end, telling it first that somebody waits."""
        if self._shutdown < 0:
            _park()
        os.write(self._shutdown, b"w")
        os.read(self._shutdown, 1)
        return 0


def _exit_process(code: int) -> NoReturn:
    """End the process from any thread, at once and without clean-up, as ExitProcess does."""
    os._exit(code)


class WinDLL:
    """Stands for `ctypes.windll`."""

    def __init__(self, kernel32: Kernel32) -> None:
        self.kernel32 = kernel32


def _open_event(name: str) -> int:
    """Give the number of the event of that name, on Windows; 0 for none."""
    kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined]
    kernel32.OpenEventW.restype = ctypes.c_void_p
    kernel32.OpenEventW.argtypes = [ctypes.c_uint32, ctypes.c_int, ctypes.c_wchar_p]
    return kernel32.OpenEventW(0x00100000, 0, name) or 0  # SYNCHRONIZE


def _prepare(watch: int, shutdown: str) -> None:
    """Give wfastcgi what it wants of Windows, and its shutdown event, if there is one."""
    event = 0
    if hasattr(ctypes, "windll"):
        event = _open_event(shutdown) if shutdown else 0
    else:
        descriptor = int(shutdown) if shutdown else -1
        for number in (watch, descriptor):
            if number >= 0:
                os.set_inheritable(number, False)  # the app's own children have no use for it
        event = max(descriptor, 0)
        kernel32 = Kernel32(Changes(watch), descriptor)
        ctypes.windll = WinDLL(kernel32)  # type: ignore[attr-defined]
    os.environ.pop(_EVENT, None)
    if event:
        os.environ[_EVENT] = str(event)


def _load(path: str, config_folder: str, site: str) -> types.ModuleType:
    """Load wfastcgi as `__main__`, all but the call of its `main`."""
    module = types.ModuleType("__main__")
    module.__file__ = path
    module.__dict__["__builtins__"] = __builtins__
    with open(path, "rb") as source:
        code = compile(source.read(), path, "exec")
    module.__name__ = "wfastcgi"  # keeps its last lines from running
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
    """Have every request say this folder as APPL_PHYSICAL_PATH, whatever the server says."""
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
    """Give the options by name, and what follows `--`. Not argparse, which takes long to load."""
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
    """Become `python wfastcgi.py`: same argv, same first entry on sys.path, same `__main__`."""
    options, arguments = _options(words)
    path = os.path.abspath(options["--wfastcgi"])
    _prepare(int(options["--watch"]), options["--shutdown"])
    sys.argv = [path, *arguments]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[1:] = sys.argv
    if not getattr(sys.flags, "safe_path", False):
        # Otherwise the emulator's modules could be imported, until wfastcgi puts "." there. A
        # wfastcgi that is not the site's own stands among packages that are not the site's either:
        # a file on the path holds no modules.
        folder = os.path.dirname(path)
        sys.path[0] = folder if folder in sys.path[1:] else path
    module = _load(path, options["--config-folder"], options["--site"])
    module.main()


if __name__ == "__main__":
    main(sys.argv[1:])
