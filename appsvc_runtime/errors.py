"""What can go wrong, as types: one sentence that says what, where, and what to do next.

Knows nothing of any other room. Raised everywhere, printed only by the doors and the command line.
A message never holds the value of a setting that could be a secret.
"""

from __future__ import annotations

__all__ = ["AppLoadError", "AppServiceError", "ConfigError"]


class AppServiceError(Exception):
    """The root of every error this package raises on purpose.

    `message` says what and where, `hint` what to do next (may be empty); `str()` gives both.
    `exit_code` is what a command ends with.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class ConfigError(AppServiceError):
    """A setting, option or argument that cannot be used; commands exit with 2."""

    exit_code = 2


class AppLoadError(AppServiceError):
    """The app could not be found, imported or made; `str()` ends with the traceback, if any.

    `details` is the original traceback as text, empty where none helps.
    """

    def __init__(self, message: str, *, hint: str = "", details: str = "") -> None:
        super().__init__(message, hint=hint)
        self.details = details

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n\n{self.details.rstrip()}" if self.details else text
