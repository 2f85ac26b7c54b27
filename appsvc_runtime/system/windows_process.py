"""Whether a process of Windows runs, by its id.

Works on Windows only, and must be imported only there. `os.kill` is no way to ask there: 0 is
CTRL_C_EVENT, and every other number ends the process.

Sources: OpenProcess, WaitForSingleObject in the Windows API reference.
"""

from __future__ import annotations

import ctypes
from typing import Any

__all__ = ["is_running"]

_SYNCHRONIZE = 0x0010_0000
_WAIT_TIMEOUT = 0x102
_INVALID_PARAMETER = 87  # the error for an id that no process has
_MAX_ID = 0xFFFF_FFFF


def is_running(pid: int) -> bool:
    """Return whether a process with that id has not ended; True if that is unknown."""
    if not 0 <= pid <= _MAX_ID:
        return True
    windows: Any = ctypes
    kernel32 = windows.WinDLL("kernel32", use_last_error=True)
    handle, number = ctypes.c_void_p, ctypes.c_uint32
    for name, result, arguments in (
        ("OpenProcess", handle, [number, ctypes.c_int, number]),
        ("WaitForSingleObject", number, [handle, number]),
        ("CloseHandle", ctypes.c_int, [handle]),
    ):
        function = getattr(kernel32, name)
        function.restype, function.argtypes = result, arguments
    opened = kernel32.OpenProcess(_SYNCHRONIZE, False, pid)
    if not opened:
        return bool(windows.get_last_error() != _INVALID_PARAMETER)
    try:
        # Its id and its handle outlive a process as long as anyone has a handle.
        return bool(kernel32.WaitForSingleObject(opened, 0) == _WAIT_TIMEOUT)
    finally:
        kernel32.CloseHandle(opened)
