"""What is wrong with the rewrite rules of one file, beyond what their schema says.

Nodes in, findings to the report. Must not know how rules are run. Patterns are tried in Python's
dialect: what fails there for another reason than an escape that only JavaScript has is broken there
too.
"""

from __future__ import annotations

import re
import warnings

from .nodes import Node, Report

__all__ = ["check_rules", "pattern_problem"]

# A pattern any longer is not tried here; nobody writes one by hand.
_LONG = 4096


def pattern_problem(pattern: str) -> str:
    """Say what is wrong with a regular expression, "" where nothing is known to be."""
    if len(pattern) > _LONG:
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except re.error as error:
        # `\c`, `\u{…}`, `\-` and the like: each dialect has its own.
        return "" if error.msg.startswith("bad escape") else error.msg
    except (OverflowError, RecursionError, ValueError):
        return "it is too large"
    return ""


def check_rules(rules: Node, report: Report) -> None:
    """Look at the rules that are enabled."""
    for entry in rules.entries:
        if entry.kind != "add" or entry.node.values.get("enabled") is False:
            continue
        rule = entry.node
        name = str(rule.values.get("name", ""))[:60]
        regular = rule.values.get("patternSyntax", "ECMAScript") == "ECMAScript"
        match = rule.children.get("match", Node())
        # Without a url a rule matches everything; Visual Studio's templates have such a one.
        if regular and "url" in match.values:
            _check_pattern(str(match.values["url"]), name, match.place.line, report)
        for condition in rule.children.get("conditions", Node()).entries:
            _check_condition(condition.node, name, regular, report)
        _check_action(rule, name, report)


def _check_pattern(pattern: str, rule: str, line: int, report: Report) -> None:
    problem = pattern_problem(pattern)
    if problem:
        message = f"A pattern of the rule {rule!r} is no regular expression: {problem}."
        report.error("pattern", line, message, "IIS answers 500.")


def _check_condition(condition: Node, rule: str, regular: bool, report: Report) -> None:
    if condition.values.get("matchType", "Pattern") != "Pattern":
        return
    pattern = str(condition.values.get("pattern", ""))
    if not pattern:
        message = f"A condition of the rule {rule!r} has no pattern."
        report.warning("missing", condition.place.line, message)
    elif regular:
        _check_pattern(pattern, rule, condition.place.line, report)


def _check_action(rule: Node, name: str, report: Report) -> None:
    action = rule.children.get("action", Node())
    kind = action.values.get("type", "None")
    line = action.place.line or rule.place.line
    if kind in ("Rewrite", "Redirect") and not action.values.get("url"):
        report.warning("missing", line, f"The action {kind} of the rule {name!r} has no url.")
    elif kind == "CustomResponse" and not action.values.get("statusCode"):
        report.warning(
            "missing", line, f"The action {kind} of the rule {name!r} has no statusCode."
        )
