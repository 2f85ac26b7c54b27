"""What this package adds to older releases of gunicorn."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.http.errors import InvalidHeader

from appsvc_runtime.serving.gunicorn import older
from tests.middleware.test_principal import headers
from tests.support.servers import serving
from tests.support.wsgi import make_environ

Body = Callable[[], Any]


class Closing:
    """A body that notes whether it was closed, and how many pieces were read."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces, self.taken, self.closed = pieces, 0, False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.taken += 1
            yield piece

    def close(self) -> None:
        """Note the call."""
        self.closed = True


def call(app: Any, method: str) -> tuple[list[tuple[Any, ...]], bytes, Any]:
    started: list[tuple[Any, ...]] = []
    written: list[bytes] = []

    def start_response(*words: Any) -> Callable[[bytes], object]:
        started.append(words)
        return written.append

    body = older.omitting_bodies(app)(make_environ(REQUEST_METHOD=method), start_response)
    data = b"".join(body)
    if hasattr(body, "close"):
        body.close()
    return started, b"".join(written) + data, body


@pytest.mark.parametrize(
    ("method", "status", "sent"),
    [
        pytest.param("GET", "200 OK", b"a body", id="get"),
        pytest.param("HEAD", "200 OK", b"", id="head"),
        pytest.param("GET", "204 No Content", b"", id="204"),
        pytest.param("GET", "304 Not Modified", b"", id="304"),
        pytest.param("GET", "404 Not Found", b"a body", id="404"),
    ],
)
@pytest.mark.parametrize("kind", ["list", "generator", "written", "own"])
def test_a_response_without_a_body_has_none(
    kind: str, method: str, status: str, sent: bytes
) -> None:
    """Whatever the app returns, status and headers stay, and the body is closed."""
    own = Closing(b"a ", b"body")

    def app(_environ: Any, start_response: Any) -> Any:
        write = start_response(status, [("Content-Length", "6")])
        if kind == "written":
            write(b"a body")
            return []
        return own if kind == "own" else [b"a ", b"body"]

    def generator(environ: Any, start_response: Any) -> Iterator[bytes]:
        yield from app(environ, start_response)

    started, data, body = call(generator if kind == "generator" else app, method)
    assert started == [(status, [("Content-Length", "6")])]
    assert data == sent
    if kind == "own":
        assert own.closed
        assert own.taken == (2 if sent else 1)
        assert (body is own) is bool(sent)  # it may be a file, which the server sends by itself


def test_an_error_of_the_apps_is_passed_on() -> None:
    """`start_response` gets the same exception information."""
    error = (ValueError, ValueError("x"), None)

    def app(_environ: Any, start_response: Any) -> Any:
        start_response("500 Oops", [], error)
        return [b"sorry"]

    assert call(app, "GET")[:2] == ([("500 Oops", [], error)], b"sorry")


@pytest.mark.parametrize(
    ("release", "drops", "omits"),
    [
        pytest.param((20, 1, 0), True, True, id="20.1"),
        pytest.param((21, 2, 0), True, True, id="21.2"),
        pytest.param((22, 0, 0), False, True, id="22"),
        pytest.param((25, 3, 0), False, True, id="25"),
        pytest.param((26, 0, 0), False, False, id="26"),
        pytest.param((27, 0, 1), False, False, id="27"),
    ],
)
def test_each_release_gets_what_it_lacks(
    release: tuple[int, ...], drops: bool, omits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No release gets more."""
    monkeypatch.setattr(older, "RELEASE", release)
    called: list[Any] = []
    settings: dict[str, Any] = {"pre_request": lambda *words: called.append(words)}
    cfg = SimpleNamespace(set=settings.__setitem__, pre_request=settings["pre_request"])

    def app(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b"body"]

    worker = SimpleNamespace(cfg=cfg, wsgi=app)
    older.adapt(worker)
    assert (worker.wsgi is not app) is omits
    headers = [("X_FORWARDED_FOR", "6.6.6.6"), ("X-FORWARDED-FOR", "1.2.3.4"), ("HOST", "x")]
    request = SimpleNamespace(headers=headers)
    settings["pre_request"](worker, request)
    assert request.headers == (headers[1:] if drops else headers)
    assert called == [(worker, request)]  # the user's own hook
    ends = [("TRANSFER-ENCODING", "chunked"), ("CONTENT-LENGTH", "3")]
    for headers in ([("HOST", "a"), ("HOST", "b")], ends):
        ambiguous = SimpleNamespace(headers=headers)
        if release < (27,):
            with pytest.raises(InvalidHeader):
                settings["pre_request"](worker, ambiguous)
        else:
            settings["pre_request"](worker, ambiguous)


@pytest.mark.parametrize(
    ("settings", "enabled"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"accesslog": "-"}, True, id="file"),
        pytest.param({"logconfig_dict": {"version": 1}}, True, id="dict"),
        pytest.param({"syslog": True}, True, id="syslog"),
        pytest.param(
            {"syslog": True, "disable_redirect_access_to_syslog": True}, False, id="not-there"
        ),
    ],
)
def test_whether_there_are_access_lines(settings: dict[str, Any], enabled: bool) -> None:
    """The result is that of newer releases for the same configuration."""
    from gunicorn.config import Config
    from gunicorn.glogging import Logger

    config = Config()
    for name, value in settings.items():
        config.set(name, value)
    assert older.is_access_log_enabled(config) is enabled
    if hasattr(Logger, "access_log_enabled"):
        logger = Logger.__new__(Logger)  # its __init__ would open the syslog
        logger.cfg = config
        assert logger.access_log_enabled is enabled


PLAIN = """\
from appsvc_runtime import AppServiceMiddleware

def app(environ, start_response):
    user = environ["appsvc.request"].principal
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [(user.name if user else "nobody").encode()]

app = AppServiceMiddleware(app, trusted_proxies="127.0.0.1")
"""


@pytest.mark.integration
@pytest.mark.parametrize("ours", [False, True], ids=["plain", "with-our-settings"])
def test_no_header_with_underscores_signs_a_client_in(ours: bool, tmp_path: Path) -> None:
    """This includes gunicorn before 22, which does not distinguish it from the one with hyphens."""
    (tmp_path / "app.py").write_text(PLAIN)
    settings = ("-c", "python:appsvc_runtime.gunicorn_conf") if ours else ()
    with serving(
        "-m", "gunicorn", "-b", "127.0.0.1:{port}", *settings, "app:app", cwd=tmp_path,
        WEBSITE_SITE_NAME="shop", WEBSITE_INSTANCE_ID="1", WEBSITE_AUTH_ENABLED="True",
    ) as server:  # fmt: skip
        sent = headers()
        assert ask(server.port, {name.replace("-", "_"): sent[name] for name in sent}) == "nobody"
        is_known = ours or older.RELEASE >= (22,)
        assert ask(server.port, sent) == ("ann@example.com" if is_known else "nobody")


def ask(port: int, sent: dict[str, str]) -> str:
    """Return the name of the signed-in user for a request with these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/", headers=sent)
    text = connection.getresponse().read().decode()
    connection.close()
    return text
