"""What the rules of the URL Rewrite Module make of a request.

Pure: rules and facts in, an outcome out; never an exception for any request. Must not know of
servers or of how an outcome is answered. Sources: the URL Rewrite Module configuration references,
1.1 and 2.0; what they leave open follows readings of IIS 10 that others published, as said there.

Rules run within a time for all of them, so that no expression can hold a request for ever; `apply`
may be called in any thread, and lets others run while an expression does.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ...http.url_paths import BadPathError, clean_url, decode_path, encode_path
from . import server_variables
from .compile import ReadCondition, ReadRule, read_rule
from .patterns import Captures, TooSlowError
from .server_variables import Facts
from .substitution import Lookup, TooLongError

if TYPE_CHECKING:
    from ....findings import Finding
    from ..webconfig.model import Rule

__all__ = ["CompiledRules", "Facts", "Outcome", "compile_rules"]

# For all rules of one request, in seconds. ASP.NET Core gives each single expression as much.
BUDGET = 1.0
_ABSOLUTE = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//")


@dataclass(frozen=True)
class Outcome:
    """What is to be done with a request.

    "pass": go on with `path`, decoded, and `query`, without a question mark and ready for a request
    line, which differ from the request's where `rewritten`. "redirect": `status` and `location`,
    ready for the header. "respond": `status`, `sub_status`, `reason` and `description`, as the rule
    has them. "abort": cut the connection. "error": IIS answers 500.50, `description` says why.
    `rule` is the name of the rule that decided. A URL that was rewritten passes request filtering
    once more.
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
    """Rules that were read, in their order; `findings` says what of them IIS would not do."""

    rules: tuple[ReadRule, ...]
    findings: tuple[Finding, ...]
    folder: str = ""  # of the configuration, below which URLs are matched; "" or "a/b"

    def apply(self, facts: Facts, budget: float = BUDGET) -> Outcome:
        """Give what the rules make of a request, within `budget` seconds."""
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
        """Give the outcome of one rule, None where it does not match."""
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
            # Without Application Request Routing, which App Service lacks, nothing takes it.
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
        except BadPathError:  # escapes in it are none, or make what no path may hold
            path = decode_path(encode_path(path))
        return replace(
            outcome, path=path, query=_join(clean_url(own_query, keep=""), query), rewritten=True
        )

    def _location(self, url: str, query: str, facts: Facts) -> str:
        """Give an absolute URL, as IIS does it, with nothing in it that a header may not hold."""
        path, mark, own_query = url.partition("?")
        query = _join(own_query, query)
        if not _ABSOLUTE.match(path):
            path = facts.origin + self._absolute(path)
        return clean_url(path) + (f"?{clean_url(query)}" if query or mark else "")

    def _absolute(self, path: str) -> str:
        """Give a path from the site's root; one without a slash is below the rules' folder."""
        if path.startswith("/"):
            return path
        return f"/{self.folder}/{path}" if self.folder else f"/{path}"

    def _below(self, path: str) -> str:
        """Give what rules match: the path below their folder, without its first slash."""
        prefix = f"/{self.folder}/" if self.folder else "/"
        if path[: len(prefix)].casefold() == prefix.casefold():
            return path[len(prefix) :]
        return "" if path.casefold() == prefix[:-1].casefold() else path[1:]


def compile_rules(rules: Sequence[Rule]) -> CompiledRules:
    """Read rules; what cannot be read is a finding, and the rule is left out.

    The folder that URLs are matched below is the deepest that any rule stands in: inherited rules
    run with those of the folder's own configuration.
    """
    compiled: list[ReadRule] = []
    findings: list[Finding] = []
    for rule in rules:
        read = read_rule(rule, findings)
        if read is not None:
            compiled.append(read)
    folder = max((rule.folder.strip("/") for rule in rules), key=len, default="")
    return CompiledRules(tuple(compiled), tuple(findings), folder)


def _judge(captures: Captures | None, negate: bool) -> Captures | None:
    """Give captures of what counts as matched; a negated pattern that did not match has none."""
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
    """Return what `{C:n}` are in the action, None where the conditions do not hold.

    They are those of the last condition whose pattern matched; with trackAllCaptures `{C:0}` is
    that of the first and the groups of all are counted through. Conditions that are negated or ask
    for a file leave them as they were.
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
    """Return what a condition's pattern captures, () for a file that is there; None for neither."""
    if condition.pattern is not None:
        return condition.pattern.search(text, deadline)
    ask = facts.is_file if condition.match_type == "IsFile" else facts.is_directory
    return () if _ask(ask, text or lookup("REQUEST_FILENAME")) else None


def _ask(question: Callable[[str], bool], path: str) -> bool:
    try:
        return question(path)
    except (OSError, ValueError):  # what can be no path is no file
        return False


def _join(own: str, appended: str) -> str:
    """Put a rule's own query before that of the request, as IIS 10 does."""
    return f"{own}&{appended}" if own and appended else own or appended


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
