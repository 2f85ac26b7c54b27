"""What a handler that cannot write reports on standard error, whatever that is at the moment.

Must not know of files or records.
"""

from __future__ import annotations

import sys

__all__ = ["StandardError"]


class StandardError:
    """Standard error, to which each message is written once.

    `printing`: a write is under way, so that a stream that leads back to the log is not written to
    again.
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
        """Have messages that were written before written again."""
        self._said.clear()

    def print(self, text: str) -> bool:
        """Write to what standard error is now; return whether it is anything that takes it."""
        stream = sys.stderr
        if stream is None or self.printing:  # it leads back to the log
            return False
        self.printing = True
        try:
            encoding = getattr(stream, "encoding", None) or "utf-8"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            stream.flush()
        except Exception:  # closed, or its reader has gone: there is nobody left to tell
            return False
        finally:
            self.printing = False
        return True
