"""One check, what it finds, and what came of it. Must not know any rule.

A check is a function from a site to what it finds. `check(...)` makes a `Check` of it; the
function's docstring is the text of `appsvc doctor --explain`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .site import Site

__all__ = [
    "HOSTS", "SEVERITIES", "Check", "Found", "Result", "Severity", "UnknownError", "check",
    "checks_in",
]  # fmt: skip

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
# The hosts a check belongs to; "any" is looked at for all of them.
HOSTS = ("linux", "iis", "worker", "webjob", "any")


class UnknownError(Exception):
    """A check cannot be made; the text says what is missing, and how to give it."""


@dataclass(frozen=True)
class Found:
    """One place where a check found something.

    `message` is one sentence, `fix` what to do, `evidence` what was seen (without secrets). `file`
    is a name in the site with `/`, "" for the site as a whole; `line` counts from 1, 0 is unknown.
    """

    message: str
    fix: str = ""
    file: str = ""
    line: int = 0
    evidence: str = ""

    @property
    def place(self) -> str:
        """Where it was found, as `file:line`; "" for the site as a whole."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file


@dataclass(frozen=True)
class Check:
    """A row of the table.

    `looks_at` says what it reads: files, settings, command, build or run. `source` and `verified`
    say where the rule is from, and when that was last read.
    """

    id: str
    title: str
    severity: Severity
    host: str
    looks_at: tuple[str, ...]
    source: str
    verified: str
    look: Callable[[Site], Iterable[Found]]

    @property
    def group(self) -> str:
        """The letters of the id."""
        return self.id.partition("-")[0]

    def belongs_to(self, hosts: Collection[str]) -> bool:
        """Return whether it is made for one of these hosts."""
        return self.host == "any" or self.host in hosts

    def needs_run(self, hosts: Collection[str]) -> bool:
        """Return whether it runs the site, and is made for one of these hosts."""
        return "run" in self.looks_at and self.belongs_to(hosts)

    @property
    def explanation(self) -> str:
        """What is wrong, why, and what to do: paragraphs of text."""
        return inspect.getdoc(self.look) or ""


@dataclass(frozen=True)
class Result:
    """What came of one check: what it found, or why it was not made (`skipped`)."""

    check: Check
    found: tuple[Found, ...] = ()
    skipped: str = ""


def check(
    id_: str,
    title: str,
    severity: Severity,
    *,
    source: str,
    host: str = "linux",
    looks_at: str = "files",
    verified: str = "2026-11-30",
) -> Callable[[Callable[[Site], Iterable[Found]]], Check]:
    """Return a decorator that makes a row of the table; `looks_at` is separated by blanks."""

    def make(look: Callable[[Site], Iterable[Found]]) -> Check:
        return Check(id_, title, severity, host, tuple(looks_at.split()), source, verified, look)

    return make


def checks_in(module: ModuleType) -> list[Check]:
    """Return the checks of a module, in their order."""
    return [value for value in vars(module).values() if isinstance(value, Check)]
