"""The site's files served by IIS's static handler: what is found, and the responses."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from appsvc_runtime.emulator.http.url_paths import decode_path
from appsvc_runtime.emulator.iis import site_files
from appsvc_runtime.emulator.iis.static_files import default_document, etag
from appsvc_runtime.emulator.iis.webconfig.model import DefaultDocument, StaticContent
from tests.support.staticsite import CONFIG, DATE, HIDDEN, SECRET, TAG, TEXT, ask, make_site, number


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a site with files."""
    return make_site(tmp_path_factory.mktemp("static"))


def test_a_file(site: Path) -> None:
    """The response has type, length, time, tag and the cache header of the configuration."""
    answer, body = ask(site, "/a.txt")
    assert (answer.status, body) == (200, TEXT)
    assert dict(answer.headers) == {
        "Content-Type": "text/plain",
        "Content-Length": "10",
        "Last-Modified": DATE,
        "ETag": TAG,
        "Accept-Ranges": "bytes",
        "Cache-Control": "max-age=60",
    }


def test_head_has_the_headers_alone(site: Path) -> None:
    """The headers are the same as those of GET."""
    head, body = ask(site, "/a.txt", "HEAD", Range="bytes=0-1")
    assert body == b""
    assert head.headers == ask(site, "/a.txt")[0].headers


@pytest.mark.parametrize(
    ("modified_ns", "expected"),
    [
        pytest.param(1_159_241_729_643_403_200, '"704349d01ce1c61:0"', id="recorded-2006"),
        pytest.param(1_408_451_034_000_000_000, '"029e570a8bbcf1:0"', id="recorded-2014"),
        pytest.param(-1, None, id="before-1970"),
        pytest.param(-(2**70), None, id="before-everything"),
        pytest.param(2**70, None, id="after-everything"),
    ],
)
def test_entity_tags(modified_ns: int, expected: str | None) -> None:
    """Tags equal those of recorded IIS responses for these times, up to the colon's number."""
    tag = etag(modified_ns)
    assert re.fullmatch('"[0-9a-f]{8,16}:0"', tag)
    assert expected in (None, tag)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/a.txt", "200", id="file"),
        pytest.param("/A.TXT", "200", id="other-case"),
        pytest.param("/SUB/b B.TXT", "200", id="other-case-of-folder"),
        pytest.param("/ünï/é.txt", "200", id="letters"),
        pytest.param("/ÜNÏ/É.txt", "200", id="letters-other-case"),
        pytest.param("/u\u0308ni\u0308/e\u0301.txt", "200", id="letters-decomposed"),
        pytest.param("/case.txt", "200", id="extension-in-capitals"),
        pytest.param("/none.txt", "404", id="nothing"),
        pytest.param("/none/a.txt", "404", id="no-such-folder"),
        pytest.param("/a.txt/b", "404", id="below-a-file"),
        pytest.param("/a.txt/", "404", id="file-with-slash"),
        pytest.param("/a.txt.", "404", id="dot-behind"),
        pytest.param("/a.txt ", "404", id="blank-behind"),
        pytest.param("/a.txt::$DATA", "404", id="stream"),
        pytest.param("/NUL", "404", id="device"),
        pytest.param("/sub/con.txt", "404", id="device-with-extension"),
        pytest.param("/a*", "404", id="wildcard"),
        pytest.param("/noextension", "404.3", id="no-type"),
        pytest.param("/x.unknown", "404.3", id="unknown-type"),
        pytest.param("/empty/", "403.14", id="no-default-document"),
        pytest.param("/web.config", "404.8", id="web-config"),
        pytest.param("/WEB.CONFIG", "404.8", id="web-config-case"),
        pytest.param("/sub/web.config", "404.8", id="web-config-below"),
        pytest.param("/sub/Web.Config.", "404.8", id="web-config-dot"),
        pytest.param("/web.config::$DATA", "404.8", id="web-config-stream"),
        pytest.param("/WEB~1.CON", "404.8", id="web-config-short-name"),
        pytest.param("/a\x00.txt", "404", id="nul"),
        pytest.param("/" + "a" * 5000, "404", id="longer-than-any-name"),
        pytest.param("/\ud800", "404", id="surrogate"),
    ],
)
def test_what_is_found(site: Path, path: str, expected: str) -> None:
    """A decoded path leads to this status and substatus."""
    answer, body = ask(site, path)
    assert number(answer) == expected
    assert HIDDEN not in body


def test_the_exact_name_comes_first(site: Path) -> None:
    """Among files that differ only in case, the exact name wins, else the first sorted name."""
    for name in ("case.css", "CASE.css"):
        (site / name).write_bytes(name.encode())
    if not {"case.css", "CASE.css"} <= set(os.listdir(site)):
        pytest.skip("here the two names are one file")
    assert ask(site, "/case.css")[1] == b"case.css"
    assert ask(site, "/CASE.css")[1] == b"CASE.css"
    assert ask(site, "/Case.css")[1] == b"CASE.css"


@pytest.mark.parametrize(
    ("content", "path"),
    [
        pytest.param({".": "text/x"}, "/noextension", id="none"),
        pytest.param({".*": "text/x"}, "/x.unknown", id="any"),
        pytest.param({".*": "text/x"}, "/noextension", id="any-is-none-as-well"),
        pytest.param({".txt": "text/x", ".*": "text/y"}, "/Case.TXT", id="own-before-any"),
    ],
)
def test_types_of_odd_extensions(site: Path, content: dict[str, str], path: str) -> None:
    """`.` is for files without an extension, `.*` for all that have no type of their own."""
    config = replace(CONFIG, static_content=StaticContent(MappingProxyType(content)))
    answer, _ = ask(site, path, config=config)
    assert answer.headers["Content-Type"] == "text/x"
    assert "Cache-Control" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        pytest.param("POST", "/a.txt", "405", id="post"),
        pytest.param("PUT", "/a.txt", "405", id="put"),
        pytest.param("get", "/a.txt", "405", id="lower-case"),
        pytest.param("DELETE", "/sub/", "405", id="folder"),
        pytest.param("POST", "/none", "404", id="nothing-there"),
        pytest.param("TRACE", "/a.txt", "501", id="trace"),
    ],
)
def test_methods(site: Path, method: str, path: str, expected: str) -> None:
    """Files accept GET and HEAD; a refusal names the allowed methods."""
    answer, _ = ask(site, path, method)
    assert number(answer) == expected
    assert answer.headers.get("Allow", "") == (
        "GET, HEAD, OPTIONS, TRACE" if expected == "405" else ""
    )


def test_options(site: Path) -> None:
    """IIS responds for every path, without looking for a file."""
    answer, body = ask(site, "/none", "OPTIONS")
    assert (answer.status, body) == (200, b"")
    assert answer.headers["Allow"] == answer.headers["Public"] == "OPTIONS, TRACE, GET, HEAD, POST"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/", b"index", id="root"),
        pytest.param("/sub/", b"sub index", id="folder"),
        pytest.param("/SUB/", b"sub index", id="folder-other-case"),
    ],
)
def test_default_documents(site: Path, path: str, expected: bytes) -> None:
    """A folder's URL returns the first default document that exists."""
    answer, body = ask(site, path)
    assert (answer.status, body, answer.headers["Content-Type"]) == (200, expected, "text/html")


def test_default_documents_in_their_order(site: Path) -> None:
    """The order of the list decides, folders of that name are skipped, and it may be disabled."""
    documents = DefaultDocument(files=("inner", "B b.txt", "index.html"))
    assert default_document(site, "/sub/", replace(CONFIG, default_document=documents)) == (
        "/sub/B b.txt"
    )
    off = replace(CONFIG, default_document=replace(documents, enabled=False))
    assert default_document(site, "/sub/", off) is None
    answer, body = ask(site, "/sub/", config=off)
    assert number(answer) == "403.14"
    assert b"index.html" not in body


def test_a_default_document_does_not_lead_out(site: Path) -> None:
    """A default document leads neither out of the site nor to web.config."""
    files = ("../outside.txt", "..\\outside.txt", "/../outside.txt", "web.config")
    config = replace(CONFIG, default_document=DefaultDocument(files=files))
    assert number(ask(site, "/", config=config)[0]) == "403.14"


@pytest.mark.parametrize(
    ("target", "more", "expected"),
    [
        pytest.param("/sub", {"Host": "h:81"}, "http://h:81/sub/", id="http"),
        pytest.param("/sub?a=%20", {"Host": "h"}, "http://h/sub/?a=%20", id="query"),
        pytest.param("/sub", {"Host": "h", "secure": True}, "https://h/sub/", id="https"),
        pytest.param(
            "/sub?\udcfcü %", {"Host": "h"}, "http://h/sub/?%FC%C3%BC%20%25", id="raw-query"
        ),
        pytest.param("/sub", {}, "/sub/", id="without-host"),
        pytest.param("/%C3%BCn%C3%AF", {"Host": "h"}, "http://h/%C3%BCn%C3%AF/", id="letters"),
    ],
)
def test_a_folder_without_slash(
    site: Path, target: str, more: dict[str, Any], expected: str
) -> None:
    """The response redirects to the absolute URL with a slash, and keeps the query."""
    answer, _ = ask(site, decode_path(target), target=target, **more)
    assert (answer.status, answer.headers["Location"]) == (301, expected)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(PermissionError(errno.EACCES, "no"), "401.3", id="not-allowed"),
        pytest.param(FileNotFoundError(errno.ENOENT, "gone"), "404", id="vanished"),
        pytest.param(OSError(errno.EIO, "Input/output error"), "500", id="broken"),
    ],
)
def test_files_that_cannot_be_opened(
    site: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, expected: str
) -> None:
    """Each failure becomes a response, never an exception."""

    def fails(*_: object) -> int:
        raise error

    monkeypatch.setattr(site_files.os, "open", fails)
    assert number(ask(site, "/a.txt")[0]) == expected


def test_a_folder_that_cannot_be_listed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The response is 401.3, as for a file."""

    def fails(*_: object) -> list[str]:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(site_files.os, "listdir", fails)
    assert number(ask(site, "/a.txt")[0]) == "401.3"


def test_a_file_that_was_swapped_for_another(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another file replaces it between lookup and opening, no byte of that one is sent."""
    real = os.open
    monkeypatch.setattr(
        site_files.os, "open", lambda path, flags: real(site.parent / "outside.txt", flags)
    )
    answer, body = ask(site, "/a.txt")
    assert number(answer) == "404"
    assert SECRET not in body
