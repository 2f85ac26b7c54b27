"""Whether a worker can be run at all: its script or module, its interpreter.

Looks at files and compiles. Must not start anything. Each cause has an exit code of its own, so
that it is known even without the log.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import sys

from ..errors import AppServiceError, ConfigError

__all__ = [
    "NO_INTERPRETER",
    "WorkerError",
    "check_module",
    "check_script",
    "find_interpreter",
    "shortage",
    "start_error",
]

# Exit codes if nothing can be run: those of sysexits(3), and two more.
NO_SCRIPT = 66
A_FOLDER = 67
NOT_READABLE = 77
SYNTAX_ERROR = 65
NO_INTERPRETER = 69
# Too many processes or files, too little memory: temporary errors.
_FOR_NOW = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
_ZIP = b"PK\x03\x04"


class WorkerError(AppServiceError):
    """A worker that cannot be run at all; each cause has an exit code of its own."""

    def __init__(self, message: str, *, hint: str, exit_code: int) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


def find_interpreter(python: str) -> str:
    """Return an interpreter's path, this process's own for ""; raise WorkerError if missing."""
    if not python:
        return sys.executable
    found = shutil.which(python)
    if found is None:
        reason = "cannot be run" if os.path.exists(python) else "does not exist"
        raise WorkerError(
            f"The interpreter {python!r} {reason}.",
            hint="Name a python with --python, or leave that out.",
            exit_code=NO_INTERPRETER,
        )
    return os.path.abspath(found)


def check_script(script: str, *, own_version: bool) -> None:
    """Raise WorkerError for a script that cannot run. Check syntax only with `own_version`."""
    where = f"The script {script!r}"
    if not os.path.isabs(script):
        where += f" in {os.getcwd()}"
    source = _read_script(script, where)
    if own_version and not source.startswith(_ZIP):  # Python also runs ZIP files
        _check_syntax(source, script, where)


def _read_script(script: str, where: str) -> bytes:
    """Return the content of a script's file, or b"" for a folder that Python runs."""
    try:
        if os.path.isdir(script):
            if os.path.isfile(os.path.join(script, "__main__.py")):
                return b""
            raise WorkerError(
                f"{where} is a folder without a __main__.py.",
                hint="Name the file to run.",
                exit_code=A_FOLDER,
            )
        with open(script, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise WorkerError(
            f"{where} does not exist.",
            hint="Name it from the folder that the launcher runs in, or start a module with -m.",
            exit_code=NO_SCRIPT,
        ) from None
    except OSError as error:
        raise WorkerError(
            f"{where} cannot be read: {error.strerror}.",
            hint="Let the user that runs the launcher read it.",
            exit_code=NOT_READABLE,
        ) from None


def _check_syntax(source: bytes, script: str, where: str) -> None:
    try:
        compile(source, script, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        reason = getattr(error, "msg", None) or str(error) or "it is nested too deep"
        raise WorkerError(
            f"{where} has a syntax error{f' in line {line}' if line else ''}: {reason}.",
            hint="Correct it.",
            exit_code=SYNTAX_ERROR,
        ) from None


def check_module(module: str, *, own_version: bool) -> None:
    """Raise WorkerError for a module that this interpreter lacks; others are not checked."""
    if own_version and not module.startswith("."):
        try:
            if importlib.util.find_spec(module.partition(".")[0]) is not None:
                return
        except (ImportError, ValueError):
            return  # let Python itself report what is wrong
    elif not module.startswith("."):
        return
    raise WorkerError(
        f"There is no module {module!r} that can be run.",
        hint="Install it, or run the launcher in the folder that holds it.",
        exit_code=NO_SCRIPT,
    )


def shortage(error: OSError | MemoryError) -> str:
    """Return what the machine lacks at the moment, or "" for another error."""
    if isinstance(error, MemoryError):
        return os.strerror(errno.ENOMEM)
    return os.strerror(error.errno) if error.errno in _FOR_NOW else ""


def start_error(python: str, name: str, error: OSError | MemoryError) -> AppServiceError:
    """Return the error for a worker, called `name`, that the system could not start."""
    if getattr(error, "errno", None) == errno.E2BIG:
        return ConfigError(
            f"The arguments of {name}, or the variables, are too long for this system.",
            hint="Pass the longest in a file.",
        )
    return WorkerError(
        f"The interpreter {python!r} cannot be started: {getattr(error, 'strerror', error)}.",
        hint="Name a python with --python.",
        exit_code=NO_INTERPRETER,
    )
