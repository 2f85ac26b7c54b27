"""The checker of words finds what it should, and all texts pass it, as CONTRIBUTING.md requires."""

from __future__ import annotations

import re

import pytest

from tests.support import words


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('"""The room."""\n', [1]),
        ('"""Text.\n\nTwo rooms\nand a door.\n"""\n', [3, 4]),
        ('def f():\n    """Give it."""\n', [2]),
        ('class A:\n    """Say\n    so."""\n', [2]),
        ('async def f():\n    """Giving is fine, and so is saying."""\n', []),
        ("x = 1  # for visitors\n", [1]),
        ("x = 1  # Azure's Front\n# Door, Front Doors\n", []),
        ('raise E("Azure Front Door sends it")\n', []),
        ("# Nobody is\n# believed here.\n", [1]),
        ("x = 1  # nobody is\n\nbelieved = 1  # here\n", []),
        ('raise E("Whoever asks")\n', [1]),
        ('raise E(\n    "What is not "\n    "believed is removed."\n)\n', [2]),
        ('x = f"the {door} is shut"\n', []),
        ('x = f"the door {x} is shut"\n', [1]),
        ('x = f"shut {x} " f"the {door} door"\n', [1]),
        ('x = {"room": door, "doors": 1}\n', []),
        ("headroom = mushrooms = recommend  # amended headroom\n", []),
        ("room = door(visitor=mend)\n", []),
    ],
)
def test_what_is_found_in_code(source: str, lines: list[int]) -> None:
    """Docstrings, comments and messages are checked; names, keys and longer words are not."""
    found = words.find("appsvc_runtime/x.py", source)
    assert [problem.line for problem in found] == lines


def test_of_a_test_only_docstrings_count() -> None:
    """Its strings may be data."""
    source = 'def test():\n    """Give it."""\n    x = "a door here"  # a room\n'
    assert [problem.line for problem in words.find("tests/x.py", source)] == [2]


def test_what_is_found_on_a_page() -> None:
    """The whole page is checked, also phrases that break over lines."""
    text = "# Give\n\nA `door`. There\nis none of it.\nMending, broom, rooms\n"
    assert [str(problem) for problem in words.find("docs/x.md", text)] == [
        "docs/x.md:3: 'door': write entry point",
        "docs/x.md:3: 'there is none of': write missing",
        "docs/x.md:5: 'mending': write fix",
        "docs/x.md:5: 'rooms': write module, package or space",
    ]


def test_all_texts_use_the_words_of_the_field() -> None:
    """Without an exception."""
    found = words.problems(words.files())
    assert not found, "\n".join(map(str, found))


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints the problems below the given paths, and exits with 1 if there are any."""
    assert words.main([str(words.ROOT / "tests/docs")]) == 0
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(words, "_PATTERNS", {re.compile("finds what"): "something else"})
    assert words.main([__file__]) == 1
    assert capsys.readouterr().out.startswith("tests/docs/test_words.py:1: 'finds what': write")
    with pytest.raises(SystemExit, match="2"):
        words.main(["no/such/file"])
