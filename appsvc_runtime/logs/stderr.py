"""Report on standard error what a handler cannot write, whatever that stream currently is.

Must not know of files or records.
"""

from __future__ import annotations

import sys

__all__ = ["StandardError"]


class StandardError:
    """Standard error, to which each message is written once.

    `printing` is True during a write, so that a stream that writes back to the log does not loop.
    """

    def __init__(self) -> None:
        self.printing = False
        self._said: set[str] = set()

    def report(self, message: str) -> None:
        """Write a message, unless it was written before and not yet forgotten."""
        if message not in self._said:
            self._said.add(message)
            self.print(message)

    def forget(self) -> None:
        """Forget which messages were written, so that they are written again."""
        self._said.clear()

    def print(self, text: str) -> bool:
        """Write to the current standard error; return whether the stream took the text."""
        stream = sys.stderr
        if stream is None or self.printing:  # printing: the stream writes back to the log
            return False
        self.printing = True
        try:
            encoding = getattr(stream, "encoding", None) or "utf-8"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            stream.flush()
        except Exception:  # closed, or its reader has gone: nothing is left to report to
            return False
        finally:
            self.printing = False
        return True
