"""One file to which many processes append, as on Windows: the calls made, with stand-ins."""

from __future__ import annotations

import ctypes
import errno
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appsvc_runtime.system import files, process

INVALID_HANDLE = ctypes.c_void_p(-1).value
HANDLE = 4711


def os_error(number: int, windows: int | None = None) -> OSError:
    error = OSError(number, os.strerror(number))
    if windows is not None:
        error.winerror = windows  # type: ignore[attr-defined]
    return error


def is_closed(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return True
    return False


class Function:
    """A function of kernel32, which records its calls and returns given results, in turn."""

    restype: Any = None  # an int, unless declared otherwise
    argtypes: Any = None

    def __init__(self, *results: Any) -> None:
        self.results = list(results)
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, *arguments: Any) -> Any:
        """Record a call."""
        self.calls.append(arguments)
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]


class Windows:
    """Stand-ins for msvcrt and for kernel32, over real files of this system."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.create_file = Function(HANDLE)
        self.close_handle = Function(1)
        self.error = 0
        self.opened: list[tuple[int, int]] = []
        self.lock_file = Function(1)
        self.unlock_file = Function(1)
        self.open_error: OSError | None = None

    def open_osfhandle(self, handle: int, flags: int) -> int:
        """Return a descriptor of this system's file."""
        self.opened.append((handle, flags))
        if self.open_error:
            raise self.open_error
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)

    def get_osfhandle(self, descriptor: int) -> int:
        """Return the handle of an open descriptor."""
        os.fstat(descriptor)
        return HANDLE


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch, log: Path) -> Iterator[Windows]:
    """Windows, as far as the module checks for it."""
    found = Windows(log)
    kernel32 = SimpleNamespace(
        CreateFileW=found.create_file,
        CloseHandle=found.close_handle,
        LockFile=found.lock_file,
        UnlockFile=found.unlock_file,
    )
    msvcrt = SimpleNamespace(open_osfhandle=found.open_osfhandle, get_osfhandle=found.get_osfhandle)

    def load(name: str, use_last_error: bool) -> SimpleNamespace:
        assert (name, use_last_error) == ("kernel32", True)
        return kernel32

    monkeypatch.setattr(process, "WINDOWS", True)
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.delitem(sys.modules, "appsvc_runtime.system.windows_files", raising=False)
    monkeypatch.setattr(ctypes, "WinDLL", load, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: found.error, raising=False)
    monkeypatch.setattr(ctypes, "WinError", lambda code: os_error(errno.EACCES, code), False)
    module = importlib.import_module("appsvc_runtime.system.windows_files")
    monkeypatch.setattr(files, "windows_files", module, raising=False)
    yield found
    sys.modules.pop("appsvc_runtime.system.windows_files", None)  # it knows the stand-ins


@pytest.fixture
def descriptors() -> Iterator[list[int]]:
    """Descriptors to close at the end."""
    found: list[int] = []
    yield found
    for descriptor in found:
        os.close(descriptor)


def test_windows_opens_for_appending_and_shares_all(
    windows: Windows, descriptors: list[int]
) -> None:
    """The system appends, and others may read, write, rename and delete."""
    descriptors.append(files.open_append(r"D:\home\LogFiles\app.log"))
    [(path, access, share, security, disposition, attributes, template)] = windows.create_file.calls
    assert path == r"D:\home\LogFiles\app.log"
    assert access & 0x0004  # FILE_APPEND_DATA
    assert not access & 0x0002  # FILE_WRITE_DATA: with it the caller chooses the place
    assert not access & 0x40000000  # GENERIC_WRITE, which includes it
    assert access & 0x80000000  # GENERIC_READ: needed for locking and for fstat
    assert share == 1 | 2 | 4  # FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_SHARE_DELETE
    assert disposition == 4  # OPEN_ALWAYS
    assert (security, attributes, template) == (None, 0x80, None)
    [(handle, flags)] = windows.opened
    assert handle == HANDLE
    assert flags & os.O_APPEND
    # A handle has 64 bits there, which a C int, the default, would truncate.
    assert windows.create_file.restype is ctypes.c_void_p


@pytest.mark.parametrize("code", [32, 33])
def test_windows_waits_for_another_program(
    windows: Windows, descriptors: list[int], code: int
) -> None:
    """A file that is locked for a moment is tried again, and opened."""
    windows.create_file.results = [INVALID_HANDLE, None, INVALID_HANDLE, HANDLE]
    windows.error = code
    descriptors.append(files.open_append("app.log", seconds=600))
    assert len(windows.create_file.calls) == 4


@pytest.mark.parametrize(
    ("code", "seconds", "calls"),
    [
        pytest.param(32, 0.0, 1, id="locked-no-time"),
        pytest.param(33, 0.05, 3, id="locked-for-good"),
        pytest.param(5, 600.0, 1, id="access-denied"),
        pytest.param(3, 600.0, 1, id="no-such-folder"),
    ],
)
def test_windows_gives_up(windows: Windows, code: int, seconds: float, calls: int) -> None:
    """After the time for a locked file, at once for other errors."""
    windows.create_file.results = [INVALID_HANDLE]
    windows.error = code
    with pytest.raises(OSError) as caught:
        files.open_append("app.log", seconds)
    assert getattr(caught.value, "winerror", None) == code
    found = len(windows.create_file.calls)
    assert found == calls if calls == 1 else found >= calls
    assert not windows.opened


def test_windows_loses_no_handle(windows: Windows) -> None:
    """If the C library has no descriptor left, the handle is closed."""
    windows.open_error = os_error(errno.EMFILE)
    with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
        files.open_append("app.log")
    assert windows.close_handle.calls == [(HANDLE,)]


def test_windows_locks_a_byte_where_no_log_is(windows: Windows) -> None:
    """One byte, far beyond the end, without waiting; the same byte is unlocked."""
    locked = files.lock("app.log")
    assert locked is not None
    files.unlock(locked)
    assert windows.lock_file.calls == windows.unlock_file.calls
    [(handle, low, high, size, size_high)] = windows.lock_file.calls
    assert handle == HANDLE
    assert low > 2_000_000_000
    assert (high, size, size_high) == (0, 1, 0)
    for function in (windows.lock_file, windows.unlock_file):
        assert function.argtypes[0] is ctypes.c_void_p
    assert is_closed(locked)


def test_windows_cannot_lock_a_folder(windows: Windows) -> None:
    """The caller continues with the lock of the file alone."""
    with pytest.raises(OSError, match=os.strerror(errno.ENOTSUP)):
        files.lock_folder("logs")
    assert not windows.lock_file.calls


def test_windows_lock_of_another(windows: Windows) -> None:
    """It is not waited for."""
    windows.lock_file.results, windows.error = [0], 33
    before = files._held.copy()  # another test may hold one
    assert files.lock("app.log") is None
    assert len(windows.lock_file.calls) == 1
    assert files._held == before


def test_other_errors_of_locking_are_raised(windows: Windows) -> None:
    """They name Windows' own number, and leave nothing open."""
    windows.lock_file.results, windows.error = [0], 6
    before = files._held.copy()
    with pytest.raises(OSError) as caught:
        files.lock("app.log")
    assert getattr(caught.value, "winerror", None) == 6
    assert files._held == before


def test_windows_unlocks_without_error(windows: Windows) -> None:
    """A file that cannot be unlocked is closed, which unlocks it."""
    locked = files.lock("app.log")
    assert locked is not None
    windows.unlock_file.results, windows.error = [0], 158
    files.unlock(locked)
    assert is_closed(locked)


def test_windows_puts_aside_what_is_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An open file may be renamed there, but not replaced by another."""
    (tmp_path / "app.log").write_text("new")
    (tmp_path / "app.log.1").write_text("old")
    real = os.replace
    busy = [os_error(errno.EACCES, 32)] * 3

    def replace(old: str, new: str) -> None:
        if os.path.exists(new):
            raise os_error(errno.EACCES, 5)
        if busy:
            raise busy.pop()
        real(old, new)

    def remove(path: str) -> None:
        raise os_error(errno.EACCES, 32)

    monkeypatch.setattr(process, "WINDOWS", True)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "remove", remove)
    files.replace(str(tmp_path / "app.log"), str(tmp_path / "app.log.1"), seconds=600)
    assert (tmp_path / "app.log.1").read_text() == "new"
    assert not (tmp_path / "app.log").exists()
    assert not busy
