"""Compiles rewrite rules once: their patterns and texts, and reports their mistakes.

Pure. Must not know of requests. Source: the URL Rewrite Module configuration reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ....findings import Finding
from . import server_variables
from .patterns import Pattern, PatternError, compile_pattern
from .substitution import Substitution, read_substitution

if TYPE_CHECKING:
    from ...xml.place import Place
    from ..webconfig.model import Condition, Rule

__all__ = ["ReadCondition", "ReadRule", "read_rule"]

_REDIRECTS = (301, 302, 303, 307)
_REFUSED = "IIS responds with 500."


@dataclass(frozen=True)
class ReadCondition:
    """A compiled condition; one without a pattern tests whether a file or folder exists."""

    match_type: str
    input: Substitution
    pattern: Pattern | None
    negate: bool


@dataclass(frozen=True)
class ReadRule:
    """A rule with its compiled parts; `url` is the URL of its action."""

    rule: Rule
    pattern: Pattern
    conditions: tuple[ReadCondition, ...]
    url: Substitution


def read_rule(rule: Rule, findings: list[Finding]) -> ReadRule | None:
    """Compile a rule and add its mistakes to the findings; return None if it cannot be used."""
    report = _Report(rule, findings)
    pattern = report.read_pattern(rule.url, rule.ignore_case, "pattern")
    conditions: list[ReadCondition] = []
    usable = pattern is not None
    for condition in rule.conditions:
        condition_pattern = None
        if condition.match_type == "Pattern":
            report.check_pattern(condition)
            condition_pattern = report.read_pattern(
                condition.pattern, condition.ignore_case, f"condition on {condition.input[:60]}"
            )
            usable = usable and condition_pattern is not None
        conditions.append(
            ReadCondition(
                condition.match_type,
                read_substitution(condition.input),
                condition_pattern,
                condition.negate,
            )
        )
    url = read_substitution(rule.action.url)
    report.check_texts([*(condition.input for condition in conditions), url])
    usable = report.check_action() and usable
    if pattern is None or not usable:
        return None
    return ReadRule(rule, pattern, tuple(conditions), url)


class _Report:
    """Adds the mistakes of one rule to the findings."""

    def __init__(self, rule: Rule, findings: list[Finding]) -> None:
        self._rule = rule
        self._findings = findings
        self._name = f"rewrite rule {rule.name[:80]!r}"

    def read_pattern(self, text: str, ignore_case: bool, what: str) -> Pattern | None:
        try:
            pattern = compile_pattern(text, self._rule.pattern_syntax, ignore_case)
        except PatternError as error:
            self._add(
                "rewrite-pattern",
                "error",
                f"The {what} of the {self._name} cannot be read: {error}.",
                _REFUSED,
            )
            return None
        if pattern.foreign:
            self._add(
                "rewrite-pattern-syntax",
                "warning",
                f"The {what} of the {self._name} has {pattern.foreign}, which ECMAScript does not "
                "have.",
                "IIS may refuse it or give it another meaning.",
            )
        return pattern

    def check_pattern(self, condition: Condition) -> None:
        """Report a condition without a pattern: it is true for every input."""
        if not condition.pattern and self._rule.pattern_syntax == "ECMAScript":
            self._add(
                "rewrite-pattern",
                "warning",
                f"The condition on {condition.input[:60]} of the {self._name} has no pattern.",
                place=condition.place,
            )

    def check_texts(self, texts: list[Substitution]) -> None:
        """Report each unknown variable and each rewrite map once."""
        for name in dict.fromkeys(name for text in texts for name in text.variables()):
            if not server_variables.is_known(name):
                self._add(
                    "rewrite-variable",
                    "warning",
                    f"The {self._name} uses the variable {{{name[:80]}}}, which IIS does not have; "
                    "it is empty.",
                )
        for name in dict.fromkeys(name for text in texts for name in text.maps()):
            self._add(
                "rewrite-map",
                "warning",
                f"The {self._name} uses {{{name[:80]}:…}}: rewrite maps are not emulated, so it is "
                "empty.",
            )

    def check_action(self) -> bool:
        """Return whether the action can be performed; report why not."""
        action = self._rule.action
        wrong = ""
        if action.type in ("Rewrite", "Redirect") and not action.url:
            wrong = "has an action without a url"
        elif action.type == "Redirect" and action.redirect_status not in _REDIRECTS:
            wrong = f"redirects with {action.redirect_status}, which the module does not support"
        elif action.type == "CustomResponse" and not 200 <= action.status_code <= 999:
            wrong = f"responds with {action.status_code}, which is not a valid status of a response"
        if wrong:
            self._add("rewrite-action", "error", f"The {self._name} {wrong}.", _REFUSED)
        return not wrong

    def _add(
        self,
        code: str,
        level: Literal["error", "warning"],
        message: str,
        hint: str = "",
        place: Place | None = None,
    ) -> None:
        where = str(place or self._rule.place)
        self._findings.append(Finding(code, level, where, message, hint))
