"""Windows' own calls for a file to which many processes append: opening it and locking it.

Works on Windows only, and must be imported only there. Must not know what is locked, or why.

Python's `msvcrt.locking` is not used: it locks where the descriptor's position is, which it moves,
and its errors are the C library's, which do not say whether another process has the lock.

Sources: CreateFileW, LockFile and UnlockFile in the Windows API reference.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

from . import process

__all__ = ["lock", "open_append", "unlock"]

_GENERIC_READ = 0x80000000
_FILE_APPEND_DATA = 0x0004
_SYNCHRONIZE = 0x00100000
_SHARE_ALL = 0x7  # read, write, delete
_OPEN_ALWAYS = 4
_FILE_ATTRIBUTE_NORMAL = 0x80
# LockFile prevents reading and writing of what is locked: so lock a byte beyond any log.
_LOCKED = (0x7FFF_FFF0, 0, 1, 0)  # offset and length, each as low and high half
_LOCK_VIOLATION = 33

_ctypes: Any = ctypes


def open_append(path: str) -> int:
    """Open a file so that the system puts each write at its end; return its descriptor.

    A missing file is made. Others may open, rename and delete it meanwhile. Raise OSError.
    """
    # Without FILE_WRITE_DATA the system itself puts every write at the end.
    handle = _kernel32.CreateFileW(
        path, _GENERIC_READ | _FILE_APPEND_DATA | _SYNCHRONIZE, _SHARE_ALL, None, _OPEN_ALWAYS,
        _FILE_ATTRIBUTE_NORMAL, None,
    )  # fmt: skip
    if handle in (None, ctypes.c_void_p(-1).value):
        raise _ctypes.WinError(_ctypes.get_last_error())
    try:
        flags = os.O_APPEND | getattr(os, "O_NOINHERIT", 0)
        descriptor: int = _msvcrt.open_osfhandle(handle, flags)
    except OSError:
        _kernel32.CloseHandle(handle)
        raise
    return descriptor


def lock(descriptor: int) -> bool:
    """Lock an open file; return False if another descriptor holds the lock. Never waits.

    Raise OSError for any other reason.
    """
    if _kernel32.LockFile(_msvcrt.get_osfhandle(descriptor), *_LOCKED):
        return True
    error = _ctypes.get_last_error()
    if error == _LOCK_VIOLATION:
        return False
    raise _ctypes.WinError(error)


def unlock(descriptor: int) -> None:
    """Release the lock of `lock`, if the descriptor holds it."""
    _kernel32.UnlockFile(_msvcrt.get_osfhandle(descriptor), *_LOCKED)


def _load() -> Any:
    """Return the library, with the width of handles: a C int, the default, would truncate them."""
    kernel32 = _ctypes.WinDLL("kernel32", use_last_error=True)
    handle, number, text = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_wchar_p
    for name, result, arguments in (
        ("CreateFileW", handle, [text, number, number, handle, number, number, handle]),
        ("LockFile", ctypes.c_int, [handle, *[number] * 4]),
        ("UnlockFile", ctypes.c_int, [handle, *[number] * 4]),
        ("CloseHandle", ctypes.c_int, [handle]),
    ):
        function = getattr(kernel32, name)
        function.restype = result
        function.argtypes = arguments
    return kernel32


# Loaded here, not where they are needed: see `files.py`. `WinDLL` imports a module each time.
_msvcrt: Any = None
_kernel32: Any = None
if process.WINDOWS:
    import msvcrt

    _msvcrt = msvcrt
    _kernel32 = _load()
