"""The handler that takes a request, and the response if no handler does."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.emulator.iis.handlers import Choice, choose, kind
from appsvc_runtime.emulator.iis.request_filtering import Refusal
from appsvc_runtime.emulator.iis.webconfig.model import Handler

FILES = {"/static/a.css", "/x.py", "/folder.py/y.py"}
FOLDERS = {"/static", "/", "/folder.py"}

STATIC = Handler(
    "StaticFile",
    "*",
    "*",
    "StaticFileModule,DefaultDocumentModule,DirectoryListingModule",
    resource_type="Either",
    require_access="Read",
)


def handler(path: str, verb: str = "*", resource_type: str = "Unspecified") -> Handler:
    return Handler("h", path, verb, "FastCgiModule", resource_type=resource_type)


def ask(
    handlers: list[Handler],
    path: str,
    verb: str = "GET",
    is_file: Callable[[str], bool] = FILES.__contains__,
) -> Choice | Refusal:
    return choose(handlers, path, verb, is_file, FOLDERS.__contains__)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        pytest.param("*", "/", "/", id="star-root"),
        pytest.param("*", "/a/b.c", "/a/b.c", id="star"),
        pytest.param("*.py", "/a/b.py", "/a/b.py", id="extension"),
        pytest.param("*.py", "/a/b.PY", "/a/b.PY", id="extension-case"),
        pytest.param("*.PY", "/a/b.py", "/a/b.py", id="pattern-case"),
        pytest.param("*.py", "/a/b.pyc", None, id="longer-extension"),
        pytest.param("*.py", "/a/py", None, id="no-extension"),
        pytest.param("*.py", "/a.py/b/c", "/a.py", id="path-info"),
        pytest.param("*.py", "/folder.py/y.py", "/folder.py/y.py", id="the-file-counts"),
        pytest.param("*.py", "/n.py/m.py", "/n.py/m.py", id="else-the-whole-path"),
        pytest.param("handler.fcgi", "/handler.fcgi", "/handler.fcgi", id="name"),
        pytest.param("handler.fcgi", "/handler.fcgi/a/b", "/handler.fcgi", id="name-info"),
        pytest.param("handler.fcgi", "/a/Handler.fcgi/", "/a/Handler.fcgi", id="name-below"),
        pytest.param("handler.fcgi", "/my-handler.fcgi", None, id="name-is-whole"),
        pytest.param("a?c", "/abc", "/abc", id="question-mark"),
        pytest.param("a?c", "/ac", None, id="question-mark-is-one"),
        pytest.param("*.", "/a/b", "/a/b", id="extensionless"),
        pytest.param("*.", "/a.b/c", "/a.b/c", id="extensionless-last-segment"),
        pytest.param("*.", "/a/b.c", None, id="extensionless-but-dot"),
        pytest.param("api/*", "/api/x/y", "/api/x/y", id="folder"),
        pytest.param("/api/*", "/API/x", "/API/x", id="folder-with-slash"),
        pytest.param("/api/*", "/api", None, id="folder-needs-its-slash"),
        pytest.param("api/*", "/v/api/x", None, id="folder-from-the-root"),
        pytest.param("*/x", "/a/b/x", "/a/b/x", id="any-folder"),
        pytest.param("*/x", "/a/xx", None, id="any-folder-not"),
        pytest.param(r"api\*", "/api/x", "/api/x", id="backslash"),
        pytest.param("*.php, *.py", "/x.py", "/x.py", id="several"),
        pytest.param("", "/x", None, id="empty"),
        pytest.param(",", "/x", None, id="comma"),
        pytest.param("[a].py", "/a.py", None, id="brackets-are-plain"),
    ],
)
def test_paths(pattern: str, path: str, expected: str | None) -> None:
    """Return the part of the path that is the script, or None if nothing matches."""
    chosen = ask([handler(pattern)], path)
    if expected is None:
        assert chosen == Refusal(404, 4, "No handler takes this path.")
    else:
        assert isinstance(chosen, Choice)
        assert chosen.script == expected


@pytest.mark.parametrize(
    ("verbs", "verb", "taken"),
    [
        pytest.param("*", "PATCH", True, id="star"),
        pytest.param("GET,HEAD", "HEAD", True, id="list"),
        pytest.param("GET, POST", "POST", True, id="list-with-blank"),
        pytest.param("GET", "POST", False, id="other"),
        pytest.param("GET", "get", False, id="case"),
        pytest.param("get", "GET", False, id="case-of-the-list"),
    ],
)
def test_verbs(verbs: str, verb: str, taken: bool) -> None:
    """Verbs are case-sensitive; a path without a handler for the verb gets 405."""
    chosen = ask([handler("*", verbs)], "/x", verb)
    assert isinstance(chosen, Choice) == taken
    if isinstance(chosen, Refusal):
        assert (chosen.status, chosen.substatus) == (405, 0)


@pytest.mark.parametrize(
    ("resource_type", "path", "taken"),
    [
        pytest.param("File", "/x.py", True, id="file"),
        pytest.param("File", "/static", False, id="file-but-folder"),
        pytest.param("File", "/none", False, id="file-but-nothing"),
        pytest.param("Directory", "/static", True, id="directory"),
        pytest.param("Directory", "/x.py", False, id="directory-but-file"),
        pytest.param("Either", "/static", True, id="either-folder"),
        pytest.param("either", "/x.py", True, id="either-file"),
        pytest.param("Either", "/none", False, id="either-nothing"),
        pytest.param("Unspecified", "/none", True, id="unspecified"),
    ],
)
def test_resource_types(resource_type: str, path: str, taken: bool) -> None:
    """A missing file gets 404.0, not 404.4, because a handler would take an existing one."""
    chosen = ask([handler("*", resource_type=resource_type)], path)
    assert isinstance(chosen, Choice) == taken
    if isinstance(chosen, Refusal):
        assert (chosen.status, chosen.substatus) == (404, 0)


def test_the_file_of_a_path_with_information_counts() -> None:
    """resourceType="File" refers to the script, not to the whole path."""
    chosen = ask([handler("*.py", resource_type="File")], "/x.py/more")
    assert isinstance(chosen, Choice)
    assert chosen.script == "/x.py"


def test_the_first_that_takes_it() -> None:
    """The order decides, and a handler that does not take the request is skipped."""
    post, python = handler("*", "POST"), handler("*.py", resource_type="File")
    for path, verb, expected in [
        ("/x.py", "POST", post),
        ("/x.py", "GET", python),
        ("/static/a.css", "GET", STATIC),
    ]:
        chosen = ask([post, python, STATIC], path, verb)
        assert isinstance(chosen, Choice)
        assert chosen.handler is expected


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        pytest.param("Execute", (403, 1), id="execute"),
        pytest.param("Write", (403, 3), id="write"),
        pytest.param("Script", None, id="script"),
        pytest.param("Read", None, id="read"),
        pytest.param("None", None, id="none"),
    ],
)
def test_required_access(access: str, expected: tuple[int, int] | None) -> None:
    """Read and Script are granted, as in applicationHost.config; other access is refused."""
    chosen = ask([Handler("h", "*", "*", require_access=access), STATIC], "/x.py")
    if expected is None:
        assert isinstance(chosen, Choice)
    else:
        assert isinstance(chosen, Refusal)
        assert (chosen.status, chosen.substatus) == expected


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        pytest.param("httpPlatformHandler", "httpplatform", id="httpplatform"),
        pytest.param("HttpPlatformHandler", "other", id="case"),
        pytest.param("httpPlatformHandlerV2", "httpplatform", id="version-2"),
        pytest.param("FastCgiModule", "fastcgi", id="fastcgi"),
        pytest.param(STATIC.modules, "static", id="static"),
        pytest.param("ProtocolSupportModule", "static", id="options"),
        pytest.param("Other, FastCgiModule", "fastcgi", id="second"),
        pytest.param("AspNetCoreModuleV2", "other", id="other"),
        pytest.param("", "other", id="none"),
    ],
)
def test_kinds(modules: str, expected: str) -> None:
    """The kind of a handler follows from its modules, whose names are case-sensitive."""
    assert kind(Handler("h", "*", "*", modules)) == expected


def test_many_stars_do_not_take_for_ever() -> None:
    """A pattern with twenty stars and a long path: backtracking would take years."""
    start = time.monotonic()
    assert isinstance(ask([handler("/" + "*a" * 20 + "z")], "/" + "a" * 4000), Refusal)
    assert time.monotonic() - start < 30  # not a measure of speed


@given(st.text("ab*?.", max_size=8), st.text("ab./", max_size=12))
def test_patterns_match_as_a_simple_matcher_does(pattern: str, rest: str) -> None:
    """The matcher agrees with a simple recursive one, for patterns of the whole path."""

    def like(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(like(pattern[1:], text[at:]) for at in range(len(text) + 1))
        return bool(text) and pattern[0] in ("?", text[0]) and like(pattern[1:], text[1:])

    path = "/" + rest
    assert isinstance(ask([handler("/" + pattern)], path), Choice) == like("/" + pattern, path)
