"""The output of repeated tries, shown once as long as it stays the same.

An app that cannot be imported prints the same thirty lines each time it is started, and IIS starts
it eleven times. Pure: takes lines, returns lines. Must not know of processes.
"""

from __future__ import annotations

from ..http.messages import Say

__all__ = ["Repeats"]

# If a try prints more lines, the next one is shown in full.
_MAX_LINES = 200


class Repeats:
    """Receives the output of each try, as a `Say`, and passes on what is new."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._before: list[str] = []
        self._lines: list[str] = []
        self._held: list[tuple[str, str]] = []
        self._holding = False

    def begin(self) -> None:
        """Start a try: its output is held back as long as it equals that of the last try."""
        self._before = self._lines if len(self._lines) <= _MAX_LINES else []
        self._lines = []
        self._holding = bool(self._before)

    def __call__(self, label: str, text: str) -> None:
        """Process one line."""
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
        """Pass on the lines that were held back, and hold back no more lines in this try."""
        self._holding = False
        held, self._held = self._held, []
        for label, text in held:
            self._say(label, text)

    def end(self) -> None:
        """End a try; if it printed the same as the last one, report that in one line."""
        if self._holding and len(self._held) == len(self._before):
            label = self._held[0][0]
            self._held.clear()
            self._holding = False
            self._say(label, "(It printed the same again.)")
        self.release()
