"""Both examples under real gunicorn, waitress and wfastcgi: each sees the client's own address."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.fastcgi import FastCgiProcess
from tests.support.servers import ROOT, serving

SITE_HOST = "mysite.azurewebsites.net"
PLATFORM = {
    "WEBSITE_SITE_NAME": "mysite",
    "WEBSITE_INSTANCE_ID": "0123abcd",
    "WEBSITE_HOSTNAME": SITE_HOST,
    "SECRET_KEY": "only-for-tests",
}
HTTPS = {
    "Host": SITE_HOST,
    "X-Forwarded-For": "203.0.113.7:51234",
    "X-Forwarded-Proto": "https",
    "X-ARR-SSL": "2048|256|CN=example",
    "X-ARR-LOG-ID": "d3b07384",
}
EXAMPLES = {"flask": ROOT / "examples" / "flask_app", "django": ROOT / "examples" / "django_app"}

Answer = tuple[int, dict[str, str], bytes]
Ask = Callable[..., Answer]


@contextmanager
def gunicorn(site: Path) -> Iterator[Ask]:
    command = ("-m", "appsvc_runtime", "serve", "--host", "127.0.0.1", "--port", "{port}")
    with serving(*command, cwd=site, **PLATFORM) as server:
        yield server.request


@contextmanager
def gunicorn_by_hand(site: Path) -> Iterator[Ask]:
    app = "app:app" if (site / "app.py").exists() else "mysite.wsgi"
    command = ("-m", "gunicorn", "-c", "python:appsvc_runtime.gunicorn_conf", app)
    with serving(*command, cwd=site, PORT="{port}", **PLATFORM) as server:
        yield server.request


@contextmanager
def waitress(site: Path) -> Iterator[Ask]:
    command = ("-m", "appsvc_runtime.runserver", "--port", "{port}")
    with serving(*command, cwd=site, HTTP_PLATFORM_PORT="{port}", **PLATFORM) as server:
        yield server.request


@contextmanager
def waitress_by_script(site: Path) -> Iterator[Ask]:
    """Start waitress as a handler may: from another folder, with the port in the variable only."""
    script = str(site / "runserver.py")
    with serving(script, cwd=ROOT, HTTP_PLATFORM_PORT="{port}", **PLATFORM) as server:
        yield server.request


@contextmanager
def wfastcgi(site: Path) -> Iterator[Ask]:
    variables = {
        **PLATFORM,
        "WSGI_HANDLER": "appsvc_runtime.wsgi.application",
        "PYTHONPATH": str(ROOT),
    }
    with FastCgiProcess(site, env=variables) as process:

        def ask(
            path: str = "/",
            headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
            method: str = "GET",
            body: bytes | None = None,
        ) -> Answer:
            target, _, query = path.partition("?")
            answer = process.request(
                method, target, query=query, headers=headers, body=body or b"",
                remote_addr="198.51.100.99",
            )  # fmt: skip
            assert not answer.stderr, answer.stderr.decode()
            return answer.status, {k.lower(): v for k, v in answer.headers}, answer.body

        yield ask


HOSTS = [gunicorn, gunicorn_by_hand, waitress, waitress_by_script, wfastcgi]


@pytest.fixture(scope="module", params=HOSTS, ids=lambda host: host.__name__)
def host(request: pytest.FixtureRequest) -> Callable[[Path], object]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module", params=EXAMPLES.values(), ids=EXAMPLES)
def ask(request: pytest.FixtureRequest, host: Callable[[Path], object]) -> Iterator[Ask]:
    with ExitStack() as stack:
        yield stack.enter_context(host(request.param))  # type: ignore[arg-type]


def visitor(answer: Answer) -> dict[str, object]:
    assert answer[0] == 200, answer
    found: dict[str, object] = json.loads(answer[2])
    return found


def test_the_app_sees_the_visitor(ask: Ask) -> None:
    """Scheme, host, address and request id are those that the front end reported."""
    seen = visitor(ask("/visitor.json", HTTPS))
    assert seen["scheme"] == "https"
    assert seen["host"] == SITE_HOST
    assert seen["client_address"] == seen["remote_addr"] == "203.0.113.7"
    assert seen["client_port"] == 51234
    assert seen["arr_log_id"] == "d3b07384"
    assert seen["is_secure"] is True
    assert seen["url"] == f"https://{SITE_HOST}/visitor.json"


def test_a_plain_request_is_plain(ask: Ask) -> None:
    """Without the front end's headers for https the scheme is http, whatever else is sent."""
    headers = {"Host": SITE_HOST, "X-Forwarded-For": "203.0.113.7:51234", "X-Forwarded-Ssl": "on"}
    seen = visitor(ask("/visitor.json", headers))
    assert (seen["scheme"], seen["is_secure"]) == ("http", False)
    assert seen["client_address"] == "203.0.113.7"


def test_a_forged_address_is_not_believed(ask: Ask) -> None:
    """The front end appends the address to the header that the client sent."""
    forged = {**HTTPS, "X-Forwarded-For": "6.6.6.6, 203.0.113.7:51234"}
    assert visitor(ask("/visitor.json", forged))["client_address"] == "203.0.113.7"


@pytest.mark.parametrize("order", [("https", "http"), ("http", "https")], ids="-then-".join)
def test_a_doubled_header_that_disagrees_is_http(ask: Ask, order: tuple[str, str]) -> None:
    """Servers join the two headers.

    Version 2 of HttpPlatformHandler, which appends, is not involved.
    """
    pairs = [(k, v) for k, v in HTTPS.items() if k not in ("X-Forwarded-Proto", "X-ARR-SSL")]
    doubled = [*pairs, *(("X-Forwarded-Proto", word) for word in order)]
    assert visitor(ask("/visitor.json", doubled))["scheme"] == "http"


def test_a_form_redirects_to_https(ask: Ask) -> None:
    """The address in Location is the one that the client uses, and CSRF checks pass."""
    _, headers, page = ask("/", HTTPS)
    form = {**HTTPS, "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"https://{SITE_HOST}", "Referer": f"https://{SITE_HOST}/"}  # fmt: skip
    body = b"name=Ada"
    token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    if token:
        form["Cookie"] = headers["set-cookie"].partition(";")[0]
        body += b"&csrfmiddlewaretoken=" + token[1]
    status, headers, _ = ask("/greet", form, "POST", body)
    assert status == 302
    assert headers["location"] == f"https://{SITE_HOST}/hello?name=Ada"
    status, _, page = ask("/hello?name=Ada", HTTPS)
    assert status == 200
    assert b"Ada" in page


def test_the_page_and_its_style_sheet(ask: Ask) -> None:
    """The page with the client's data is HTML, and static files are served."""
    status, headers, page = ask("/visitor", HTTPS)
    assert status == 200
    assert headers["content-type"].startswith("text/html")
    assert b"203.0.113.7" in page
    status, headers, _ = ask("/static/style.css", HTTPS)
    assert status == 200
    assert headers["content-type"].startswith("text/css")


def test_off_the_platform_nobody_is_believed() -> None:
    """On a developer's machine any client can send such a header, so no peer is trusted."""
    local = {k: v for k, v in PLATFORM.items() if not k.startswith("WEBSITE")}
    command = ("-m", "appsvc_runtime.runserver", "--port", "{port}")
    with serving(*command, cwd=EXAMPLES["flask"], **local) as server:
        seen = visitor(server.request("/visitor.json", HTTPS))
    assert seen["scheme"] == "http"
    assert seen["client_address"] == "127.0.0.1"
