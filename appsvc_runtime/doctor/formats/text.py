"""Lines for people: quiet when there is nothing to say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..check import SEVERITIES, Check
from ..logs.read import Seen
from ..report import Report

__all__ = ["describe_log", "explain", "list_checks", "render"]


def render(report: Report, *, verbose: bool = False) -> Iterator[str]:
    """Yield the lines of a report; with `verbose`, also what was looked at and what was not."""
    for check, found in report.findings():
        place = f"{found.place}: " if found.file else ""
        yield f"{check.id} {check.severity}: {place}{found.message}"
        if found.evidence:
            yield f"    {found.evidence}"
        if found.fix:
            yield f"    {found.fix}"
    if verbose:
        for result in report.results:
            state = result.skipped and f"not looked at: {result.skipped}"
            state = state or ("found" if result.found else "fine")
            yield f"{result.check.id} {result.check.title}: {state}"
    yield _summary(report)


def _summary(report: Report) -> str:
    looked = [one for one in report.results if not one.skipped]
    hosts = ", ".join(sorted(report.hosts))
    counts = [(report.count(word), word) for word in SEVERITIES]
    said = ", ".join(f"{n} {word}{'s' if n > 1 else ''}" for n, word in counts if n)
    line = f"{len(looked)} checks for {hosts}: {said or 'nothing found'}."
    reasons = {one.skipped for one in report.results if one.skipped}
    if reasons:
        skipped = len(report.results) - len(looked)
        line += f" {skipped} not made: {'; '.join(sorted(reasons))}."
    return line


def explain(check: Check) -> Iterator[str]:
    """Yield what a check is about."""
    yield f"{check.id}: {check.title} ({check.severity})"
    yield ""
    yield from check.explanation.splitlines()
    yield ""
    yield f"Looks at: {', '.join(check.looks_at)}. Host: {check.host}."
    yield f"Source: {check.source} (read {check.verified})."


def list_checks(checks: tuple[Check, ...]) -> Iterator[str]:
    """Yield a line for each check."""
    for check in checks:
        yield f"{check.id:<9} {check.severity:<8} {check.host:<7} {check.title}"


def describe_log(seen: Sequence[Seen], lines: int) -> Iterator[str]:
    """Yield the causes that a log shows; what only follows from them if there is no cause."""
    causes = [one for one in seen if one.shape.is_cause] or seen
    for one in causes:
        times = f" ({one.count} times)" if one.count > 1 else ""
        yield f"Line {one.number}: {one.cause}{times}."
        yield f"    {one.line}"
        yield f"    {one.fix}"
        if one.shape.check:
            yield f"    More: appsvc doctor --explain {one.shape.check}"
    if not causes:
        yield (
            f"None of {lines} lines has a shape that is known. Look for the first traceback or "
            "error in them; a log of the container's start says more than one of requests."
        )
