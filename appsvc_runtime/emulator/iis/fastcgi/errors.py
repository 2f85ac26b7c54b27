"""Errors for FastCGI processes that end too early, with their exit code and last output.

Must not know of processes. Errors in the bytes of the protocol are in protocol.py.
"""

from __future__ import annotations

from .protocol import FastCgiError

__all__ = ["FastCgiExitError", "FastCgiTimeoutError"]


class FastCgiExitError(FastCgiError):
    """The process ended, closed the connection or sent invalid bytes.

    `returncode` is its exit code, negative for a signal, None if unknown; `output` is its last
    output. `clean`: it ended by itself with exit code 0, as wfastcgi does when a file has changed.
    `not_repeated`: the request could not be sent to another process, as it may have had an effect.
    """

    not_repeated = False

    def __init__(
        self, message: str, *, returncode: int | None = None, output: str = "", clean: bool = False
    ) -> None:
        super().__init__(message)
        self.returncode = returncode
        self.output = output
        self.clean = clean


class FastCgiTimeoutError(FastCgiExitError):
    """The process took too long, and was ended for that."""
