"""Every form of header on every server: trusted, untrusted, with options, and inert.

The forms are sent as bytes to real servers, many over each connection. The decision and each header
that a library could read must be what an independent oracle expects.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gunicorn
import pytest

from tests.support.fastcgi import FastCgiProcess
from tests.support.headerforms import FORMS, MODES, SITE, Form, expect
from tests.support.serverapps import Row
from tests.support.servers import ROOT, serving

WSGI = """\
import json

def app(environ, start_response):
    info = environ["appsvc.request"]
    seen = {
        "schemes": [environ["wsgi.url_scheme"], info.scheme],
        "clients": [environ["REMOTE_ADDR"], info.client_address],
        "port": info.client_port,
        "host": info.host,
        "headers": {k: v for k, v in environ.items() if k.startswith("HTTP_")},
    }
    body = json.dumps(seen).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
ASGI = """\
import json

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    info, headers = scope["appsvc.request"], {}
    for name, value in scope["headers"]:
        key = "HTTP_" + name.decode().upper().replace("-", "_")
        if "_" in name.decode():
            key = "UNDERSCORED"
        text = value.decode("latin-1")
        headers[key] = headers[key] + "," + text if key in headers else text
    seen = {
        "schemes": [scope["scheme"], info.scheme],
        "clients": [scope["client"][0], info.client_address],
        "port": info.client_port,
        "host": info.host,
        "headers": headers,
    }
    body = json.dumps(seen).encode()
    length = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": body})
"""
SERVERS = {
    "gunicorn": Row("gunicorn", WSGI),
    "waitress": Row("waitress", WSGI),
    "granian": Row("granian", WSGI),
    "granian-asgi": Row("granian", ASGI),
    "uvicorn": Row("uvicorn", ASGI),
}

Seen = dict[str, Any]
Ask = Callable[[Form], Seen]


class Connection:
    """A persistent connection to a server; request heads are sent over it unchanged."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        self._file = self._socket.makefile("rb")

    def close(self) -> None:
        """Close the connection."""
        self._file.close()
        self._socket.close()

    def send(self, head: bytes) -> tuple[int, bytes]:
        """Send a request's head; return the status and the body of the response."""
        self._socket.sendall(head)
        status = int(self._file.readline().split()[1])
        length = 0
        while (line := self._file.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return status, self._file.read(length)


def with_host(form: Form) -> list[tuple[str, str]]:
    """Return a form's lines, with the site's own Host if they have none."""
    host = [] if any(name == "Host" for name, _ in form.lines) else [("Host", SITE)]
    return [*host, *form.lines]


def make_head(form: Form) -> bytes:
    """Return the head of a request as bytes."""
    lines = [f"{name}: {value}" for name, value in with_host(form)]
    return "\r\n".join(["GET / HTTP/1.1", *lines, "", ""]).encode("latin-1")


@contextmanager
def over_http(row: Row, folder: Path, variables: dict[str, str]) -> Iterator[Ask]:
    """Run a server; yield a function that sends a form over one connection."""
    workers = {"APPSVC_WORKERS": "1", "APPSVC_ACCESS_LOG": "0"}
    with serving(*row.serve, cwd=row.site(folder), **workers, **variables) as server:
        connection = Connection(server.port)

        def ask(form: Form) -> Seen:
            status, body = connection.send(make_head(form))
            assert status == 200, (form, status, body, server.log())
            found: Seen = json.loads(body)
            return found

        try:
            yield ask
        finally:
            connection.close()


@contextmanager
def under_wfastcgi(folder: Path, variables: dict[str, str]) -> Iterator[Ask]:
    """Run the real wfastcgi; yield a function that sends it a form."""
    (folder / "app.py").write_text(WSGI)
    own = {"WSGI_HANDLER": "appsvc_runtime.wsgi.application", "APPSVC_APP": "app:app"}
    with FastCgiProcess(folder, env={**own, "PYTHONPATH": str(ROOT), **variables}) as process:

        def ask(form: Form) -> Seen:
            answer = process.request(
                "GET", "/", headers=with_host(form), remote_addr="198.51.100.99"
            )
            assert answer.status == 200, (form, answer)
            found: Seen = json.loads(answer.body)
            return found

        yield ask


def differences(form: Form, seen: Seen, wanted: Any) -> list[str]:
    """Return where the app's view differs from the expected one."""
    found = []
    for name, value in (
        ("schemes", [wanted.scheme] * 2),
        ("clients", [wanted.client] * 2),
        ("host", wanted.host),
    ):
        if seen[name] != value:
            found.append(f"{form}: {name} {seen[name]!r} instead of {value!r}")
    if wanted.port is not None and seen["port"] != wanted.port:
        found.append(f"{form}: port {seen['port']!r} instead of {wanted.port!r}")
    headers = {name: squeezed(text) for name, text in seen["headers"].items()}
    right = {name: squeezed(text) for name, text in wanted.headers.items()}
    if headers != right:
        odd = dict(headers.items() ^ right.items())
        found.append(f"{form}: headers differ: {odd}")
    return found


def squeezed(text: str) -> str:
    """Return a header's value without blanks around commas: servers differ when they join lines."""
    return ",".join(part.strip(" \t") for part in text.split(","))


def check(
    ask: Ask,
    mode: str,
    *,
    peer: str = "127.0.0.1",
    cgi: bool = False,
    forms: Sequence[Form] = FORMS,
) -> None:
    """Send all forms; the app must see each of them as the oracle expects."""
    found: list[str] = []
    for form in forms:
        wanted = expect(form, MODES[mode], peer=peer, cgi=cgi)
        found += differences(form, ask(form), wanted)
    assert not found, f"{len(found)} of {len(FORMS)}:\n" + "\n".join(found[:20])


def test_there_are_many_forms() -> None:
    """These are the counts that docs/security.md names; no form appears twice."""
    assert len({form.lines for form in FORMS}) == len(FORMS) >= 300


UNDER_WFASTCGI = [name for name in MODES if name not in ("untrusted", "at-home")]
# The numbers of cases that docs/security.md names.
SUITE_CASES = {
    "test_forms_over_http": len(FORMS) * len(MODES) * len(SERVERS),
    "test_forms_under_wfastcgi": len(FORMS) * len(UNDER_WFASTCGI),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("server", SERVERS)
def test_forms_over_http(server: str, mode: str, tmp_path: Path) -> None:
    """No header contradicts the decision, and no forged header has an effect."""
    forms = FORMS
    if server == "gunicorn" and gunicorn.version_info < (22,):
        # These releases strip more than HTTP's own blanks. A client could send the remaining value
        # anyway.
        forms = [form for form in FORMS if not any("\xa0" in value for _, value in form.lines)]
        assert len(forms) > len(FORMS) - 20
    with over_http(SERVERS[server], tmp_path, MODES[mode].variables) as ask:
        check(ask, mode, forms=forms)


@pytest.mark.parametrize("mode", UNDER_WFASTCGI)
def test_forms_under_wfastcgi(mode: str, tmp_path: Path) -> None:
    """CGI makes one name of hyphens and underscores here; IIS is always trusted."""
    with under_wfastcgi(tmp_path, MODES[mode].variables) as ask:
        check(ask, mode, peer="198.51.100.99", cgi=True)
