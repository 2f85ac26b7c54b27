"""Where something stands in a file, for findings. Pure."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """Where something stands: a file, as it is to be shown, and its line; 0 is IIS's own."""

    file: str = "applicationHost.config"
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file
