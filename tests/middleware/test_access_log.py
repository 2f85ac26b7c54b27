"""Access lines of the middleware: one for each request, whatever the app or a client does."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest
from webtest import lint

from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.middleware.access_log import LOGGER, quoted
from tests.support.wsgi import APP_SERVICE, Recorder, make_environ, send

VISITOR = {"X-Forwarded-For": "203.0.113.7:4711", "X-Forwarded-Proto": "https"}
TEXT = [("Content-Type", "text/plain")]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """Yield a function that returns the access lines so far, without durations.

    The logger's level is restored at the end.
    """
    logger = logging.getLogger(LOGGER)
    level = logger.level

    def read() -> list[str]:
        found = [r.getMessage() for r in caplog.records if r.name == LOGGER]
        assert all(re.search(r'" \d+ms$', line) for line in found)
        return [line.rpartition(" ")[0] for line in found]

    yield read
    logger.setLevel(level)


Lines = Callable[[], list[str]]


def logged(app: Any, variables: dict[str, str] | None = None, **options: Any) -> Any:
    options = {"access_log": True, **options}
    return AppServiceMiddleware(app, environ={**APP_SERVICE, **(variables or {})}, **options)


class Body:
    """An iterable that notes when it is closed."""

    def __init__(self, parts: Iterable[bytes], closed: list[str]) -> None:
        self._parts = iter(parts)
        self._closed = closed

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        """Note the call."""
        self._closed.append("closed")


def serve(app: Any, environ: dict[str, Any] | None = None) -> bytes:
    """Serve one request as a strict server: PEP 3333 is checked on both sides of the middleware."""
    written: list[bytes] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        if exc_info and any(written):
            raise exc_info[1].with_traceback(exc_info[2])
        return written.append

    strict = validator(lint.middleware(logged(validator(lint.middleware(app)))))
    body = strict(environ or make_environ(VISITOR), start_response)
    try:
        written.extend(body)
    finally:
        body.close()
    return b"".join(written)


# The line


def test_the_line(lines: Lines) -> None:
    """Client, scheme, request, status, bytes, referrer, user agent, and the duration."""
    environ = make_environ(
        {**VISITOR, "User-Agent": "Mozilla/5.0 (X11)", "Referer": "https://example.com/?a=b"},
        PATH_INFO="/shop", QUERY_STRING="page=2&q=a%20b",
    )  # fmt: skip
    app = Recorder()
    assert send(logged(app), environ, app).body == b"ok"
    assert lines() == [
        '203.0.113.7 https "GET /shop?page=2&q=a%20b HTTP/1.1" 200 2 "https://example.com/?a=b" '
        '"Mozilla/5.0 (X11)"'
    ]


def test_what_a_request_may_lack(lines: Lines) -> None:
    """Only the variables that PEP 3333 requires are needed in an environ."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("204 No Content", [])
        return []

    environ = make_environ(
        REMOTE_ADDR=None, SCRIPT_NAME=None, PATH_INFO=None, QUERY_STRING=None, SERVER_PROTOCOL=None
    )
    logged(app)(environ, lambda *_: None).close()
    assert lines() == ['- http "GET  -" 204 0 "-" "-"']


FORGED = [
    pytest.param({"PATH_INFO": '/a"b\nc'}, "GET /a%22b%0Ac HTTP", id="path"),
    pytest.param({"PATH_INFO": "/caf\xc3\xa9/%"}, "GET /caf%C3%A9/%25 HTTP", id="utf-8-path"),
    pytest.param({"SCRIPT_NAME": "/shop", "PATH_INFO": "/a b"}, "GET /shop/a%20b HTTP", id="mount"),
    pytest.param({"QUERY_STRING": 'q="\r\n\x1b'}, r"GET /?q=\"\x0d\x0a\x1b HTTP", id="query"),
    pytest.param({"HTTP_USER_AGENT": 'x" 200\n'}, r'"-" "x\" 200\x0a"', id="agent"),
    pytest.param({"HTTP_USER_AGENT": 'x\\" y'}, r'"x\\\" y"', id="backslash"),
    pytest.param({"HTTP_REFERER": "\x85\xa0\xe9"}, r'"\x85\xa0\xe9" "-"', id="referrer"),
    pytest.param({"REQUEST_METHOD": 'G"\n'}, r'"G\"\x0a / HTTP', id="method"),
    pytest.param({"SERVER_PROTOCOL": 'H"\n'}, r'GET / H\"\x0a"', id="protocol"),
]


@pytest.mark.parametrize(("variables", "shown"), FORGED)
def test_nobody_writes_a_line_of_his_own(
    variables: dict[str, str], shown: str, lines: Lines
) -> None:
    """The message itself is one line of ASCII, so that any formatter of the log is safe."""
    app = Recorder()
    logged(app)(make_environ(VISITOR, **variables), lambda *_: None).close()
    (line,) = lines()
    assert shown in line
    assert line.isascii()
    assert line.isprintable()


def test_quoted_takes_any_text() -> None:
    """A user name may be any text."""
    assert quoted("\udcff\u2028€") == r"\udcff\u2028\u20ac"
    assert quoted("plain text") == "plain text"


# The app


def generator(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield b"one"
    yield b""
    yield b"three"


def writer(environ: Any, start_response: Any) -> list[bytes]:
    write = start_response("201 Created", TEXT)
    write(b"one")
    write(b"two")
    return [b"three"]


def replaced(environ: Any, start_response: Any) -> list[bytes]:
    """Fail, and replace the response before it is sent."""
    start_response("200 OK", TEXT)
    try:
        raise ValueError
    except ValueError as error:
        start_response("503 Busy", TEXT, (type(error), error, error.__traceback__))
    return [b"sorry"]


def listed(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", TEXT)
    return [b"one", b"two"]


def wrapper(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    return FileWrapper(io.BytesIO(b"x" * 20_000))


APPS = [
    pytest.param(generator, "200 8", id="generator"),
    pytest.param(writer, "201 11", id="write"),
    pytest.param(replaced, "503 5", id="exc-info"),
    pytest.param(listed, "200 6", id="list"),
    pytest.param(wrapper, "200 20000", id="file-wrapper"),
]


@pytest.mark.parametrize(("app", "counted"), APPS)
def test_status_and_bytes(app: Any, counted: str, lines: Lines) -> None:
    """Both are right for every way to respond, and the response is whole."""
    assert str(len(serve(app))) == counted.split()[1]
    assert [line.split('" ')[1] for line in lines()] == [f'{counted} "-']


def test_head(lines: Lines) -> None:
    """HEAD has an access line as well."""
    environ = make_environ(VISITOR, REQUEST_METHOD="HEAD")

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [*TEXT, ("Content-Length", "9")])
        return []

    serve(app, environ)
    assert '"HEAD / HTTP/1.1" 200 0' in lines()[0]


def test_the_server_sees_the_number_of_parts() -> None:
    """Servers compute Content-Length for a list with one part, and for nothing else."""
    one = logged(Recorder())(make_environ(), lambda *_: None)
    many = logged(generator)(make_environ(), lambda *_: None)
    assert len(one) == 1
    assert not hasattr(many, "__len__")
    one.close()
    many.close()


def test_the_line_comes_at_the_close_and_once(lines: Lines) -> None:
    """The app's own close is called once; a body that is not read has its line too."""
    closed: list[str] = []

    def app(environ: Any, start_response: Any) -> Body:
        start_response("200 OK", TEXT)
        return Body([b"one"], closed)

    body = logged(app)(make_environ(VISITOR), lambda *_: None)
    assert next(iter(body)) == b"one"
    assert (lines(), closed) == ([], [])
    body.close()
    assert (len(lines()), closed) == (1, ["closed"])
    logged(app)(make_environ(VISITOR), lambda *_: None).close()
    assert [line.split('" ')[1] for line in lines()] == ['200 3 "-', '200 0 "-']


# Failures


def fails_at_once(environ: Any, start_response: Any) -> Any:
    raise RuntimeError("broken")


def fails_after_start(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    raise RuntimeError("broken")


def fails_after_write(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", TEXT)(b"begun")
    raise RuntimeError("broken")


def fails_in_body(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield from ()
    raise RuntimeError("broken")


def fails_in_the_middle(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield b"begun"
    raise RuntimeError("broken")


def gives_no_body(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", TEXT)


def fails_in_close(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", TEXT)
    body = Body([b"whole"], [])
    body.close = lambda: 1 / 0  # type: ignore[assignment, return-value]
    return body


FAILURES = [
    pytest.param(fails_at_once, "500 0", id="at-once"),
    pytest.param(fails_after_start, "500 0", id="after-start-response"),
    pytest.param(fails_after_write, "200 5", id="after-write"),
    pytest.param(fails_in_body, "500 0", id="in-the-body"),
    pytest.param(fails_in_the_middle, "200 5", id="in-the-middle"),
    pytest.param(gives_no_body, "500 0", id="no-body"),
    pytest.param(fails_in_close, "200 5", id="in-close"),
]


@pytest.mark.parametrize(("app", "counted"), FAILURES)
def test_an_app_that_fails(app: Any, counted: str, lines: Lines) -> None:
    """The server gets the exception.

    The line has the status that the client got: 500 or the first.
    """
    body = None
    with pytest.raises((RuntimeError, ZeroDivisionError, TypeError)):  # noqa: PT012 - as servers do
        body = logged(app)(make_environ(VISITOR), lambda *_: lambda data: None)
        try:
            list(body)
        finally:
            body.close()
    assert [line.split('" ')[1] for line in lines()] == [f'{counted} "-']


def test_an_error_page_that_comes_too_late(lines: Lines) -> None:
    """The server refuses it, and the client has seen the first status."""

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", TEXT)(b"begun")
        try:
            raise ValueError("late")
        except ValueError as error:
            start_response("500 Oh", TEXT, (type(error), error, error.__traceback__))
        return []

    with pytest.raises(ValueError, match="late"):
        serve(app)
    assert "200 5" in lines()[0]
