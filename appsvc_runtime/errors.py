"""The errors of this package: one sentence on what is wrong and where, and what to do next.

Imports no other module of this package. Any module raises them; only the entry points and the
command line print them. A message never contains the value of a setting that could be a secret.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")

__all__ = ["AppLoadError", "AppServiceError", "ConfigError"]


def show_backslashes(text: str) -> str:
    r"""Return a message in which the `repr` of a Windows path is shown as the user writes it.

    `'D:\\shop'` becomes `'D:\shop'`. What else has backslashes in quotes stays: an escaped control
    character, a path that is not a `repr`.
    """
    if "\\\\" not in text:
        return text
    parts = text.split("'")
    for at in range(1, len(parts) - 1):
        if not parts[at - 1][-1:].isalnum():  # else it is an apostrophe, or ends the quotes
            parts[at] = _undouble(parts[at])
    return "'".join(parts)


def _undouble(part: str) -> str:
    plain = part.replace("\\\\", "\0")
    return part if "\\" in plain else plain.replace("\0", "\\")


class AppServiceError(Exception):
    """The root of every error this package raises on purpose.

    `message` says what and where, `hint` what to do next (may be empty); `str()` returns both.
    `exit_code` is the exit code of a command.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = show_backslashes(message)
        self.hint = show_backslashes(hint)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class ConfigError(AppServiceError):
    """A setting, option or argument that cannot be used; commands exit with 2."""

    exit_code = 2


class AppLoadError(AppServiceError):
    """The app could not be found, imported or created; `str()` ends with `details`, if any.

    `details` is the original traceback as text, or what was looked for; empty if none would help.
    """

    def __init__(self, message: str, *, hint: str = "", details: str = "") -> None:
        super().__init__(message, hint=hint)
        self.details = details

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n\n{self.details.rstrip()}" if self.details else text


def drop_frames(function: Callable[P, T]) -> Callable[P, T]:
    """Wrap a function so that its errors do not lead to the frames in which they arose.

    Error reports (Sentry's, Django's debug page) hold the local variables of each frame, and those
    of this package hold the values of settings. This package's own errors need no traceback; an
    unexpected exception keeps it.
    """

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except AppServiceError as error:
            del args, kwargs  # this frame is shown, too
            problem = error.with_traceback(None)
            problem.__cause__ = problem.__context__ = None
        raise problem

    # Not functools.wraps: the middleware uses this decorator, and must not import more modules.
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(call, name, getattr(function, name))
    call.__wrapped__ = function  # type: ignore[attr-defined]
    return call
