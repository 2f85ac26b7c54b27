"""Rewrite rules: their effect on a request, case by case, and the findings for bad rules."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.emulator.iis.rewrite.rules import Facts, Outcome, compile_rules
from appsvc_runtime.emulator.iis.webconfig.file import parse
from appsvc_runtime.emulator.iis.webconfig.merge import Level
from appsvc_runtime.emulator.iis.webconfig.model import Action, Condition, Rule
from appsvc_runtime.emulator.xml.place import Place
from tests.support.configs import merge


def to(url: str, *, append: bool = True) -> Action:
    """Return the action to rewrite to a URL."""
    return Action("Rewrite", url, append_query_string=append)


def redirect(url: str, status: int = 301, *, append: bool = True) -> Action:
    """Return the action to redirect to a URL."""
    return Action("Redirect", url, append_query_string=append, redirect_status=status)


def rule(url: str, action: Action, *conditions: Condition, **more: Any) -> Rule:
    return Rule("r", url, action=action, conditions=conditions, **more)


def when(given: str, pattern: str, **more: Any) -> Condition:
    return Condition(given, pattern=pattern, **more)


FILES = {"/there.txt", "/there"}
FOLDERS = {"/folder", "/"}
FACTS = Facts(
    "/a/b.html",
    "q=1",
    unencoded_url="/a/b.html?q=1",
    host="www.example.com:8080",
    headers={"Host": "www.example.com:8080", "User-Agent": "Tést/1.0", "X_Odd": "odd"},
    remote_addr="192.0.2.1",
    server_port=8080,
    site="/site",
    physical=lambda path: path,
    is_file=FILES.__contains__,
    is_directory=FOLDERS.__contains__,
)


def run(rules: list[Rule], path: str = "/a/b.html", query: str = "q=1", **more: Any) -> Outcome:
    return compile_rules(rules).apply(replace(FACTS, path=path, query=query, **more))


def result(outcome: Outcome) -> str:
    """Return an outcome as short text."""
    if outcome.kind == "pass":
        return outcome.path + (f"?{outcome.query}" if outcome.query else "")
    if outcome.kind == "redirect":
        return f"{outcome.status} {outcome.location}"
    return f"{outcome.kind} {outcome.status}.{outcome.sub_status}"


UNTOUCHED = "/a/b.html?q=1"
HOST = "http://www.example.com:8080"
C2 = "{C:0}|{C:1}|{C:2}|{C:3}"

CASES = [
    # patterns
    pytest.param([rule("^a/(.*)$", to("x/{R:1}"))], "/x/b.html?q=1", id="relative-target"),
    pytest.param([rule("^a/(.*)$", to("/x/{R:1}"))], "/x/b.html?q=1", id="absolute-target"),
    pytest.param([rule("^/a/", to("x"))], UNTOUCHED, id="input-has-no-first-slash"),
    pytest.param([rule("b", to("x"))], "/x?q=1", id="pattern-matches-anywhere"),
    pytest.param([rule("^A/B", to("x"))], "/x?q=1", id="case-ignored"),
    pytest.param([rule("^A/B", to("x"), ignore_case=False)], UNTOUCHED, id="case-minded"),
    pytest.param([rule("^z", to("x"), negate=True)], "/x?q=1", id="negated"),
    pytest.param([rule("^a", to("x"), negate=True)], UNTOUCHED, id="negated-but-matches"),
    pytest.param([rule("^z", to("x[{R:0}]"), negate=True)], "/x[]?q=1", id="negated-captures-none"),
    pytest.param([rule(r"(\w+)/(\w+)\.", to("{R:2}/{R:1}"))], "/b/a?q=1", id="groups"),
    pytest.param([rule("a/(x)?(b)", to("{R:1}-{R:2}"))], "/-b?q=1", id="group-without-part"),
    pytest.param([rule("a/b", to("x{R:9}{R:10}"))], "/x?q=1", id="group-that-is-none"),
    pytest.param([rule("^.*$", to("x/{R:0}"))], "/x/a/b.html?q=1", id="whole-match"),
    pytest.param([rule("a/b", to("{R:0}"))], "/a/b?q=1", id="only-the-match"),
    pytest.param([rule("", to("x"))], "/x?q=1", id="empty-pattern"),
    pytest.param(
        [rule("*/b.*", to("{R:2}/{R:1}"), pattern_syntax="Wildcard")], "/html/a?q=1", id="wildcard"
    ),
    pytest.param([rule("b*", to("x"), pattern_syntax="Wildcard")], UNTOUCHED, id="wildcard-whole"),
    pytest.param(
        [rule("?/b.h??l", to("x{R:1}"), pattern_syntax="Wildcard")], "/x?q=1", id="wildcard-one"
    ),
    pytest.param(
        [rule("A/b.HTML", to("x/{R:0}"), pattern_syntax="ExactMatch")],
        "/x/a/b.html?q=1",
        id="exact",
    ),
    pytest.param(
        [rule("a/b.htm", to("x"), pattern_syntax="ExactMatch")], UNTOUCHED, id="exact-is-whole"
    ),
    pytest.param(
        [rule("a.b.html", to("x"), pattern_syntax="ExactMatch")],
        UNTOUCHED,
        id="exact-no-expression",
    ),
    # order
    pytest.param([rule("b", to("x")), rule("^x$", to("y"))], "/y?q=1", id="later-sees-rewritten"),
    pytest.param([rule("b", to("x")), rule("b", to("y"))], "/x?q=1", id="original-is-gone"),
    pytest.param(
        [rule("b", to("x"), stop_processing=True), rule("^x$", to("y"))], "/x?q=1", id="stop"
    ),
    pytest.param(
        [rule("z", to("x"), stop_processing=True), rule("b", to("y"))], "/y?q=1", id="no-stop"
    ),
    pytest.param(
        [rule("b", Action("None"), stop_processing=True), rule("b", to("y"))],
        UNTOUCHED,
        id="none-action-stops",
    ),
    pytest.param([rule("b", Action("None")), rule("b", to("y"))], "/y?q=1", id="none-goes-on"),
    pytest.param(
        [rule("b", redirect("/x")), rule(".*", to("y"))], f"301 {HOST}/x?q=1", id="redirect-ends"
    ),
    pytest.param(
        [rule("b", to("x?r=2")), rule("x", to("y"), when("{QUERY_STRING}", "^r=2&q=1$"))],
        "/y?r=2&q=1",
        id="later-sees-query",
    ),
    # queries
    pytest.param([rule("b", to("x?r=2"))], "/x?r=2&q=1", id="query-before-the-request's"),
    pytest.param([rule("b", to("x?r=2", append=False))], "/x?r=2", id="query-not-appended"),
    pytest.param([rule("b", to("x", append=False))], "/x", id="query-dropped"),
    pytest.param([rule("b", to("x?"))], "/x?q=1", id="query-empty"),
    pytest.param(
        [rule("b", redirect("/x", append=False))], f"301 {HOST}/x", id="redirect-no-query"
    ),
    pytest.param([rule("b", redirect("/x?a=1"))], f"301 {HOST}/x?a=1&q=1", id="redirect-query"),
    # redirects
    pytest.param([rule("b", redirect("x", 302))], f"302 {HOST}/x?q=1", id="redirect-relative"),
    pytest.param([rule("b", redirect("/x", 303))], f"303 {HOST}/x?q=1", id="redirect-303"),
    pytest.param([rule("b", redirect("/x", 307))], f"307 {HOST}/x?q=1", id="redirect-307"),
    pytest.param(
        [rule("(.*)", redirect("https://{HTTP_HOST}/{R:1}"))],
        "301 https://www.example.com:8080/a/b.html?q=1",
        id="redirect-to-https",
    ),
    pytest.param(
        [rule("(.*)", redirect("https://{SERVER_NAME}{REQUEST_URI}", append=False))],
        "301 https://www.example.com/a/b.html?q=1",
        id="redirect-request-uri",
    ),
    pytest.param([rule("b", redirect("//cdn/x"))], "301 //cdn/x?q=1", id="redirect-no-scheme"),
    pytest.param(
        [rule("b", redirect("/é x{HTTP_USER_AGENT}", append=False))],
        f"301 {HOST}/%C3%A9%20xT%C3%A9st/1.0",
        id="redirect-encoded",
    ),
    pytest.param(
        [rule("b", redirect("/x%20y?u=%2f%", append=False))],
        f"301 {HOST}/x%20y?u=%2f%25",
        id="redirect-keeps-escapes",
    ),
    pytest.param(
        [rule("b", redirect("/{UrlDecode:%0d%0aX: y}", append=False))],
        f"301 {HOST}/%0D%0AX:%20y",
        id="redirect-no-line-ends",
    ),
    # other actions
    pytest.param(
        [rule("b", Action("CustomResponse", status_code=403, sub_status_code=7))],
        "respond 403.7",
        id="custom-response",
    ),
    pytest.param([rule("b", Action("AbortRequest"))], "abort 0.0", id="abort"),
    pytest.param([rule("b", to("https://other/x"))], "respond 404.4", id="rewrite-to-a-host"),
    # conditions
    pytest.param([rule("b", to("x"), when("{HTTPS}", "^off$"))], "/x?q=1", id="https-off"),
    pytest.param([rule("b", to("x"), when("{HTTPS}", "on"))], UNTOUCHED, id="https-on"),
    pytest.param([rule("b", to("x"), when("{HTTPS}", "OFF"))], "/x?q=1", id="condition-case"),
    pytest.param(
        [rule("b", to("x"), when("{HTTPS}", "OFF", ignore_case=False))],
        UNTOUCHED,
        id="condition-case-minded",
    ),
    pytest.param(
        [rule("b", to("x"), when("{HTTPS}", "on", negate=True))], "/x?q=1", id="condition-negated"
    ),
    pytest.param(
        [rule("b", to("x"), when("{HTTPS}", "on"), when("{QUERY_STRING}", "q"))],
        UNTOUCHED,
        id="match-all",
    ),
    pytest.param(
        [rule("b", to("x"), when("{HTTPS}", "on"), when("{QUERY_STRING}", "q"), match_any=True)],
        "/x?q=1",
        id="match-any",
    ),
    pytest.param(
        [rule("b", to("x"), when("{HTTPS}", "on"), when("{QUERY_STRING}", "z"), match_any=True)],
        UNTOUCHED,
        id="match-any-none",
    ),
    pytest.param([rule("b", to("x"), match_any=True)], "/x?q=1", id="match-any-of-nothing"),
    pytest.param(
        [rule("b", to("{C:1}"), when("{HTTP_HOST}", r"^(www)\."))], "/www?q=1", id="capture"
    ),
    pytest.param(
        [rule("b", to("{C:1}"), when("{HTTP_HOST}", r"^(\w+)"), when("{QUERY_STRING}", "=(.)"))],
        "/1?q=1",
        id="last-condition-captures",
    ),
    pytest.param(
        [
            rule(
                "b", to("{C:1}"), when("{HTTP_HOST}", r"^(\w+)"), when("{HTTPS}", "on", negate=True)
            )
        ],
        "/www?q=1",
        id="negated-condition-captures-nothing",
    ),
    pytest.param(
        [rule("b", to("{C:1}"), when("{HTTP_HOST}", r"^(\w+)"), Condition("/there", "IsFile"))],
        "/www?q=1",
        id="file-condition-captures-nothing",
    ),
    pytest.param(
        [rule("b", to("x"), when("{HTTP_HOST}", r"^(\w+)"), when("{C:1}-{R:0}", "^www-b$"))],
        "/x?q=1",
        id="captures-in-an-input",
    ),
    pytest.param(
        [
            rule(
                "b",
                redirect(f"/x?{C2}", append=False),
                when("/article/23/", "^/([a-z]+)/([0-9]+)/$"),
                when("p1=123&p2=abc", "p2=([a-z]+)"),
                track_all_captures=True,
            )
        ],
        f"301 {HOST}/x?/article/23/%7Carticle%7C23%7Cabc",
        id="track-all-captures",
    ),
    pytest.param(
        [
            rule(
                "b",
                to("{C:1}-{C:2}"),
                when("k1", "k(.)"),
                when("k2", "z(.)"),
                when("k3", "k(.)"),
                track_all_captures=True,
                match_any=True,
            )
        ],
        "/1-3?q=1",
        id="track-all-of-any",
    ),
    pytest.param(
        [rule("b", to("{C:1}"), when("k1", "k(.)"), when("k3", "k(.)"), match_any=True)],
        "/1?q=1",
        id="any-stops-at-the-first",
    ),
    pytest.param(
        [rule("b", to("x"), when("{HTTP_HOST}", "www.*", negate=True), pattern_syntax="Wildcard")],
        UNTOUCHED,
        id="condition-wildcard",
    ),
    # variables and functions
    pytest.param([rule("b", to("{ToLower:{R:0}X}"))], "/bx?q=1", id="to-lower"),
    pytest.param([rule("b", to("x?u={UrlEncode:a b/ü}"))], "/x?u=a%20b%2F%C3%BC&q=1", id="encode"),
    pytest.param([rule("b", to("{UrlDecode:%c3%bc}"))], "/ü?q=1", id="decode"),
    pytest.param(
        [rule("b", to("{tolower:{UrlDecode:{ToLower:%C3%9C}}}"))], "/ü?q=1", id="nested-functions"
    ),
    pytest.param([rule("b", to("{r:0}{http_user_agent}"))], "/bTést/1.0?q=1", id="names-any-case"),
    pytest.param([rule("b", to("x{HTTP_NOT_THERE}{NO_SUCH}"))], "/x?q=1", id="unknown-is-empty"),
    pytest.param([rule("b", to("x{ab"))], "/x{ab?q=1", id="brace-alone"),
    pytest.param([rule("b", to("}x}"))], "/}x}?q=1", id="brace-closed"),
    pytest.param([rule("b", to("x{}"))], "/x?q=1", id="braces-empty"),
    pytest.param([rule("b", to("x{Map:{R:0}}"))], "/x?q=1", id="rewrite-map-is-empty"),
    pytest.param(
        [rule("b", to("x?u=ü #%&v=%20"))], "/x?u=%C3%BC%20%23%25&v=%20&q=1", id="query-clean"
    ),
    # where a rewritten URL may lead
    pytest.param([rule("b", to("x/../y"))], "/y?q=1", id="dots-resolved"),
    pytest.param([rule("b", to("../y"))], "error 500.50", id="above-the-root"),
    pytest.param([rule("b", to("x%20y"))], "/x y?q=1", id="escape-in-target"),
    pytest.param([rule("b", to("100%/y"))], "/100%/y?q=1", id="percent-in-target"),
    pytest.param([rule("b", to("x#y"))], "/x#y?q=1", id="hash-in-target"),
]


@pytest.mark.parametrize(("rules", "expected"), CASES)
def test_what_rules_make_of_a_request(rules: list[Rule], expected: str) -> None:
    """Each rule's effect on GET /a/b.html?q=1 at www.example.com:8080 over http."""
    assert result(run(rules)) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("REQUEST_FILENAME", "/a/b.html", id="REQUEST_FILENAME"),
        pytest.param("REQUEST_URI", "/a/b.html?q=1", id="REQUEST_URI"),
        pytest.param("UNENCODED_URL", "/a/b.html?q=1", id="UNENCODED_URL"),
        pytest.param("HTTP_URL", "/a/b.html?q=1", id="HTTP_URL"),
        pytest.param("URL", "/a/b.html", id="URL"),
        pytest.param("PATH_INFO", "/a/b.html", id="PATH_INFO"),
        pytest.param("HTTP_HOST", "www.example.com:8080", id="HTTP_HOST"),
        pytest.param("SERVER_NAME", "www.example.com", id="SERVER_NAME"),
        pytest.param("SERVER_PORT", "8080", id="SERVER_PORT"),
        pytest.param("SERVER_PORT_SECURE", "0", id="SERVER_PORT_SECURE"),
        pytest.param("REQUEST_METHOD", "GET", id="REQUEST_METHOD"),
        pytest.param("REMOTE_ADDR", "192.0.2.1", id="REMOTE_ADDR"),
        pytest.param("QUERY_STRING", "q=1", id="QUERY_STRING"),
        pytest.param("HTTP_USER_AGENT", "Tést/1.0", id="header"),
        pytest.param("HTTP_X_ODD", "odd", id="header-with-underscore"),
        pytest.param("HTTP_X_ORIGINAL_URL", "", id="not-rewritten-yet"),
        pytest.param("CACHE_URL", f"{HOST}/a/b.html?q=1", id="CACHE_URL"),
        pytest.param("DOCUMENT_ROOT", "/site", id="DOCUMENT_ROOT"),
        pytest.param("AUTH_USER", "", id="AUTH_USER"),
    ],
)
def test_server_variables(name: str, value: str) -> None:
    """A condition on the exact value is true, and IIS has a variable of that name."""
    only = rule(
        "",  # which does not match the URL exactly
        Action("CustomResponse", status_code=200),
        when(f"{{{name}}}", value),
        pattern_syntax="ExactMatch",
        negate=True,
    )
    compiled = compile_rules([only])
    assert compiled.findings == ()
    assert compiled.apply(FACTS).kind == "respond"


def test_variables_after_a_rewrite() -> None:
    """URL and QUERY_STRING follow the rewritten URL, REQUEST_URI and UNENCODED_URL do not."""
    asked = "{URL}|{QUERY_STRING}|{REQUEST_FILENAME}|{REQUEST_URI}|{UNENCODED_URL}"
    told = "/x|r=2&q=1|/x|/a/b.html?q=1|/a/b.html?q=1|/a/b.html?q=1"
    answer = Action("CustomResponse", status_code=200)
    rules = [
        rule("b", to("x?r=2")),
        rule(
            "x",
            answer,
            when(asked + "|{HTTP_X_ORIGINAL_URL}", told),
            pattern_syntax="ExactMatch",
        ),
    ]
    assert run(rules).kind == "respond"


def test_https_and_ipv6_hosts() -> None:
    """HTTPS is on, and an IPv6 address loses its brackets and port."""
    rules = [rule("^", redirect("/{HTTPS}{SERVER_PORT_SECURE}{SERVER_NAME}", append=False))]
    outcome = run(rules, secure=True, host="[::1]:443")
    assert outcome.location == "https://[::1]:443/on1::1"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/there.txt", "/there.txt", id="file"),
        pytest.param("/folder", "/folder", id="folder"),
        pytest.param("/", "/", id="root"),
        pytest.param("/some/route", "/handler.fcgi/some/route", id="neither"),
    ],
)
def test_everything_but_files_goes_to_the_handler(path: str, expected: str) -> None:
    """The usual catch-all: neither IsFile nor IsDirectory, with or without an input."""
    catch_all = rule(
        "(.*)",
        to("handler.fcgi/{R:1}"),
        Condition("{REQUEST_FILENAME}", "IsFile", negate=True),
        Condition("", "IsDirectory", negate=True),
    )
    outcome = run([catch_all], path, "")
    assert outcome.path == expected
    assert outcome.rewritten == (path != expected)


def test_a_file_question_that_fails_means_no() -> None:
    """A text that cannot be a path is not a file."""

    def fails(path: str) -> bool:
        raise ValueError("embedded null byte")

    outcome = run([rule("b", to("x"), Condition("", "IsFile"))], is_file=fails)
    assert not outcome.rewritten


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/sub/dir/local/q", "/sub/dir/probe/q", id="below"),
        pytest.param("/SUB/Dir/local/q", "/sub/dir/probe/q", id="other-case"),
        pytest.param("/local/q", "/sub/dir/probe/q", id="not-below"),
        pytest.param("/sub/dir", "/sub/dir", id="the-folder-itself"),
    ],
)
def test_rules_of_a_folder(path: str, expected: str) -> None:
    """Rules match below their folder, and relative targets are below it as well."""
    outcome = run([rule("^local/(.*)", to("probe/{R:1}"), folder="sub/dir")], path, "")
    assert outcome.path == expected


def test_inherited_rules_match_below_the_folder_of_the_configuration() -> None:
    """A rule of the site runs with those of the folder, on the same input."""
    rules = [rule("^old$", redirect("new")), rule("^z", to("y"), folder="sub")]
    assert run(rules, "/sub/old", "").location == f"{HOST}/sub/new"


def test_the_root_has_an_empty_input() -> None:
    """`^$` matches the site's root."""
    assert run([rule("^$", to("index.html"))], "/", "").path == "/index.html"


def test_decoded_path_is_matched_and_the_original_url_kept() -> None:
    """Letters beyond ASCII are matched as letters; X-Original-URL has them encoded again."""
    facts = replace(FACTS, path="/enc/a b é", query="x=%20")
    outcome = compile_rules([rule("^enc/(.*) é$", to("x/{R:1}"))]).apply(facts)
    assert (outcome.path, outcome.query) == ("/x/a b", "x=%20")
    assert facts.original_url == "/enc/a%20b%20%C3%A9?x=%20"


def test_custom_response_keeps_its_words() -> None:
    """Reason and description are those of the rule, the reason on one line."""
    action = Action(
        "CustomResponse", status_code=403, status_reason="No\r\npe", status_description="Why"
    )
    outcome = run([rule("b", action)])
    assert (outcome.reason, outcome.description, outcome.rule) == ("No  pe", "Why", "r")


def test_no_rules_leave_a_request_alone() -> None:
    """The outcome is the unchanged request."""
    assert run([]) == Outcome("pass", "/a/b.html", "q=1")


BAD = [
    pytest.param(rule("(", to("x")), "rewrite-pattern", "error", id="pattern"),
    pytest.param(rule("a\\", to("x")), "rewrite-pattern", "error", id="backslash-at-the-end"),
    pytest.param(rule("[a", to("x")), "rewrite-pattern", "error", id="open-class"),
    pytest.param(rule("a" * 9000, to("x")), "rewrite-pattern", "error", id="very-long"),
    pytest.param(rule("(" * 4000, to("x")), "rewrite-pattern", "error", id="very-deep"),
    pytest.param(rule("b", to("x"), when("b", "*")), "rewrite-pattern", "error", id="condition"),
    pytest.param(rule("b", to("")), "rewrite-action", "error", id="no-url"),
    pytest.param(rule("b", redirect("x", 308)), "rewrite-action", "error", id="redirect-308"),
    pytest.param(
        rule("b", Action("CustomResponse")), "rewrite-action", "error", id="response-without-status"
    ),
    pytest.param(rule("b", to("x{NO_SUCH}")), "rewrite-variable", "warning", id="variable"),
    pytest.param(
        rule("b", to("x"), when("{ToLower:{NO_SUCH}}", ".*")),
        "rewrite-variable",
        "warning",
        id="variable-in-a-function",
    ),
    pytest.param(rule("b", to("x{Map:{R:0}}")), "rewrite-map", "warning", id="map"),
    pytest.param(
        rule("b", to("x"), when("{URL}", "", place=Place("web.config", 12))),
        "rewrite-pattern",
        "warning",
        id="condition-without-pattern",
    ),
    pytest.param(rule("(?<n>b)", to("x")), "rewrite-pattern-syntax", "warning", id="named-group"),
    pytest.param(rule("(?<=a/)b", to("x")), "rewrite-pattern-syntax", "warning", id="lookbehind"),
    pytest.param(rule("b++", to("x")), "rewrite-pattern-syntax", "warning", id="possessive"),
    pytest.param(rule(r"\p{L}", to("x")), "rewrite-pattern-syntax", "warning", id="property"),
]


@pytest.mark.parametrize(("bad", "code", "level"), BAD)
def test_bad_rules_are_reported_with_their_place(bad: Rule, code: str, level: str) -> None:
    """An error leaves the rule out and keeps the others; a warning keeps the rule."""
    bad = replace(bad, place=Place("web.config", 12))
    compiled = compile_rules([bad, rule("b", to("y"), stop_processing=True)])
    (finding,) = compiled.findings
    assert (finding.code, finding.level, finding.where) == (code, level, "web.config:12")
    assert len(compiled.rules) == (1 if level == "error" else 2)
    assert len(str(finding)) < 500


@pytest.mark.parametrize(
    "pattern", [r"^([\w-.]+)$", "[^]", "[]", r"[\d-x]", r"[\s-_]", r"\1(a)", r"\u{61}", r"\c"]
)
def test_patterns_that_only_python_refuses(pattern: str) -> None:
    """Many web.config files have them: they cause no finding, here or when the file is read."""
    text = (
        f"<configuration><system.webServer><rewrite><rules><rule name='r'><match url='{pattern}'/>"
        "</rule></rules></rewrite></system.webServer></configuration>"
    )
    document = parse(text.encode(), "web.config")
    assert document.findings == ()
    assert compile_rules(merge([Level("", document)], "").rules).findings == ()


def test_each_variable_is_reported_once_a_rule() -> None:
    """One finding is enough, however often the rule uses the variable."""
    compiled = compile_rules([rule("b", to("{NOPE}{NOPE}{NOPE}"), when("{NOPE}", "x"))])
    assert len(compiled.findings) == 1


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(rule("(a|aa)+$", to("x")), id="rule"),
        pytest.param(rule("", to("x"), when("{R:0}{URL}", "(a|aa)+$")), id="condition"),
        pytest.param(rule(r"^((a|aa)+)*$", to("x")), id="nested"),
    ],
)
def test_an_expression_without_end_is_given_up(bad: Rule) -> None:
    """The request gets 500.50 with the name of the rule; the next request is served."""
    compiled = compile_rules([bad, *[rule("^ok$", to("fine"))] * 3])
    start = time.monotonic()
    outcome = compiled.apply(replace(FACTS, path="/" + "a" * 200 + "z!"), budget=0.1)
    assert result(outcome) == "error 500.50"
    assert "'r'" in outcome.description
    assert time.monotonic() - start < 30  # not a measure of speed: it would take years
    assert compiled.apply(replace(FACTS, path="/ok")).path == "/fine"


def test_a_url_that_rules_blow_up_is_given_up() -> None:
    """Each rule doubles the URL: the request gets 500.50 before memory runs out."""
    outcome = run([rule("(.*)", to("{R:1}{R:1}"))] * 60, "/" + "ab" * 20)
    assert result(outcome) == "error 500.50"


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
TEMPLATE = st.lists(
    st.sampled_from(
        "{R:1} {R:0} {C:1} {ToLower: {UrlDecode: {UrlEncode: } { {URL} / .. ? % // x".split()
    ),
    max_size=8,
).map("".join)


@given(pattern=TEXT, action=TEMPLATE, given_input=TEMPLATE, path=TEXT, query=TEXT)
def test_no_rule_and_no_request_raises(
    pattern: str, action: str, given_input: str, path: str, query: str
) -> None:
    """Any texts result in an outcome, with a Location that is valid in a header."""
    actions = [to(action), redirect(action)]
    rules = [rule(pattern, each, when(given_input, ".*(.)?")) for each in actions]
    rules += [rule(".*(.)", each, when(given_input, pattern)) for each in actions]
    for each in rules:
        outcome = compile_rules([each]).apply(replace(FACTS, path="/" + path, query=query))
        assert outcome.kind in ("pass", "redirect", "respond", "error")
        assert outcome.path.startswith("/")
        assert outcome.location.isprintable()
        assert outcome.location.isascii()
        if outcome.rewritten:
            assert outcome.query == query or outcome.query.isascii() or query in outcome.query
            assert ".." not in outcome.path.split("/")
