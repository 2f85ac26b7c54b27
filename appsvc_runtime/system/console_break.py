"""CTRL+BREAK, by which a program on Windows is asked to end.

Works on Windows only, and must be imported only there. Not `os.kill`: if the system sends nothing,
Python 3.10 and 3.11 go on to end the process at once, and raise SystemError.

Sources: GenerateConsoleCtrlEvent in the Windows API reference; `os_kill_impl` in CPython's
posixmodule.c.
"""

from __future__ import annotations

import ctypes
from typing import Any

__all__ = ["send_break"]

_CTRL_BREAK_EVENT = 1


def send_break(group: int) -> bool:
    """Send CTRL+BREAK to the process group that a process of this console leads.

    Return whether the system has sent it: not without a console, as in a service or under pythonw.
    """
    if group <= 0:  # 0 would be all processes of the console, this one included
        return False
    windows: Any = ctypes
    send = windows.WinDLL("kernel32", use_last_error=True).GenerateConsoleCtrlEvent
    send.restype, send.argtypes = ctypes.c_int, [ctypes.c_uint32, ctypes.c_uint32]
    return bool(send(_CTRL_BREAK_EVENT, group))
