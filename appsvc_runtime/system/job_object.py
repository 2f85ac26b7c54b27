"""A Windows job object: one process and all that it starts, ended together.

Works on Windows only, and must be imported only there. Must not know of anything else. Processes
started before the first one was put into the job, a moment after its start, are not in the job.

Sources: CreateJobObjectW, SetInformationJobObject, AssignProcessToJobObject, TerminateJobObject,
QueryInformationJobObject and their structures in the Windows API reference.
"""

from __future__ import annotations

import ctypes
from typing import Any

__all__ = ["Job"]

_EXTENDED_LIMIT_INFORMATION = 9
_BASIC_PROCESS_ID_LIST = 3
_KILL_ON_JOB_CLOSE = 0x2000
_PROCESS_TERMINATE, _PROCESS_SET_QUOTA, _SYNCHRONIZE = 0x0001, 0x0100, 0x0010_0000
_WAIT_TIMEOUT = 0x102
_MOST_PROCESSES = 1024
# The exit code of a killed process.
_EXIT_CODE = 1


class _BasicLimits(ctypes.Structure):
    _fields_ = [
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    ]


class _ExtendedLimits(ctypes.Structure):
    _fields_ = [
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    ]


class _ProcessIds(ctypes.Structure):
    _fields_ = [
        ("NumberOfAssignedProcesses", ctypes.c_uint32),
        ("NumberOfProcessIdsInList", ctypes.c_uint32),
        ("ProcessIdList", ctypes.c_size_t * _MOST_PROCESSES),
    ]


class Job:
    """Holds a process, which must not have been waited for yet, and what it starts from now on.

    The system ends all processes in the job when the job's last handle is closed, as happens when
    this process ends in any way. If no job can be made (inside a job that allows no nesting), only
    the process itself is held. Raises nothing: a process that is gone counts as ended.
    """

    def __init__(self, pid: int) -> None:
        windows: Any = ctypes
        self.pid = pid
        self._kernel32 = _declared(windows.WinDLL("kernel32", use_last_error=True))
        # As long as this handle is open, no other process gets the same id.
        self._process = self._kernel32.OpenProcess(
            _PROCESS_TERMINATE | _PROCESS_SET_QUOTA | _SYNCHRONIZE, False, pid
        )
        self._job = self._put_into_job() if self._process else None

    def pids(self) -> list[int]:
        """Return the ids of processes that have not ended, at most the first thousand."""
        if self._job:
            ids = _ProcessIds()
            # The result is False if there are more: those that fit are returned anyway.
            self._kernel32.QueryInformationJobObject(
                self._job, _BASIC_PROCESS_ID_LIST, ctypes.byref(ids), ctypes.sizeof(ids), None
            )
            return sorted(ids.ProcessIdList[: ids.NumberOfProcessIdsInList])
        if not self._process:
            return []
        waited = self._kernel32.WaitForSingleObject(self._process, 0)
        return [self.pid] if waited == _WAIT_TIMEOUT else []

    def terminate(self) -> None:
        """Kill all processes in it now."""
        if self._job:
            self._kernel32.TerminateJobObject(self._job, _EXIT_CODE)
        elif self._process:
            self._kernel32.TerminateProcess(self._process, _EXIT_CODE)

    def close(self) -> None:
        """Close the handles, which ends what is still in the job."""
        for handle in filter(None, (self._job, self._process)):
            self._kernel32.CloseHandle(handle)
        self._job = self._process = None

    def _put_into_job(self) -> Any:
        job = self._kernel32.CreateJobObjectW(None, None)
        if not job:
            return None
        limits = _ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = _KILL_ON_JOB_CLOSE
        if self._kernel32.SetInformationJobObject(
            job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
        ) and self._kernel32.AssignProcessToJobObject(job, self._process):
            return job
        self._kernel32.CloseHandle(job)
        return None


def _declared(kernel32: Any) -> Any:
    """Declare how wide handles are: a C int, the default, would truncate them."""
    handle, number, pointer = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p
    for name, result, arguments in (
        ("CreateJobObjectW", handle, [pointer, ctypes.c_wchar_p]),
        ("SetInformationJobObject", ctypes.c_int, [handle, ctypes.c_int, pointer, number]),
        ("QueryInformationJobObject", ctypes.c_int, [handle, ctypes.c_int, pointer, number, pointer]),  # noqa: E501
        ("AssignProcessToJobObject", ctypes.c_int, [handle, handle]),
        ("TerminateJobObject", ctypes.c_int, [handle, number]),
        ("TerminateProcess", ctypes.c_int, [handle, number]),
        ("OpenProcess", handle, [number, ctypes.c_int, number]),
        ("WaitForSingleObject", number, [handle, number]),
        ("CloseHandle", ctypes.c_int, [handle]),
    ):  # fmt: skip
        function = getattr(kernel32, name)
        function.restype = result
        function.argtypes = arguments
    return kernel32
