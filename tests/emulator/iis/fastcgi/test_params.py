"""A request as the parameters that IIS sends to a FastCGI process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from appsvc_runtime.emulator.http.messages import Request
from appsvc_runtime.emulator.iis.fastcgi.params import make_params, site_params
from appsvc_runtime.emulator.iis.fastcgi.protocol import encode_params

FOLDER = Path("/srv/site")


def made(target: str = "/", headers: list[tuple[str, str]] | None = None, **more: object) -> dict[
    str, str
]:  # fmt: skip
    """Return the parameters of a request."""
    fields = CIMultiDict([("Host", "www.example.com"), *(headers or [])])
    request = Request("GET", target, fields)
    for name in ("method", "length", "secure", "client", "client_port"):
        if name in more:
            setattr(request, name, more.pop(name))
    return make_params(request, FOLDER, **more)  # type: ignore[arg-type]


def test_what_every_request_of_a_site_has() -> None:
    """The folder ends with a separator, on which wfastcgi and others rely."""
    params = site_params(FOLDER)
    assert params["APPL_PHYSICAL_PATH"] == os.path.join(FOLDER, "")
    assert params["SERVER_SOFTWARE"] == "Microsoft-IIS/10.0"
    assert params["SERVER_PROTOCOL"] == "HTTP/1.1"
    assert params["GATEWAY_INTERFACE"] == "CGI/1.1"
    assert params["INSTANCE_ID"] == "1"
    assert params["AUTH_USER"] == params["REMOTE_USER"] == ""
    assert not set(params) & set(made())


def test_a_plain_request() -> None:
    """PATH_INFO and SCRIPT_NAME hold the whole path, decoded; REQUEST_URI is as it was sent."""
    params = made("/a%20b/%C3%A9?x=%20&y", client="198.51.100.7", client_port=50123)
    assert params["PATH_INFO"] == params["SCRIPT_NAME"] == params["URL"] == "/a b/Ã©"
    assert params["QUERY_STRING"] == "x=%20&y"
    assert params["REQUEST_URI"] == "/a%20b/%C3%A9?x=%20&y"
    assert params["REQUEST_METHOD"] == "GET"
    assert (params["SERVER_NAME"], params["SERVER_PORT"]) == ("www.example.com", "80")
    assert (params["HTTPS"], params["SERVER_PORT_SECURE"]) == ("off", "0")
    assert params["REMOTE_ADDR"] == params["REMOTE_HOST"] == "198.51.100.7"
    assert params["REMOTE_PORT"] == "50123"
    assert params["HTTP_HOST"] == "www.example.com"


def test_https() -> None:
    """wfastcgi takes the scheme from HTTPS only."""
    params = made(secure=True)
    assert (params["HTTPS"], params["SERVER_PORT"]) == ("on", "443")
    assert params["SERVER_PORT_SECURE"] == "1"


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        ("example.com:8080", "example.com", "8080"),
        ("[::1]:8080", "[::1]", "8080"),
        ("[::1]", "[::1]", "80"),
        ("::1", "::1", "80"),
        ("example.com:", "example.com:", "80"),
        ("example.com:x", "example.com:x", "80"),
        ("", "", "80"),
    ],
)
def test_the_host(host: str, name: str, port: str) -> None:
    """Its port is the server's port, if it has one."""
    request = Request("GET", "/", CIMultiDict({"Host": host}))
    params = make_params(request, FOLDER)
    assert (params["SERVER_NAME"], params["SERVER_PORT"]) == (name, port)


def test_headers_of_one_name_are_joined() -> None:
    """http.sys joins them the same way: cookies with a semicolon."""
    params = made(
        headers=[
            ("Accept", "a"), ("X-Thing", "1"), ("accept", "b"), ("Cookie", "a=1"),
            ("Cookie", "b=2"), ("X_Thing", "2"), ("X-Ünit", "é"),
        ]
    )  # fmt: skip
    assert params["HTTP_ACCEPT"] == "a, b"
    assert params["HTTP_COOKIE"] == "a=1; b=2"
    assert params["HTTP_X_THING"] == "1, 2"
    assert "é".encode().decode("latin-1") in params.values()


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        pytest.param(0, {"CONTENT_LENGTH": "0", "HTTP_CONTENT_LENGTH": "0"}, id="none"),
        pytest.param(7, {"CONTENT_LENGTH": "7", "HTTP_CONTENT_LENGTH": "7"}, id="known"),
        pytest.param(
            None, {"CONTENT_LENGTH": "-1", "HTTP_TRANSFER_ENCODING": "chunked"}, id="chunked"
        ),
    ],
)
def test_the_length_of_the_body(length: int | None, expected: dict[str, str]) -> None:
    """A client cannot override it with a header whose name has an underscore."""
    params = made(length=length, headers=[("Content_Length", "9"), ("Content-Type", "text/x")])
    told = {
        name: value
        for name, value in params.items()
        if name.endswith(("CONTENT_LENGTH", "TRANSFER_ENCODING"))
    }
    assert told == expected
    assert params["CONTENT_TYPE"] == params["HTTP_CONTENT_TYPE"] == "text/x"
    assert made()["CONTENT_TYPE"] == ""


def test_a_script_of_its_own() -> None:
    """The rest of the path stays in PATH_INFO, together with the script."""
    params = made("/h.fcgi/x%20y", path="/h.fcgi/x y", script="/h.fcgi")
    assert (params["SCRIPT_NAME"], params["PATH_INFO"]) == ("/h.fcgi", "/h.fcgi/x y")
    assert params["SCRIPT_FILENAME"] == f"{FOLDER}{os.sep}h.fcgi"
    params = made("/h.fcgi/é", path="/h.fcgi/é", script="/h.fcgi")
    assert params["PATH_INFO"] == "/h.fcgi/Ã©"


@pytest.mark.parametrize("name", ["é", "żółć", "日本", "a b"])
def test_folders_in_any_language(name: str) -> None:
    """Every folder can be sent; wfastcgi_child.py gets those that are not Latin-1 in an option."""
    params = site_params(Path("/srv") / name)
    assert encode_params(params)
    assert params["APPL_PHYSICAL_PATH"].startswith(os.path.join("/srv", "")[:4])


@settings(max_examples=60)
@given(
    st.text(st.characters(exclude_categories=[]), max_size=20),
    st.lists(st.tuples(st.text(max_size=5), st.text(st.characters(exclude_categories=[])))),
)
def test_anything_can_be_sent(path: str, headers: list[tuple[str, str]]) -> None:
    """Every request that the front end passes on becomes parameters that can be written."""
    assert encode_params(made("/" + path, headers=headers))


def test_an_application_below_the_root() -> None:
    """IIS names it in APPL_MD_PATH; paths are whole, and files are those of its folder."""
    folder = FOLDER.parent / "shop"
    params = site_params(folder, "/shop", FOLDER)
    assert params["APPL_MD_PATH"] == "/LM/W3SVC/1/ROOT/shop"
    assert params["APPL_PHYSICAL_PATH"] == os.path.join(folder, "")
    assert params["DOCUMENT_ROOT"] == str(FOLDER)
    request = Request("GET", "/Shop/a/b?c", CIMultiDict(Host="www.example.com"))
    params = make_params(request, folder, path="/Shop/a/b", script="/Shop/a", above=len("/Shop"))
    assert params["PATH_INFO"] == params["URL"] == "/Shop/a/b"
    assert params["SCRIPT_NAME"] == "/Shop/a"
    assert params["SCRIPT_FILENAME"] == params["PATH_TRANSLATED"] == os.path.join(folder, "a")
