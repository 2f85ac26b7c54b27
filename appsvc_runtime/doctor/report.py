"""What all forms of output show: results in order, counts, and the exit code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .check import SEVERITIES, Check, Found, Result

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """The results for a site: its folder as it is shown, and the level that fails."""

    site: str
    results: Sequence[Result]
    hosts: frozenset[str]
    fail_on: str = "error"

    def findings(self) -> Iterator[tuple[Check, Found]]:
        """Yield all findings, errors first."""
        for severity in SEVERITIES:
            for result in self.results:
                if result.check.severity == severity:
                    for found in result.found:
                        yield result.check, found

    def count(self, severity: str) -> int:
        """Return how many findings there are of a severity."""
        return sum(1 for check, _ in self.findings() if check.severity == severity)

    @property
    def exit_code(self) -> int:
        """1 if there is a finding at or above `fail_on`, else 0."""
        if self.fail_on == "never":
            return 0
        counted = SEVERITIES[: SEVERITIES.index(self.fail_on) + 1]
        return int(any(check.severity in counted for check, _ in self.findings()))
