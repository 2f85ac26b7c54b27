"""What IIS does with a request, recorded as a table; each row is tested over the network.

One site with an app that returns what it received, nested web.config files and rewrite rules.
Sources are in the modules for each part: filtering, rewriting, handlers, staticfiles.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.emulator import FASTCGI, HTTPPLATFORM, emulating, make_site, web_config
from tests.support.servers import Server

# Returns what it received; some paths respond otherwise.
APP = """
    import json, os

    def application(environ, start_response):
        path = environ["PATH_INFO"]
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size)
        if path == "/redirect":
            where = "%s://%s/next?a=b" % (environ["wsgi.url_scheme"], environ["HTTP_HOST"])
            start_response("302 Found", [("Location", where), ("Content-Length", "0")])
            return []
        if path == "/cookie":
            domain = environ["HTTP_HOST"]
            start_response("200 OK", [
                ("Set-Cookie", "a=1; Domain=%s; Secure" % domain), ("Set-Cookie", "b=2"),
                ("Content-Length", "0")])
            return []
        if path == "/fails":
            raise RuntimeError("the app broke on purpose")
        shown = {key: value for key, value in environ.items() if isinstance(value, str)}
        shown["body"] = body.decode("latin-1")
        shown["pid"] = os.getpid()
        answer = json.dumps(shown).encode()
        start_response("200 OK", [
            ("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer] if environ["REQUEST_METHOD"] != "HEAD" else []
"""
RUNSERVER = """
    import os
    from waitress import serve
    from app import application
    serve(application, host="127.0.0.1", port=int(os.environ["HTTP_PLATFORM_PORT"]),
          threads=2, clear_untrusted_proxy_headers=False)
"""
RULES = """
    <rewrite><rules>
      <rule name="old" stopProcessing="true">
        <match url="^old/(.*)$"/>
        <action type="Redirect" url="new/{R:1}" redirectType="Found"/>
      </rule>
      <rule name="moved" stopProcessing="true">
        <match url="^moved$"/>
        <action type="Redirect" url="/here" appendQueryString="false"/>
      </rule>
      <rule name="gone" stopProcessing="true">
        <match url="^gone$"/>
        <action type="CustomResponse" statusCode="410" statusReason="Gone"
                statusDescription="No more"/>
      </rule>
      <rule name="secure" stopProcessing="true">
        <match url="^secure$"/>
        <conditions><add input="{HTTPS}" pattern="^off$"/></conditions>
        <action type="Redirect" url="https://{HTTP_HOST}/secure"/>
      </rule>
      <rule name="by host" stopProcessing="true">
        <match url="^host$"/>
        <conditions>
          <add input="{HTTP_HOST}" pattern="^([a-z-]+)\\.azurewebsites\\.net$"/>
        </conditions>
        <action type="Rewrite" url="was/{C:1}"/>
      </rule>
      <rule name="missing" stopProcessing="true">
        <match url="^files/(.*)$"/>
        <conditions><add input="{REQUEST_FILENAME}" matchType="IsFile" negate="true"/></conditions>
        <action type="Rewrite" url="instead/{R:1}?from=rule"/>
      </rule>
      <rule name="abort" stopProcessing="true">
        <match url="^abort$"/><action type="AbortRequest"/>
      </rule>
      <rule name="off" enabled="false"><match url=".*"/><action type="AbortRequest"/></rule>
    </rules></rewrite>
"""
LIMITS = (
    '<security><requestFiltering><requestLimits maxAllowedContentLength="1000" maxUrl="300" '
    'maxQueryString="100"><headerLimits><add header="X-Long" sizeLimit="10"/></headerLimits>'
    "</requestLimits></requestFiltering></security>"
)
REMOVED = web_config('<handlers><remove name="PythonHandler"/></handlers>')
PLATFORM = (
    r'<httpPlatform processPath="D:\home\Python311x64\python.exe" '
    r'arguments="D:\home\site\wwwroot\runserver.py" startupTimeLimit="60"/>'
)
LOCATED = (
    '<location path="located"><system.webServer><handlers><remove name="PythonHandler"/>'
    "</handlers></system.webServer></location></configuration>"
)


def files(kind: str) -> dict[str, str | bytes]:
    """Return the site's files, for either handler."""
    web_server = (FASTCGI if kind == "fastcgi" else HTTPPLATFORM + PLATFORM) + RULES + LIMITS
    settings = '<add key="WSGI_HANDLER" value="app.application"/>' if kind == "fastcgi" else ""
    config = web_config(web_server, settings).replace("</configuration>", LOCATED)
    return {
        "web.config": config,
        "app.py": APP,
        "runserver.py": RUNSERVER,
        "plain.txt": "a file of the site",
        "files/there.txt": "there",
        "located/note.txt": "located",
        "bin/tool.txt": "hidden",
        "static/web.config": REMOVED,
        "static/style.css": "body {}",
        "static/page/index.html": "<p>index",
        "static/empty/readme.txt": "x",
        "static/data.unknown": "x",
        "static/ä b.txt": "umlaut",
        "broken/web.config": "<configuration><system.webServer></configuration>",
        "doctype/web.config": "<!DOCTYPE x><configuration/>",
    }


@dataclass(frozen=True)
class Row:
    """One behaviour: a request, and the expected response."""

    path: str
    status: int = 200
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    answer: dict[str, str] = field(default_factory=dict)  # headers, with {port} replaced
    seen: dict[str, str] = field(default_factory=dict)  # what the app received
    text: str = ""  # a text in the body


PUBLIC = "wwwroot.azurewebsites.net"
TABLE = [
    # Every URL is Python's, even that of an existing file.
    pytest.param(Row("/plain.txt", seen={"REQUEST_METHOD": "GET"}), id="star-takes-files"),
    pytest.param(Row("/a%20b/%C3%A4?x=%20y", seen={"QUERY_STRING": "x=%20y"}), id="query-as-sent"),
    pytest.param(Row("/x", method="POST", body=b"hi", seen={"body": "hi"}), id="post"),
    pytest.param(Row("/x", method="HEAD"), id="head"),
    pytest.param(Row("/x", method="PROPFIND", seen={"REQUEST_METHOD": "PROPFIND"}), id="any-verb"),
    pytest.param(Row("/bin/x", 404, answer={"server": "Microsoft-IIS/10.0"}), id="server"),
    pytest.param(Row("/fails", 500), id="app-fails"),
    # The front end.
    pytest.param(Row("/x", seen={"HTTP_HOST": PUBLIC}), id="public-name"),
    pytest.param(
        Row("/x", headers={"Host": "other.example"}, seen={"HTTP_HOST": "other.example"}),
        id="an-allowed-host-passes",
    ),
    pytest.param(
        Row("/x", 400, headers={"Host": "evil.example"}, text="--allow-host evil.example"),
        id="another-host",
    ),
    pytest.param(Row("/x", seen={"HTTP_DISGUISED_HOST": PUBLIC}), id="disguised-host"),
    pytest.param(Row("/x?y=1", seen={"HTTP_X_WAWS_UNENCODED_URL": "/x?y=1"}), id="unencoded-url"),
    pytest.param(
        Row("/x", headers={"X-Forwarded-Proto": "https"}, seen={"HTTP_X_FORWARDED_PROTO": ""}),
        id="forged-scheme",
    ),
    pytest.param(
        Row("/x", headers={"X-ARR-SSL": "1"}, seen={"HTTP_X_ARR_SSL": ""}), id="forged-arr-ssl"
    ),
    pytest.param(
        Row("/redirect", 302, answer={"location": "http://127.0.0.1:{port}/next?a=b"}),
        id="location-translated",
    ),
    pytest.param(
        Row(
            "/x",
            headers={"Origin": "http://127.0.0.1:{port}"},
            seen={"HTTP_ORIGIN": f"http://{PUBLIC}"},
        ),
        id="origin-translated",
    ),
    pytest.param(
        Row(
            "/x",
            headers={"Referer": "http://127.0.0.1:{port}/a?b"},
            seen={"HTTP_REFERER": f"http://{PUBLIC}/a?b"},
        ),
        id="referer-translated",
    ),
    pytest.param(Row("/cookie", answer={"set-cookie": "b=2"}), id="cookies"),
    # Rewriting.
    pytest.param(
        Row("/old/a?b=c", 302, answer={"location": "http://127.0.0.1:{port}/new/a?b=c"}),
        id="redirect",
    ),
    pytest.param(
        Row("/moved?b=c", 301, answer={"location": "http://127.0.0.1:{port}/here"}),
        id="redirect-without-query",
    ),
    pytest.param(Row("/OLD/a", 302), id="rules-ignore-case"),
    pytest.param(Row("/gone", 410, text="No more"), id="custom-response"),
    pytest.param(
        Row("/secure", 301, answer={"location": "https://127.0.0.1:{port}/secure"}),
        id="condition-on-https",
    ),
    pytest.param(
        Row("/host", seen={"QUERY_STRING": "", "HTTP_X_ORIGINAL_URL": "/host"}),
        id="back-reference-to-condition",
    ),
    pytest.param(Row("/files/gone.txt", seen={"QUERY_STRING": "from=rule"}), id="is-file-negated"),
    pytest.param(Row("/files/there.txt", seen={"QUERY_STRING": ""}), id="is-file"),
    # Request filtering.
    pytest.param(Row("/x", 413, method="POST", body=b"x" * 1001), id="body-too-long"),
    pytest.param(Row("/x", method="POST", body=b"x" * 1000), id="body-just-right"),
    pytest.param(Row("/x" * 151, 404), id="url-too-long"),
    pytest.param(Row("/x?" + "y" * 101, 404), id="query-too-long"),
    pytest.param(Row("/x", 431, headers={"X-Long": "x" * 11}), id="header-too-long"),
    pytest.param(Row("/bin/tool.txt", 404), id="hidden-segment"),
    pytest.param(Row("/web.config", 404), id="web-config"),
    pytest.param(Row("/WEB.CONFIG", 404), id="web-config-in-capitals"),
    pytest.param(Row("/static/web.config", 404), id="nested-web-config"),
    pytest.param(Row("/static/%77eb.config", 404), id="web-config-escaped"),
    pytest.param(Row("/a%252fb", 404), id="escaped-twice"),
    pytest.param(Row("/%zz", 400), id="no-escape"),
    pytest.param(Row("/a%00b", 400), id="nul"),
    # Files that IIS serves itself.
    pytest.param(
        Row(
            "/static/style.css",
            text="body {}",
            answer={"content-type": "text/css", "content-length": "7"},
        ),
        id="static",
    ),
    pytest.param(Row("/STATIC/Style.CSS", text="body {}"), id="static-in-another-case"),
    pytest.param(Row("/static/%C3%A4%20b.txt", text="umlaut"), id="static-with-a-blank"),
    pytest.param(Row("/static/page/", text="<p>index"), id="default-document"),
    pytest.param(
        Row("/static/page", 301, answer={"location": "http://127.0.0.1:{port}/static/page/"}),
        id="folder-without-slash",
    ),
    pytest.param(Row("/static/empty/", 403), id="no-listing"),
    pytest.param(Row("/static/none.css", 404), id="static-missing"),
    pytest.param(Row("/static/data.unknown", 404), id="no-type"),
    pytest.param(Row("/static/style.css", 405, method="POST", body=b"x"), id="static-post"),
    pytest.param(
        Row(
            "/static/style.css",
            206,
            headers={"Range": "bytes=0-3"},
            text="body",
            answer={"content-range": "bytes 0-3/7"},
        ),
        id="range",
    ),
    pytest.param(Row("/static/style.css", 416, headers={"Range": "bytes=9-"}), id="range-beyond"),
    pytest.param(Row("/static/..%2fapp.py", seen={}), id="dots-are-resolved"),
    pytest.param(Row("/located/note.txt", text="located"), id="location-element"),
    # An error in a nested file is a 500.19 there and nowhere else.
    pytest.param(Row("/broken/x", 500, text="500.19"), id="broken-nested-file"),
    pytest.param(Row("/doctype/x", 500, text="500.19"), id="doctype-in-a-nested-file"),
]


@pytest.fixture(scope="module", params=["fastcgi", "httpplatform"])
def server(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Emulate the site, under each of the two handlers."""
    folder = tmp_path_factory.mktemp("behaviours") / "wwwroot"
    site = make_site(folder, files(request.param))
    with emulating(site, "--as", request.param, "--allow-host", "other.example") as server:
        yield server


@pytest.mark.parametrize("row", TABLE)
def test_behaviour(server: Server, row: Row) -> None:
    """The row's request gets the row's response."""

    def fill(text: str) -> str:
        return text.replace("{port}", str(server.port))

    headers = {name: fill(value) for name, value in row.headers.items()}
    status, found, body = server.request(row.path, headers, row.method, row.body)
    assert status == row.status, f"{body[:2000]!r}\n{server.log()[-2000:]}"
    for name, value in row.answer.items():
        assert found.get(name) == fill(value), found
    assert row.text in body.decode("utf-8", "replace")
    if row.seen:
        seen = json.loads(body)
        for name, value in row.seen.items():
            assert seen.get(name, "") == fill(value), seen


def test_an_aborted_request_has_no_answer(server: Server) -> None:
    """AbortRequest closes the connection, and the emulator continues."""
    with pytest.raises(ConnectionError):
        server.request("/abort")
    assert server.request("/x")[0] == 200
