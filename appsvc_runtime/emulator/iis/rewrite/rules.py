"""Applies the rules of the URL Rewrite Module to a request.

Pure: takes rules and facts and returns an outcome; never raises for any request. Must not know of
servers or of how an outcome becomes a response. Sources: the URL Rewrite Module configuration
references, 1.1 and 2.0; where they are silent, measurements of IIS 10 that others published, as
noted there.

All rules together have a time limit, so that no expression can hold up a request for ever. `apply`
may be called in any thread, and lets others run while an expression is matched.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ...http.url_paths import BadPathError, clean_url, decode_path, encode_path
from ..windows_names import folded
from . import server_variables
from .compile import ReadCondition, ReadRule, read_rule
from .patterns import Captures, TooSlowError
from .server_variables import Facts
from .substitution import Lookup, TooLongError

if TYPE_CHECKING:
    from ....findings import Finding
    from ..webconfig.model import Rule

__all__ = ["CompiledRules", "Facts", "Outcome", "compile_rules"]

# For all rules of one request, in seconds. ASP.NET Core allows the same for each expression.
BUDGET = 1.0
_ABSOLUTE = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//")


@dataclass(frozen=True)
class Outcome:
    """What to do with a request.

    "pass": continue with `path`, decoded, and `query`, which has no question mark and can be put
    into a request line; they differ from the request's own if `rewritten`. "redirect": use `status`
    and `location`, which can be put into the header. "respond": use `status`, `sub_status`,
    `reason` and `description` as the rule has them. "abort": close the connection. "error": IIS
    responds with 500.50, and `description` gives the reason. `rule` is the name of the rule that
    decided. A rewritten URL passes request filtering again.
    """

    kind: Literal["pass", "redirect", "respond", "abort", "error"]
    path: str
    query: str = ""
    rewritten: bool = False
    rule: str = ""
    status: int = 0
    sub_status: int = 0
    location: str = ""
    reason: str = ""
    description: str = ""


@dataclass(frozen=True)
class CompiledRules:
    """Compiled rules in their order; `findings` lists what IIS would refuse or ignore in them."""

    rules: tuple[ReadRule, ...]
    findings: tuple[Finding, ...]
    folder: str = ""  # of the configuration; URLs are matched below it; "" or "a/b"

    def apply(self, facts: Facts, budget: float = BUDGET) -> Outcome:
        """Apply the rules to a request, within `budget` seconds; return the outcome."""
        outcome = Outcome("pass", facts.path, facts.query)
        deadline = time.monotonic() + budget if self.rules else 0.0
        for compiled in self.rules:
            rule = compiled.rule
            try:
                decided = self._apply_one(compiled, facts, outcome, deadline)
            except (TooSlowError, TooLongError, BadPathError) as error:
                return replace(
                    outcome,
                    kind="error",
                    rule=rule.name,
                    status=500,
                    sub_status=50,
                    description=f"The rewrite rule {rule.name!r} failed: {error}",
                )
            if decided is None:
                continue
            outcome = decided
            if outcome.kind != "pass" or rule.stop_processing:
                break
        return outcome

    def _apply_one(
        self, compiled: ReadRule, facts: Facts, so_far: Outcome, deadline: float
    ) -> Outcome | None:
        """Return the outcome of one rule, or None if it does not match."""
        captures = _judge(
            compiled.pattern.search(self._below(so_far.path), deadline), compiled.rule.negate
        )
        if captures is None:
            return None

        def lookup(name: str) -> str:
            return server_variables.variable(facts, name, so_far.path, so_far.query)

        conditions = _check(compiled, captures, facts, lookup, deadline)
        if conditions is None:
            return None
        action = compiled.rule.action
        outcome = replace(so_far, rule=compiled.rule.name)
        if action.type == "AbortRequest":
            return replace(outcome, kind="abort")
        if action.type == "CustomResponse":
            return replace(
                outcome,
                kind="respond",
                status=action.status_code,
                sub_status=action.sub_status_code,
                reason=_one_line(action.status_reason),
                description=action.status_description,
            )
        if action.type not in ("Rewrite", "Redirect"):
            return outcome
        url = compiled.url.fill(captures, conditions, lookup)
        query = so_far.query if action.append_query_string else ""
        if action.type == "Redirect":
            return replace(
                outcome,
                kind="redirect",
                status=action.redirect_status,
                location=self._location(url, query, facts),
            )
        return self._rewrite(outcome, url, query)

    def _rewrite(self, outcome: Outcome, url: str, query: str) -> Outcome:
        if _ABSOLUTE.match(url):
            # Only Application Request Routing, which App Service lacks, could handle such a URL.
            return replace(
                outcome,
                kind="respond",
                status=404,
                sub_status=4,
                description="A rule rewrote the URL to another host, which needs a proxy module.",
            )
        path, _, own_query = url.partition("?")
        path = self._absolute(path)
        try:
            path = decode_path(clean_url(path.replace("?", "%3f"), keep=""))
        except BadPathError:  # an escape is invalid, or decodes to something no path may contain
            path = decode_path(encode_path(path))
        return replace(
            outcome, path=path, query=_join(clean_url(own_query, keep=""), query), rewritten=True
        )

    def _location(self, url: str, query: str, facts: Facts) -> str:
        """Return an absolute URL, as IIS builds it, without characters that no header may hold."""
        path, mark, own_query = url.partition("?")
        query = _join(own_query, query)
        if not _ABSOLUTE.match(path):
            path = facts.origin + self._absolute(path)
        return clean_url(path) + (f"?{clean_url(query)}" if query or mark else "")

    def _absolute(self, path: str) -> str:
        """Return a path from the site's root; a path without a slash is below the rules' folder."""
        if path.startswith("/"):
            return path
        return f"/{self.folder}/{path}" if self.folder else f"/{path}"

    def _below(self, path: str) -> str:
        """Return the text that rules match: the path below their folder, without a first slash."""
        prefix = f"/{self.folder}/" if self.folder else "/"
        if folded(path[: len(prefix)]) == folded(prefix):
            return path[len(prefix) :]
        return "" if folded(path) == folded(prefix[:-1]) else path[1:]


def compile_rules(rules: Sequence[Rule], application: str = "") -> CompiledRules:
    """Compile rules; a rule that cannot be compiled is reported as a finding and left out.

    URLs are matched below the deepest folder that defines any of the rules, or the path of the
    `application` if that is deeper: inherited rules run together with those of the folder's own
    configuration.
    """
    compiled: list[ReadRule] = []
    findings: list[Finding] = []
    for rule in rules:
        read = read_rule(rule, findings)
        if read is not None:
            compiled.append(read)
    folders = (application, *(rule.folder for rule in rules))
    folder = max((each.strip("/") for each in folders), key=len)
    return CompiledRules(tuple(compiled), tuple(findings), folder)


def _judge(captures: Captures | None, negate: bool) -> Captures | None:
    """Return the captures, or None if not matched; for a negated pattern () if it did not match."""
    if negate:
        return () if captures is None else None
    return captures


def _check(
    compiled: ReadRule,
    captures: Captures,
    facts: Facts,
    lookup: Lookup,
    deadline: float,
) -> Captures | None:
    """Return the values of `{C:n}` for the action, or None if the conditions are not met.

    They are the captures of the last condition whose pattern matched. With trackAllCaptures,
    `{C:0}` is that of the first one, and the groups of all are numbered consecutively. Conditions
    that are negated or test for a file leave the captures unchanged.
    """
    rule = compiled.rule
    last: Captures = ()
    held = not (compiled.conditions and rule.match_any)
    for condition in compiled.conditions:
        text = condition.input.fill(captures, last, lookup)
        found = _match(condition, text, facts, lookup, deadline)
        last = _captured(rule, condition, last, found)
        if (found is None) == condition.negate:
            held = True
            if rule.match_any and not rule.track_all_captures:
                break
        elif not rule.match_any:
            return None
    return last if held else None


def _captured(
    rule: Rule, condition: ReadCondition, before: Captures, found: Captures | None
) -> Captures:
    if not found or condition.negate:
        return before
    return (*before, *found[1:]) if rule.track_all_captures and before else found


def _match(
    condition: ReadCondition, text: str, facts: Facts, lookup: Lookup, deadline: float
) -> Captures | None:
    """Return what a condition captures, () for a file that exists, or None if it is not met."""
    if condition.pattern is not None:
        return condition.pattern.search(text, deadline)
    ask = facts.is_file if condition.match_type == "IsFile" else facts.is_directory
    return () if _ask(ask, text or lookup("REQUEST_FILENAME")) else None


def _ask(question: Callable[[str], bool], path: str) -> bool:
    try:
        return question(path)
    except (OSError, ValueError):  # a text that cannot be a path is not a file
        return False


def _join(own: str, appended: str) -> str:
    """Put a rule's own query before that of the request, as IIS 10 does."""
    return f"{own}&{appended}" if own and appended else own or appended


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
