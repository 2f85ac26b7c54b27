"""Words of PowerShell's command lines, and lines of its scripts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.emulator.roles.powershell import code_lines, split_words
from tests.support.processor_time import limit


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("py worker.py", ["py", "worker.py"]),
        ('  "my worker.py"  -v ', ["my worker.py", "-v"]),
        ('"worker.py" --queue orders', ["worker.py", "--queue", "orders"]),
        ("a'b c'\"d e\"f", ["ab cd ef"]),
        ("'it''s' \"a `\"b\"\"c`\"\"", ["it's", 'a "b"c"']),
        ("a` b", ["a b"]),
        ('"" \'\'', ["", ""]),
        (r"sub\worker.py D:\x", [r"sub\worker.py", r"D:\x"]),
        ("$env:KEY ${env:Key}x '$env:KEY' \"$env:KEY\"", ["s e", "s ex", "$env:KEY", "s e"]),
        ("w.py $env:NONE $other $(Get-Date)", ["w.py", "", "$other", "$(Get-Date)"]),
        ("w.py > log.txt", ["w.py"]),
        ("w.py 2>&1 | Out-File x", ["w.py"]),
        ("w.py *> x", ["w.py"]),
        ("w.py; exit 1", ["w.py"]),
        ("w.py # the worker", ["w.py"]),
        ("w.py a#b a2", ["w.py", "a#b", "a2"]),
        ('w.py "never closed', ["w.py"]),
        ("w.py `", ["w.py"]),
        ("", []),
        ("# all", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_words(command: str, expected: list[str]) -> None:
    """Quotes are removed, variables of the environment are replaced, the rest stays."""
    assert split_words(command, {"key": "s e"}) == expected


def test_words_as_they_are_written() -> None:
    """Without variables they stay: their values may be secrets."""
    assert split_words('w.py $env:KEY "${env:KEY}"', None) == ["w.py", "$env:KEY", "${env:KEY}"]


def test_lines_of_code() -> None:
    """Comments and empty lines are left out."""
    script = "<# a\nb #>\r\n# c\r\n\r\n  cd ..\r\n  py w.py # d\r\n<# never closed\npy x.py"
    assert code_lines(script) == ["cd ..", "py w.py # d"]


@pytest.mark.parametrize(
    "text", ["'" * 200_001, '"`' * 100_000, "a" * 200_000, "$env:" * 40_000, " " * 200_000,
             "`" * 200_001],
    ids=lambda text: text[:4],
)  # fmt: skip
def test_long_texts(text: str) -> None:
    """None takes the square of its length."""
    with limit(text):
        split_words(text, {})
        code_lines(text)


@given(command=st.text(st.sampled_from("py \"'`$env:K{};|<>#2*\n"), max_size=40))
def test_any_text(command: str) -> None:
    """Any text is read."""
    assert all(isinstance(word, str) for word in split_words(command, {"K": "v"}))
