"""The port to listen on: which texts are accepted or refused, and the names in the errors."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appsvc_runtime.azure.ports import PLATFORM_SOURCES, choose_port, parse_port, with_port
from appsvc_runtime.errors import ConfigError

PORTS = frozenset(map(str, range(1, 65536)))

REFUSED = [
    pytest.param("%HTTP_PLATFORM_PORT%", id="not-expanded"),
    pytest.param("8_000", id="underscore"),
    pytest.param("+80", id="plus"),
    pytest.param("-1", id="minus"),
    pytest.param("٨٠٠٠", id="arabic-digits"),
    pytest.param("\uff18\uff10", id="full-width-digits"),
    pytest.param("²", id="superscript"),
    pytest.param("65536", id="one-too-many"),
    pytest.param("9" * 5000, id="longer-than-int-reads"),
    pytest.param(" 80", id="blank-before"),
    pytest.param("80\n", id="newline-after"),
    pytest.param("8000.0", id="fraction"),
    pytest.param("0x50", id="hexadecimal"),
    pytest.param("http", id="service-name"),
    pytest.param(" ", id="blank"),
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_port_is_refused_by_name(text: str) -> None:
    """The message says where the text came from; commands exit with 2.

    It shows a wrong number, but no other text from a variable: that may be a secret.
    """
    for source in (*PLATFORM_SOURCES, "--port"):
        argument, environ = (text, {}) if source == "--port" else (None, {source: text})
        with pytest.raises(ConfigError) as caught:
            choose_port(argument, environ)
        assert f"from {source} " in caught.value.message
        is_shown = source == "--port" or text.startswith("%") or not any(map(str.isalpha, text))
        assert (repr(text[:64]) in caught.value.message) is is_shown
        assert caught.value.exit_code == 2
        assert len(str(caught.value)) < 400


def test_empty_argument_is_refused() -> None:
    """`--port ""`, the result of an unset shell variable, does not count as no `--port`."""
    with pytest.raises(ConfigError, match="from --port is ''"):
        choose_port("", {"PORT": "80"})


def test_variable_that_was_not_expanded_says_who_expands_it() -> None:
    """Outside IIS, the text of web.config arrives unexpanded."""
    with pytest.raises(ConfigError) as caught:
        choose_port("%HTTP_PLATFORM_PORT%", {})
    assert "HttpPlatformHandler" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "port"),
    [
        pytest.param("1", 1, id="lowest"),
        pytest.param("80", 80, id="usual"),
        pytest.param("65535", 65535, id="highest"),
    ],
)
def test_ports_are_read(text: str, port: int) -> None:
    """Ports from 1 to 65535 are accepted, from the argument and from a variable."""
    assert choose_port(text, {}) == choose_port(None, {"PORT": text}) == port


ALL = {"HTTP_PLATFORM_PORT": "1001", "SERVER_PORT": "1002", "PORT": "1003"}


@pytest.mark.parametrize(
    ("argument", "without", "port"),
    [
        pytest.param("1000", (), 1000, id="argument"),
        pytest.param(None, (), 1001, id="HTTP_PLATFORM_PORT"),
        pytest.param(None, ("HTTP_PLATFORM_PORT",), 1002, id="SERVER_PORT"),
        pytest.param(None, ("HTTP_PLATFORM_PORT", "SERVER_PORT"), 1003, id="PORT"),
        pytest.param(None, tuple(ALL), 8000, id="default"),
    ],
)
@pytest.mark.parametrize("empty", [pytest.param(False, id="unset"), pytest.param(True, id="empty")])
def test_sources_in_their_order(
    argument: str | None, without: tuple[str, ...], port: int, empty: bool
) -> None:
    """The first variable that is set is used; an empty one counts as not set."""
    environ = {name: value for name, value in ALL.items() if name not in without}
    if empty:
        environ |= dict.fromkeys(without, "")
    assert choose_port(argument, environ) == port


def test_other_sources_are_not_read() -> None:
    """gunicorn's entry point reads only PORT: an invalid SERVER_PORT does not matter."""
    assert choose_port(None, {"SERVER_PORT": "no", "PORT": "81"}, ["PORT"]) == 81


def test_bad_source_is_not_passed_over() -> None:
    """The first variable that is set decides, even if only a later one is a port."""
    with pytest.raises(ConfigError, match="HTTP_PLATFORM_PORT"):
        choose_port(None, {"HTTP_PLATFORM_PORT": "x", "PORT": "80"})


def test_argument_of_zero_asks_for_a_free_port() -> None:
    """`--port 0` returns 0, whatever the variables are."""
    assert choose_port("0", {"PORT": "80"}) == 0


@pytest.mark.parametrize("name", PLATFORM_SOURCES)
def test_zero_in_a_variable_is_refused(name: str) -> None:
    """Only `--port` may ask for any port: a host looks at the one it said."""
    for text in ("0", "00", "00000"):
        with pytest.raises(ConfigError, match=f"from {name} "):
            choose_port(None, {name: text})


def test_an_address_with_a_port() -> None:
    """Brackets separate the colons of IPv6 from that of the port."""
    assert with_port("127.0.0.1", 80) == "127.0.0.1:80"
    assert with_port("::1", 80) == "[::1]:80"


@example("0")
@example("٨")
@given(st.text() | st.from_regex(r"[+ ]?[0-9_]{1,7}\n?", fullmatch=True))
def test_any_text_is_a_port_or_refused(text: str) -> None:
    """Any text is a port in range, or raises ConfigError."""
    try:
        port = parse_port(text, "PORT")
    except ConfigError:
        assert text not in PORTS
    else:
        assert 1 <= port <= 65535
        assert str(port) == text.lstrip("0")
