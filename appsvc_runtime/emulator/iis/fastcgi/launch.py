"""Starts the FastCGI processes of a site: the program, its connection, its settings.

wfastcgi needs help to run here, which it gets (see wfastcgi_child.py); any other program is started
as it is. Must not know of requests, or of the number of processes.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ....errors import ConfigError
from ...http.messages import Say
from ...processes.child import Child
from ..webconfig.interpreters import is_wfastcgi
from ..webconfig.model import FastCgiApplication
from .channel import Wire
from .process import FastCgiProcess

__all__ = ["Launcher"]

_SHIM = Path(__file__).with_name("wfastcgi_child.py")


class Launcher:
    """Starts processes of one application. A context manager; else call `close` after they ended.

    `argv` is the interpreter and its arguments, among them the path of a `wfastcgi.py`; `config` is
    the content that wfastcgi reads as Web.config. `folder` is the site's folder, whose files are
    watched. Processes are named `label` plus what `number` returns, by default 1, 2 and so on.
    """

    def __init__(
        self,
        argv: Sequence[str],
        application: FastCgiApplication,
        say: Say,
        *,
        environ: Mapping[str, str],
        folder: Path,
        config: bytes | None = None,
        label: str = "python",
        number: Callable[[], int] | None = None,
    ) -> None:
        self._application = application
        self._say = say
        self._environ = environ
        self._folder = folder
        self._label = label
        self._number = number or itertools.count(1).__next__
        self._wires: dict[FastCgiProcess, Wire] = {}
        # Each process's wfastcgi opens the file again, so no other user may be able to change it.
        self._private = tempfile.TemporaryDirectory(prefix="appsvc-fastcgi-")
        if config is not None:
            Path(self._private.name, "Web.config").write_bytes(config)
        options = ["--config-folder", self._private.name] if config is not None else []
        if not _is_latin(str(folder)):
            options += ["--site", str(folder)]
        self._argv = _with_shim(argv, options)

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the settings file and its folder."""
        self._private.cleanup()

    async def start(self) -> FastCgiProcess:
        """Start one process. Raises ConfigError if that fails, with the reason."""
        label = f"{self._label}-{self._number()}"
        made = FastCgiProcess(
            label,
            self._say,
            activity_timeout=self._application.activity_timeout,
            request_timeout=self._application.request_timeout,
        )
        signal = self._application.signal_before_terminate_seconds > 0
        try:
            wire = await Wire.open(made, signal=signal)
        except OSError as error:
            raise ConfigError(f"{label} could not be connected: {error.strerror}.") from None
        before, after = self._argv
        try:
            child = await Child.start(
                [*before, *(wire.arguments if after is not None else ()), *(after or ())],
                environ=self._environ,
                cwd=self._folder,
                say=self._say,
                label=label,
                stdin=wire.stdin,
                pass_fds=wire.pass_fds,
            )
        except BaseException:
            wire.close()
            made.abort()
            raise
        finally:
            wire.release()
        self._wires = {known: w for known, w in self._wires.items() if not known.gone.is_set()}
        self._wires[made] = wire
        made.attach(child, wire)
        return made

    def changed(self, names: Iterable[str]) -> None:
        """Send each process's watcher the names of files that changed, relative to the site.

        Deleted files are left out, as Windows does for the filter that wfastcgi sets
        (FILE_NOTIFY_CHANGE_LAST_WRITE). A process that has had no request has not loaded the app,
        and watches nothing.
        """
        there = [name for name in names if os.path.lexists(self._folder / name)]
        for process, wire in self._wires.items():
            if process.served:
                wire.tell(there)


def _is_latin(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _with_shim(
    argv: Sequence[str], options: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """Insert wfastcgi_child.py into `argv`; return the words around the channel's options.

    The second value is None if `argv` has no wfastcgi.py: then no options may be added.
    """
    for at, word in enumerate(argv):
        if at and is_wfastcgi(word):
            before = (*argv[:at], str(_SHIM), "--wfastcgi", word, *options)
            return before, ("--", *argv[at + 1 :])
    return tuple(argv), None
