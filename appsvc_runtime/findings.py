"""What was found wrong, as data: findings, and the error that carries several of them.

Apart from `errors`, which every web process loads and which therefore imports nothing. Must not
know what is being looked at. No message here ever holds the value of a setting, and no traceback
leads to one.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from .errors import AppServiceError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import ParamSpec

    P = ParamSpec("P")

__all__ = ["Finding", "SettingsError", "drop_frames", "errors"]

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """One thing worth saying of what a user wrote.

    `code` is a short fixed name for programs (`missing`, `malformed`, `key-vault`), `where` the
    setting or file, `message` one sentence, `hint` what to do next, which may be empty.
    """

    code: str
    level: Literal["error", "warning"]
    where: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that are errors, in their order."""
    return [finding for finding in findings if finding.level == "error"]


def drop_frames(function: Callable[P, T]) -> Callable[P, T]:
    """Wrap a function so that its errors do not lead to the frames in which they arose.

    Reports of errors (Sentry's, Django's debug page) hold the local variables of each frame, and
    in those of this package stand the values of settings. Its errors say all that is to be known;
    what is raised by accident keeps its traceback.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except AppServiceError as error:
            del args, kwargs  # this frame is shown, too
            problem = error.with_traceback(None)
            problem.__cause__ = problem.__context__ = None
        raise problem

    return call


class SettingsError(ConfigError):
    """Settings that are missing or cannot be read; `findings` has one for each, in order.

    `str()` gives them all, a line each. Never holds a value.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        lines = [str(finding) for finding in self.findings]
        if len(lines) == 1:
            message = lines[0]
        else:
            message = f"{len(lines)} settings cannot be used:\n" + "\n".join(
                f"  - {line}" for line in lines
            )
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled with the message alone, which is no list of findings.
        return type(self), (self.findings,)
