"""The place of a finding in a file. Pure."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """A place: a file, as it is shown, and its line; 0 is IIS's own default."""

    file: str = "applicationHost.config"
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file
