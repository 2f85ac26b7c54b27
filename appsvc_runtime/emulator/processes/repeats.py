"""What one try after another prints, said once as long as it stays the same.

An app that cannot be imported says so in the same thirty lines each time it is started, and IIS
starts it eleven times. Pure: lines in, lines out. Must not know of processes.
"""

from __future__ import annotations

from ..http.messages import Say

__all__ = ["Repeats"]

# Of a try that prints more, nothing is held back.
_MAX_LINES = 200


class Repeats:
    """Is told what each try prints, as a `Say`, and passes on what is new."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._before: list[str] = []
        self._lines: list[str] = []
        self._held: list[tuple[str, str]] = []
        self._holding = False

    def begin(self) -> None:
        """A try begins: as long as it prints what the last one did, that is held back."""
        self._before = self._lines if len(self._lines) <= _MAX_LINES else []
        self._lines = []
        self._holding = bool(self._before)

    def __call__(self, label: str, text: str) -> None:
        """Take one line."""
        number = len(self._lines)
        if number <= _MAX_LINES:
            self._lines.append(text)
        if self._holding and (number >= len(self._before) or self._before[number] != text):
            self.release()
        if self._holding:
            self._held.append((label, text))
        else:
            self._say(label, text)

    def release(self) -> None:
        """Report what was held back, and hold back nothing more in this try."""
        self._holding = False
        held, self._held = self._held, []
        for label, text in held:
            self._say(label, text)

    def end(self) -> None:
        """A try has ended; one that was the same as the last is said to be."""
        if self._holding and len(self._held) == len(self._before):
            label = self._held[0][0]
            self._held.clear()
            self._holding = False
            self._say(label, "(It printed the same again.)")
        self.release()
