"""A Windows job object: one process and all that it starts, ended together.

Works on Windows only, and must be imported only there. Must not know of anything else. Start the
process with CREATE_SUSPENDED: it runs once it is in the job, so that it has started nothing before.
In a virtual environment python.exe starts another one at once.

Sources: CreateJobObjectW, SetInformationJobObject, AssignProcessToJobObject, TerminateJobObject,
QueryInformationJobObject and their structures, and Nested Jobs, in the Windows API reference.
NtResumeProcess is not in it; psutil uses it too, as subprocess keeps no handle of the thread.
"""

from __future__ import annotations

import ctypes
from typing import Any

__all__ = ["Job", "OwnJob"]

_EXTENDED_LIMIT_INFORMATION = 9
_BASIC_PROCESS_ID_LIST = 3
_KILL_ON_JOB_CLOSE = 0x2000
_PROCESS_TERMINATE, _PROCESS_SET_QUOTA = 0x0001, 0x0100
_PROCESS_SUSPEND_RESUME, _SYNCHRONIZE = 0x0800, 0x0010_0000
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

    The process runs on if it was started suspended.

    The system ends all processes in the job when the job's last handle is closed, as happens when
    this process ends in any way. If no job can be made (inside a job that allows no nesting), only
    the process itself is held. Raises nothing: a process that is gone counts as ended.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._kernel32 = _declared("kernel32", _KERNEL32)
        # As long as this handle is open, no other process gets the same id.
        access = _PROCESS_TERMINATE | _PROCESS_SET_QUOTA | _PROCESS_SUSPEND_RESUME | _SYNCHRONIZE
        self._process = self._kernel32.OpenProcess(access, False, pid)
        self._job = _job_of(self._kernel32, self._process) if self._process else None
        if self._process:
            _declared("ntdll", _NTDLL).NtResumeProcess(self._process)

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


class OwnJob:
    """Holds this process and all that it starts from now on, which ends when this process ends.

    It also ends what is started at that moment and in no `Job` yet. If no job can be made, nothing
    is held.
    """

    def __init__(self) -> None:
        self._kernel32 = _declared("kernel32", _KERNEL32)
        self._job = _job_of(self._kernel32, self._kernel32.GetCurrentProcess())

    def release(self) -> None:
        """Let what is in the job go on when this process ends; call it once."""
        if self._job:
            _limit(self._kernel32, self._job, 0)  # else closing it would end this process
            self._kernel32.CloseHandle(self._job)
            self._job = None


def _job_of(kernel32: Any, process: Any) -> Any:
    """Return a new job with a process, which ends with the job's last handle, or None."""
    job = kernel32.CreateJobObjectW(None, None)
    if not job:
        return None
    if _limit(kernel32, job, _KILL_ON_JOB_CLOSE) and kernel32.AssignProcessToJobObject(
        job, process
    ):
        return job
    kernel32.CloseHandle(job)
    return None


def _limit(kernel32: Any, job: Any, flags: int) -> bool:
    limits = _ExtendedLimits()
    limits.BasicLimitInformation.LimitFlags = flags
    done: int = kernel32.SetInformationJobObject(
        job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
    )
    return bool(done)


# Functions, with the types of their results and arguments: a C int, the default, would truncate a
# handle.
_HANDLE, _NUMBER, _POINTER = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p
_KERNEL32: dict[str, tuple[Any, list[Any]]] = {
    "CreateJobObjectW": (_HANDLE, [_POINTER, ctypes.c_wchar_p]),
    "SetInformationJobObject": (ctypes.c_int, [_HANDLE, ctypes.c_int, _POINTER, _NUMBER]),
    "QueryInformationJobObject": (
        ctypes.c_int,
        [_HANDLE, ctypes.c_int, _POINTER, _NUMBER, _POINTER],
    ),
    "AssignProcessToJobObject": (ctypes.c_int, [_HANDLE, _HANDLE]),
    "TerminateJobObject": (ctypes.c_int, [_HANDLE, _NUMBER]),
    "TerminateProcess": (ctypes.c_int, [_HANDLE, _NUMBER]),
    "GetCurrentProcess": (_HANDLE, []),
    "OpenProcess": (_HANDLE, [_NUMBER, ctypes.c_int, _NUMBER]),
    "WaitForSingleObject": (_NUMBER, [_HANDLE, _NUMBER]),
    "CloseHandle": (ctypes.c_int, [_HANDLE]),
}
_NTDLL: dict[str, tuple[Any, list[Any]]] = {"NtResumeProcess": (_NUMBER, [_HANDLE])}


def _declared(library: str, functions: dict[str, tuple[Any, list[Any]]]) -> Any:
    """Return a library of Windows with these functions declared."""
    windows: Any = ctypes
    loaded = windows.WinDLL(library, use_last_error=True)
    for name, (result, arguments) in functions.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded
