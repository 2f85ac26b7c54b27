"""The table of `APPSVC_*` settings: its parsers, its precedence, and its completeness."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import appsvc_runtime
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.launcher.options import WORKER_OPTIONS
from appsvc_runtime.settings import option_parsers
from appsvc_runtime.settings.options import OPTIONS, Option, resolve

SOURCES = sorted(Path(appsvc_runtime.__file__).parent.rglob("*.py"))
NAME = re.compile(r"\bAPPSVC_[A-Z][A-Z_]*")
# The platform's own variable of that prefix, and what one process hands another: no settings.
PLATFORM_NAMES = {"APPSVC_VIRTUAL_ENV", "APPSVC_TREE", "APPSVC_STOP_FILE", "APPSVC_WORKER_"}
PLATFORM_NAMES |= {"APPSVC_LAUNCH_PLAN", "APPSVC_AGENTS_MOVED"}
ALL = {**OPTIONS, **WORKER_OPTIONS}

Parser = Callable[[str], Any]


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        *(
            pytest.param(option_parsers.parse_bool, text, True, id=f"bool-{text.strip()}")
            for text in ("1", "true", "TRUE", "yes", "On", " true\n")
        ),
        *(
            pytest.param(option_parsers.parse_bool, text, False, id=f"bool-{text.strip()}")
            for text in ("0", "false", "False", "no", "OFF", " 0 ")
        ),
        pytest.param(option_parsers.parse_count, "1", 1, id="count-lowest"),
        pytest.param(option_parsers.parse_count, "999999999", 999_999_999, id="count-highest"),
        pytest.param(option_parsers.parse_seconds, "0", 0, id="seconds-none"),
        pytest.param(option_parsers.parse_seconds, "31536000", 31_536_000, id="seconds-a-year"),
        pytest.param(
            option_parsers.parse_header_name, " X-Original-Host ", "X-Original-Host", id="name"
        ),
        pytest.param(option_parsers.parse_text, " a b\n", "a b", id="text"),
    ],
)
def test_parsers_read(parser: Parser, text: str, value: object) -> None:
    """Each parser returns a value of its own type."""
    found = parser(text)
    assert found == value
    assert type(found) is type(value)


NO_NUMBERS = ("", " 8", "8\n", "8_000", "+8", "-1", "٨", "²", "1.0", "1e3", "1" * 10, "9" * 5000)


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        *(
            pytest.param(option_parsers.parse_bool, text, id=f"bool-{text!r}")
            for text in ("", "2", "y", "t", "enabled", "true false", "\u0661")
        ),
        *(
            pytest.param(option_parsers.parse_count, text, id=f"count-{text[:9]!a}")
            for text in NO_NUMBERS
        ),
        *(
            pytest.param(option_parsers.parse_seconds, text, id=f"seconds-{text[:9]!a}")
            for text in NO_NUMBERS
        ),
        pytest.param(option_parsers.parse_count, "0", id="count-zero"),
        pytest.param(option_parsers.parse_count, "000", id="count-zeros"),
        *(
            pytest.param(option_parsers.parse_header_name, text, id=f"name-{text!a}")
            for text in ("", "-", "X Host", "X_Host", "X:", "X-\n-Y", "Ünicode", "X\x00")
        ),
    ],
)
def test_parsers_refuse(parser: Parser, text: str) -> None:
    """Any other text is a ValueError with what was expected, and not the text."""
    with pytest.raises(ValueError, match=r"^expected ") as caught:
        parser(text)
    assert len(text) < 2 or text not in str(caught.value)


@given(st.text())
def test_parsers_give_a_value_or_a_value_error(text: str) -> None:
    """No text makes a parser raise another error."""
    for option in OPTIONS.values():
        try:
            option.parser(text)
        except ValueError as error:
            said = str(error)
        else:
            continue
        assert said.startswith("expected ")


@pytest.fixture
def option() -> Option:
    return Option("APPSVC_EXAMPLE", option_parsers.parse_seconds, 30, "An example.")


@pytest.mark.parametrize(
    ("argument", "environ", "value"),
    [
        pytest.param(1, {"APPSVC_EXAMPLE": "2"}, 1, id="argument-first"),
        pytest.param(0, {"APPSVC_EXAMPLE": "2"}, 0, id="false-argument-counts"),
        pytest.param(1, {"APPSVC_EXAMPLE": "bad"}, 1, id="variable-not-read-under-argument"),
        pytest.param(None, {"APPSVC_EXAMPLE": "2"}, 2, id="variable-second"),
        pytest.param(None, {"APPSVC_EXAMPLE": "0"}, 0, id="variable-of-zero-counts"),
        pytest.param(None, {"APPSVC_EXAMPLE": ""}, 30, id="empty-variable-is-not-set"),
        pytest.param(None, {"APPSVC_EXAMPLE": " \n"}, 30, id="blank-variable-is-not-set"),
        pytest.param(None, {"appsvc_example": "2"}, 30, id="default-last"),
    ],
)
def test_precedence(
    option: Option, argument: int | None, environ: dict[str, str], value: int
) -> None:
    """The order is argument, environment, default."""
    assert option.resolve(argument, environ) == value


@pytest.mark.parametrize(
    "name",
    [name for name, option in OPTIONS.items() if option.parser not in (option_parsers.parse_text,)],
)
def test_unusable_variable_is_named_and_its_value_is_not(name: str) -> None:
    """The value may be a secret in the wrong variable; commands exit with 2."""
    with pytest.raises(ConfigError) as caught:
        resolve(name, None, {name: "s3cret/p4ss"})
    assert name in caught.value.message
    assert "expected" in caught.value.message
    assert caught.value.hint
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", OPTIONS)
def test_default_is_what_no_variable_gives(name: str) -> None:
    """`resolve` returns each row's default, and each row has a sentence of help."""
    assert resolve(name, None, {}) == OPTIONS[name].default
    assert OPTIONS[name].name == name
    assert OPTIONS[name].help.endswith(".")


def names_in(path: Path, *, strings_only: bool) -> set[str]:
    """Return the settings that a source file names, in its string constants or anywhere."""
    text = path.read_text(encoding="utf-8")
    if not strings_only:
        return set(NAME.findall(text))
    strings = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    return {value for value in strings if isinstance(value, str) and NAME.fullmatch(value)}


def test_every_name_in_the_sources_is_in_the_table() -> None:
    """Code, comments and docstrings name no setting that does not exist."""
    named = {name: path for path in SOURCES for name in names_in(path, strings_only=False)}
    unknown = {name: path for name, path in named.items() if name not in ALL}
    assert not unknown.keys() - PLATFORM_NAMES, unknown


def test_every_setting_of_the_table_is_used() -> None:
    """A row that nothing reads would be help for nothing."""
    tables = {("settings", "options.py"), ("launcher", "options.py")}
    others = [path for path in SOURCES if (path.parent.name, path.name) not in tables]
    used = set().union(*(names_in(path, strings_only=True) for path in others))
    assert len(others) > 10
    assert set(ALL) <= used
