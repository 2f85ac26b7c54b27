"""How the platform's programs read a setting that is on or off: each has its own spellings.

Pure: text in, True, False or None out. Which program reads which setting: `SWITCHES` in
`emulator/linux/booleans.py`.
"""

from __future__ import annotations

__all__ = ["is_bash_true", "is_kudu_true", "parse_dotnet", "parse_go"]

_GO = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
# What bool.TryParse trims: char.IsWhiteSpace below U+0100, and null characters.
_DOTNET_TRIMS = "\t\n\v\f\r \x85\xa0\0"


def parse_go(text: str) -> bool | None:
    """Return what Go's `strconv.ParseBool` makes of a text, or None if it is an error there."""
    return _GO.get(text)


def parse_dotnet(text: str) -> bool | None:
    """Return what .NET's `bool.TryParse` makes of a text, or None if it refuses it."""
    return {"true": True, "false": False}.get(text.strip(_DOTNET_TRIMS).lower())


def is_bash_true(text: str) -> bool:
    """Return whether a bash script that compares with `[ "$NAME" = "true" ]` sees true."""
    return text == "true"


def is_kudu_true(text: str) -> bool:
    """Return whether Kudu's `StringUtils.IsTrueLike` is true: `1`, or `true` in any case."""
    return text == "1" or text.lower() == "true"
