"""One worker at a time over all instances: a lease on a blob in Azure Storage, taken and renewed.

Azure Storage does all of the distributed part: the holder of the lease may run. This module only
requests the lease, and ends the worker before another instance can get it. It counts the time from
before each request was sent, so that its time is over no later than the storage's. A `TreeGuard`, a
process of its own, enforces that time even if this process is suspended; and a worker that would
start too late is not started. A guard that has ended is started again. While that is impossible, as
when files are short, no worker runs; the lease is kept.

Source: "Lease Blob" in the Azure Storage REST reference.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..system import process_tree
from ..system.process import steady_time
from ..system.tree_guard import TreeGuard

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..system.process_tree import Tree

__all__ = ["CONTAINER", "Singleton"]

CONTAINER = "appsvc-singletons"
_TRY_SECONDS = 2.0  # seconds between requests for a lease that another instance has
_RENEW_PARTS = 3  # how many times a lease is renewed while it lasts
_RETRY_SECONDS = 1.0
_REQUEST_SECONDS = 4
# Seconds to release the lease: a stopping process has little time.
_CLOSE_SECONDS = 2.0
# All processes are gone so many seconds before another instance could get the lease.
_MARGIN = 1.0
# Nothing is started if less than this part of a lease is left.
_ENOUGH = 1 / 3
# Seconds that a run may go on without a guard.
_UNGUARDED_SECONDS = 3.0
_CONFLICTS = (409, 412)


class Singleton:
    """The lease on the blob `name`, in the account of the connection string `storage`.

    A thread requests it from `start` until `close`. `say` receives lines for the log. Raise
    ConfigError if azure-storage-blob is missing or the connection string is invalid.
    """

    def __init__(self, storage: str, name: str, seconds: float, say: Callable[[str], None]) -> None:
        self._name = name
        self._seconds = seconds
        self._say = say
        self._lock = threading.Lock()
        self._until = 0.0  # by steady_time: until then no other instance can get the lease
        self._taken = 0  # how many times it was taken
        self._runs: tuple[int, int] = (0, 0)  # a run, and the lease with which it was started
        self._mark = ""
        self._said = ""
        self._ending = threading.Event()
        self._container = _connect(storage)
        self._blob = self._container.get_blob_client(name)
        self._guard = TreeGuard() if process_tree.can_find_by_mark() else None
        self._guarded = steady_time()  # when the guard was last seen at work
        self._guard_failed = False
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def start(self) -> None:
        """Start to request the lease; call it when stop signals have their handlers."""
        self._thread.start()

    def may_start(self) -> bool:
        """Return whether the lease is held, lasts long enough, and is guarded."""
        return self._left() > self._seconds * _ENOUGH and self._is_guarded(0.0)

    def guard(self, tree: Tree, run: int) -> float | None:
        """Let the guard end a run's tree with the lease, whatever happens to this process.

        Return the time after which the run must not be started any more, or None without a guard.
        """
        with self._lock:
            self._runs = (run, self._taken)
            self._mark = tree.mark
            self._tell_guard()
            return self._until - _MARGIN if self._guard is not None else None

    def problem(self, run: int) -> str:
        """Return why a run must end, or "": early enough for it to stop in order."""
        if not self._is_guarded(_UNGUARDED_SECONDS):
            return "the process that guards the lease has ended and cannot be started again"
        if self.seconds_left(run) > self._seconds * _ENOUGH / 2:
            return ""
        return "the lease is lost" if self.seconds_left(run) <= 0 else "the lease is running out"

    def seconds_left(self, run: int) -> float:
        """Return how long a run may go on; 0 if the lease with which it was started is gone."""
        with self._lock:
            return max(0.0, self._left()) if self._runs == (run, self._taken) else 0.0

    def close(self) -> None:
        """Release the lease; call it when the run is over: nothing is left of it then."""
        with self._lock:
            guard, self._guard = self._guard, None
        if guard is not None:
            guard.close()
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)

    def _left(self) -> float:
        return self._until - _MARGIN - steady_time()

    def _is_guarded(self, patience: float) -> bool:
        """Return whether a guard works, or did so many seconds ago; start it again if not."""
        if self._guard is None:
            return True
        with self._lock:
            works = self._guard.revive()
            if works:
                self._guarded = steady_time()
            since = steady_time() - self._guarded
        if works == self._guard_failed:
            self._guard_failed = not works
            self._say(
                "The process that guards the lease has been started again."
                if works
                else "The process that guards the lease has ended, and cannot be started again now."
            )
        return works or since <= patience

    def _keep(self) -> None:
        """Take the lease, renew it, take it again, until the end; then release it."""
        lease: Any = None
        while not self._ending.is_set():
            lease = self._take() if lease is None else self._renew(lease)
            pause = _TRY_SECONDS if lease is None else self._seconds / _RENEW_PARTS
            if lease is not None and self._left() < self._seconds / 2:
                pause = _RETRY_SECONDS  # renewing has failed
            self._ending.wait(pause)
        if lease is not None:
            try:
                lease.release()
            except Exception as error:
                self._tell(f"The lease on {self._name} could not be released: {_reason(error)}.")

    def _take(self) -> Any:
        """Return the lease if it is free, else None."""
        sent = steady_time()
        try:
            lease = self._acquire()
        except Exception as error:
            if getattr(error, "status_code", None) in _CONFLICTS:
                self._tell(f"Waiting: another instance has the lease on {self._name}.")
            else:
                self._tell(f"The lease on {self._name} cannot be requested: {_reason(error)}.")
            return None
        with self._lock:
            self._until = sent + self._seconds
            self._taken += 1
        self._tell(f"This instance has the lease on {self._name}.")
        return lease

    def _acquire(self) -> Any:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return self._blob.acquire_lease(int(self._seconds))
        except ResourceNotFoundError:
            self._make_blob()
            return self._blob.acquire_lease(int(self._seconds))

    def _make_blob(self) -> None:
        from azure.core.exceptions import HttpResponseError, ResourceExistsError

        with contextlib.suppress(ResourceExistsError):
            self._container.create_container()
        try:
            self._blob.upload_blob(b"", overwrite=False)
        except HttpResponseError as error:
            if error.status_code not in _CONFLICTS:  # another instance was faster
                raise

    def _renew(self, lease: Any) -> Any:
        """Renew the lease; return it, or None if another instance has it."""
        sent = steady_time()
        try:
            lease.renew()
        except Exception as error:
            status = getattr(error, "status_code", None)
            if status in (404, *_CONFLICTS):
                with self._lock:
                    self._until = 0.0
                    self._tell_guard()
                self._tell(f"The lease on {self._name} is lost: {_reason(error)}.")
                return None
            self._tell(f"The lease on {self._name} could not be renewed: {_reason(error)}.")
            return lease
        with self._lock:
            self._until = sent + self._seconds
            self._tell_guard()
        self._said = ""
        return lease

    def _tell(self, text: str) -> None:
        """Log a sentence, unless it is the same as the last one."""
        if text != self._said:
            self._said = text
            self._say(text)

    def _tell_guard(self) -> None:
        """Tell the guard until when the run's tree may live; call it with the lock held."""
        if self._guard is not None:
            self._guard.allow(self._mark, self._until - _MARGIN / 2)


def _connect(storage: str) -> Any:
    try:
        from azure.storage.blob import ContainerClient
    except ImportError:
        raise ConfigError(
            "--singleton needs azure-storage-blob, which is not installed.",
            hint='Install it with `pip install "appsvc-runtime[singleton]"`.',
        ) from None
    try:
        return ContainerClient.from_connection_string(
            storage,
            CONTAINER,
            retry_total=0,
            connection_timeout=_REQUEST_SECONDS,
            read_timeout=_REQUEST_SECONDS,
        )
    except (ValueError, AttributeError):
        raise ConfigError(
            "The setting with the storage account for --singleton is not a connection string.",
            hint="Copy it from the account's access keys.",
        ) from None


def _reason(error: Exception) -> str:
    """Return a short reason: the storage's own code, never an address with a key in it."""
    code = getattr(error, "error_code", None)
    if code:
        return str(getattr(code, "value", code))
    return type(error).__name__
