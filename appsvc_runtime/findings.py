"""Faults as data: findings, and the error that carries several of them.

Separate from `errors`, which every web process loads and which therefore imports nothing. Must not
know what is examined. No message here ever contains the value of a setting, and no traceback leads
to one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .errors import ConfigError, show_backslashes

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Finding", "SettingsError", "errors"]


@dataclass(frozen=True)
class Finding:
    """One fault in a user's settings or files.

    `code` is a short fixed name for programs (`missing`, `malformed`, `key-vault`), `where` the
    setting or file, `message` one sentence, `hint` what to do next, which may be empty.
    """

    code: str
    level: Literal["error", "warning"]
    where: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return show_backslashes(f"{self.message} {self.hint}" if self.hint else self.message)


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that are errors, in their order."""
    return [finding for finding in findings if finding.level == "error"]


class SettingsError(ConfigError):
    """Settings that are missing or cannot be read; `findings` has one entry for each, in order.

    `str()` returns all of them, one per line. Never contains a value.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        lines = [str(finding) for finding in self.findings]
        if len(lines) == 1:
            message = lines[0]
        else:
            message = f"{len(lines)} settings cannot be used:\n" + "\n".join(
                f"  - {line}" for line in lines
            )
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        # By default pickle passes only the message to __init__, which expects findings.
        return type(self), (self.findings,)
