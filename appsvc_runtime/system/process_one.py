"""Process 1 of a container: it passes signals on, and waits for processes that have no parent left.

Linux makes process 1 the parent of all orphans. What does not wait for them collects zombies, until
no process can be started. But a program that waits for any child takes its exit code away from
what started it: a library, or the app. So this process stays behind as process 1 and
does nothing else, and the program continues in a child of it, which has no foreign children. That
is what `docker run --init` does; nothing happens if it does already.

Sources: pid_namespaces(7), sigwaitinfo(2), waitpid(2), sigaction(2) for si_code.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from .process import exit_code

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

__all__ = ["step_aside"]

# Signals of an error in the process itself are not blocked: it would hang.
_ERRORS = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS", "SIGABRT")
# A terminal sends these to all processes of the group: the child has them already.
_OF_TERMINALS = ("SIGINT", "SIGQUIT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGWINCH")
_SENT_BY_KERNEL = 0x80


def step_aside() -> None:
    """Return in a child, if this process is process 1 on Linux; process 1 ends with that child.

    Call it before threads and event loops are started. If some run already, as those of an agent,
    the child executes this program's command from its beginning, as no thread survives a fork.
    """
    if sys.platform != "linux" or os.getpid() != 1:
        return
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.flush()
    blocked = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, *_signals(_ERRORS)}
    # An ignored signal is discarded even if it is blocked, and so would be the exit codes.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        child = _continue(before)
    except OSError:  # too many processes, too little memory: without it, only zombies remain
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    os._exit(_serve(child, blocked))


def _continue(mask: AbstractSet[Any]) -> int:
    """Return the id of a child that continues this program, or 0 in that child."""
    if sys.platform != "linux":
        raise OSError("not on this system")  # the type checker sees that Windows ends here
    if len(os.listdir("/proc/self/task")) == 1:
        return os.fork()
    argv = [sys.executable, *sys.orig_argv[1:]]
    return os.posix_spawn(sys.executable, argv, os.environ, setsigmask=mask)


def _serve(child: int, signals: AbstractSet[Any]) -> int:
    """Pass signals on to the child and wait for orphans until the child ends; return its code."""
    if sys.platform != "linux":
        raise OSError("not on this system")  # the type checker sees that Windows ends here
    terminals = _signals(_OF_TERMINALS)
    while True:
        taken = signal.sigwaitinfo(signals)
        if taken.si_signo == signal.SIGCHLD:
            code = _wait_for_all(child)
            if code is not None:
                return code
        elif taken.si_signo not in terminals or taken.si_code != _SENT_BY_KERNEL:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, taken.si_signo)


def _wait_for_all(child: int) -> int | None:
    """Wait for all that have ended; return the exit code of `child` if it is among them."""
    if sys.platform != "linux":
        return None
    code = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = exit_code(os.waitstatus_to_exitcode(ended[1]))
    return code


def _signals(names: tuple[str, ...]) -> set[Any]:
    return {getattr(signal, name) for name in names}
