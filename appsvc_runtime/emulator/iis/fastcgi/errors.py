"""What ends a FastCGI process before its time, as types: with its exit code and last words.

Knows no process; what is wrong with the bytes is said in fastcgi.py.
"""

from __future__ import annotations

from .protocol import FastCgiError

__all__ = ["FastCgiExitError", "FastCgiTimeoutError"]


class FastCgiExitError(FastCgiError):
    """The process ended, hung up or sent what it should not have.

    `returncode` is its exit code, negative for a signal, None where it could not be learned;
    `output` the last that it printed. `clean`: it ended by itself with 0, as wfastcgi does when a
    file has changed.
    """

    def __init__(
        self, message: str, *, returncode: int | None = None, output: str = "", clean: bool = False
    ) -> None:
        super().__init__(message)
        self.returncode = returncode
        self.output = output
        self.clean = clean


class FastCgiTimeoutError(FastCgiExitError):
    """The process took too long, and was ended for it."""
