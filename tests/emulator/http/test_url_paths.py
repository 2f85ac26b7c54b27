"""How paths are decoded and normalised, and which names lead to no file."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appsvc_runtime.emulator.http.url_paths import (
    BadPathError,
    decode_path,
    encode_path,
    is_file_name,
    is_web_config,
)
from appsvc_runtime.emulator.iis.request_filtering import refuse_path
from appsvc_runtime.emulator.iis.webconfig.model import RequestFiltering


@pytest.mark.parametrize(
    ("target", "path"),
    [
        pytest.param("/", "/", id="root"),
        pytest.param("/a/b?c/../d", "/a/b", id="query-left-out"),
        pytest.param("/a%20b", "/a b", id="blank"),
        pytest.param("/%c3%bc", "/ü", id="utf-8"),
        pytest.param("/%fc", "/ü", id="windows-1252"),
        pytest.param("/%80", "/€", id="windows-1252-only"),
        pytest.param("/%u00fc%uD55C", "/ü한", id="percent-u"),
        pytest.param("/ü", "/ü", id="unescaped"),
        pytest.param("/\udcc3\udcbc", "/ü", id="bytes-as-surrogates"),
        pytest.param("//a///b", "/a/b", id="slashes"),
        pytest.param("/./a/./b/.", "/a/b/", id="dots"),
        pytest.param("/a/../b", "/b", id="dot-dot"),
        pytest.param("/a/b/..", "/a/", id="dot-dot-at-the-end"),
        pytest.param("/a/..", "/", id="back-to-the-root"),
        pytest.param("/a/%2e%2E/b", "/b", id="escaped-dots"),
        pytest.param("/a%2fb", "/a/b", id="escaped-slash"),
        pytest.param(r"/a\b", "/a/b", id="backslash"),
        pytest.param("/a%5Cb", "/a/b", id="escaped-backslash"),
        pytest.param(r"/a\..\b", "/b", id="backslash-dots"),
        pytest.param("/a/%2e%2e%5cb", "/b", id="all-of-it"),
        pytest.param("/a/", "/a/", id="slash-stays"),
        pytest.param("/%2541", "/%41", id="once-only"),
        pytest.param("/...", "/...", id="three-dots"),
        pytest.param("http://host:80/a?b", "/a", id="absolute-form"),
        pytest.param("http://host", "/", id="absolute-form-without-path"),
        pytest.param("http://host?b", "/", id="absolute-form-with-query"),
    ],
)
def test_paths_are_decoded(target: str, path: str) -> None:
    """They are decoded once, and all that http.sys resolves is resolved."""
    assert decode_path(target) == path


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("", id="empty"),
        pytest.param("a", id="no-slash"),
        pytest.param("*", id="asterisk"),
        pytest.param("host:443", id="authority"),
        pytest.param("/..", id="above"),
        pytest.param("/a/../../b", id="above-later"),
        pytest.param("/%2e%2e/b", id="above-escaped"),
        pytest.param("/..%5cb", id="above-backslash"),
        pytest.param("/%", id="lone-percent"),
        pytest.param("/%2", id="half-escape"),
        pytest.param("/%2g", id="no-hexadecimal"),
        pytest.param("/%u12", id="half-percent-u"),
        pytest.param("/%u002e%u002e/x", id="above-percent-u"),
        pytest.param("/%00", id="nul"),
        pytest.param("/a%0d%0ab", id="line-end"),
        pytest.param("/%7f", id="delete"),
        pytest.param("/%c2%81", id="c1-control"),
        pytest.param("/%81", id="hole-of-windows-1252"),
        pytest.param("/%ud800", id="surrogate"),
        pytest.param("/%ed%a0%80", id="surrogate-in-utf-8"),
        pytest.param("/\ud800", id="surrogate-plain"),
        pytest.param("/" + "a" * 261, id="long-segment"),
        pytest.param("/a" * 256, id="many-segments"),
    ],
)
def test_paths_that_http_sys_refuses(target: str) -> None:
    """The error is one sentence with the reason."""
    with pytest.raises(BadPathError, match=r"\.$"):
        decode_path(target)


def test_overlong_utf_8_is_no_slash_and_no_dot() -> None:
    """Invalid UTF-8 is decoded byte by byte, and never as the character that it imitates."""
    assert decode_path("/%c0%ae%c0%ae/x") == "/À®À®/x"
    assert decode_path("/a%c0%afb") == "/aÀ¯b"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("CON", id="device"),
        pytest.param("nul.txt", id="device-with-extension"),
        pytest.param("com1", id="port"),
        pytest.param("LPT\u00b9.x", id="superscript-port"),
        pytest.param("a.", id="dot"),
        pytest.param("a ", id="blank"),
        pytest.param("...", id="dots"),
        pytest.param("", id="empty"),
        pytest.param("a::$DATA", id="stream"),
        pytest.param("a:b", id="colon"),
        pytest.param("a*", id="wildcard"),
        pytest.param("a|b", id="bar"),
        pytest.param("a\x00", id="nul"),
        pytest.param("a/b", id="slash"),
        pytest.param("a\\b", id="backslash"),
    ],
)
def test_what_is_no_name_of_a_file(name: str) -> None:
    """Windows would open another file, or none."""
    assert not is_file_name(name)


@pytest.mark.parametrize(
    "name", ["a", "a.b", ".env", "console", "com10", "com", "nullable.txt", "a b", "ü", "~1"]
)
def test_what_is_a_name_of_a_file(name: str) -> None:
    """Ordinary names, and names that only resemble devices."""
    assert is_file_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "web.config", "WEB.CONFIG", "Web.Config.", "web.config ", "web.config. .", "WEB~1.CON",
        "web~2.con", "WEBA1B2~1.CON", "web.config::$DATA", "web.config:x", "\uff57eb.config",
        "web.conﬁg", "we\u200bb.config",
    ],
)  # fmt: skip
def test_spellings_of_web_config(name: str) -> None:
    """Each is refused, whatever a file system would make of it."""
    assert is_web_config(name)
    assert refuse_path(RequestFiltering(), f"/sub/{name}/x") is not None


@pytest.mark.parametrize("name", ["web.configs", "aweb.config", "web", "web.con", "webconfig", ""])
def test_names_that_are_not_web_config(name: str) -> None:
    """They only resemble it."""
    assert not is_web_config(name)


PIECES = st.sampled_from(
    [".", "..", "/", "\\", "%2e", "%2E", "%2f", "%5c", "%5C", "%00", "%25", "%c0%ae", "%u002e", "a"]
) | st.text(max_size=3)


@example("/%2e%2e%2f")
@example("/..%255c..")
@given(st.lists(PIECES, max_size=12).map(lambda pieces: "/" + "".join(pieces)))
def test_a_decoded_path_is_clean(target: str) -> None:
    """Whatever the input is: no dots, backslashes or controls; encoded, it decodes to itself."""
    try:
        path = decode_path(target)
    except BadPathError:
        return
    assert path.startswith("/")
    assert "//" not in path
    assert "\\" not in path
    assert not {".", ".."} & set(path.split("/"))
    assert not any(ord(letter) < 32 for letter in path)
    assert decode_path(encode_path(path)) == path
    assert encode_path(path).isascii()
