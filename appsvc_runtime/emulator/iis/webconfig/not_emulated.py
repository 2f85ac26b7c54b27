"""The parts of a web.config that IIS has and the emulator ignores, reported once and together.

Takes names and lines, returns findings. Must not know how a file is read. A long file names many
such parts; most of them are for .NET, so a finding for each would hide the ones that matter.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Ignored", "NotEmulated"]

_FOR_DOT_NET = (
    "It is read by .NET only; a Python app has no use for it.",
    "They are read by .NET only; a Python app has no use for them.",
)


@dataclass(frozen=True)
class Ignored:
    """One finding to make: the first line, the sentence, and the hint."""

    line: int
    message: str
    hint: str


class NotEmulated:
    """Collects the names, each with the line that has it first."""

    def __init__(self) -> None:
        self._alone: dict[str, tuple[int, str]] = {}
        self._dot_net: dict[str, int] = {}
        self._others: dict[str, int] = {}

    def add(self, name: str, line: int, hint: str = "", *, dot_net: bool = False) -> None:
        """Note a name; one with a hint of its own gets a finding of its own."""
        if hint:
            self._alone.setdefault(name, (line, hint))
        else:
            (self._dot_net if dot_net else self._others).setdefault(name, line)

    def findings(self) -> list[Ignored]:
        """Return one for each name with a hint, one for all .NET has, and one for all others."""
        made = [
            Ignored(line, f"{name} is not emulated.", hint)
            for name, (line, hint) in self._alone.items()
        ]
        for names, (one, several) in ((self._dot_net, _FOR_DOT_NET), (self._others, ("", ""))):
            if names:
                line = min(names.values())
                made.append(
                    Ignored(line, _sentence(names, line), several if len(names) > 1 else one)
                )
        return made


def _sentence(names: dict[str, int], first: int) -> str:
    """Return the sentence for these names; those of other lines than `first` have theirs."""
    told = [name if line == first else f"{name} (line {line})" for name, line in names.items()]
    if len(told) == 1:
        return f"{told[0]} is not emulated."
    later = [f"t{name[1:]}" if name.startswith("The ") else name for name in told[1:]]
    return f"{', '.join([told[0], *later[:-1]])} and {later[-1]} are not emulated."
