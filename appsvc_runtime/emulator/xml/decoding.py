"""The text of an XML file, from its bytes: byte-order marks, UTF-16, declared 8-bit encodings.

Pure. Must not know of elements. This is not left to the XML parser, so that an encoding that the
parser does not know becomes a finding with its name, and a Python codec that is no XML encoding
(`rot13`, `unicode_escape`) is refused. Source: XML 1.0, appendix F.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Decoded", "decode"]

# Encodings that a declaration may name, and Python's names. Windows reads all of them by code page.
_SINGLE = (
    [f"windows-{n}" for n in (874, *range(1250, 1259))]
    + [f"iso-8859-{n}" for n in (*range(1, 12), *range(13, 17))]
    + ["us-ascii", "ibm437", "ibm850", "ibm852", "ibm866", "koi8-r", "koi8-u", "macintosh"]
)
_SEVERAL = ["gb2312", "gbk", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr"]
_CODECS = {name: name for name in [*_SINGLE, *_SEVERAL]} | {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "ascii": "us-ascii",
    "latin1": "iso-8859-1",
    "macintosh": "mac-roman",
    "windows-874": "cp874",
}
_WIDE = ("utf-16", "utf-16le", "utf-16be", "unicode", "ucs-2", "iso-10646-ucs-2")
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_DECLARED = re.compile(r"<\?xml\b[^>]*?\sencoding\s*=\s*(['\"])([^'\"<>]{0,40})\1")


@dataclass(frozen=True)
class Decoded:
    """The text, or None if it cannot be decoded, and the problem, or "".

    `line` is that of the first bad byte, from 1. With both a text and a `problem`, the file can be
    read, but Windows would read it in another way or refuse it.
    """

    text: str | None
    problem: str = ""
    line: int = 1


def decode(data: bytes) -> Decoded:
    """Decode `data` by its byte-order mark, else its declaration, else as UTF-8; never raise."""
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return Decoded(None, "The file is in UTF-32, which Windows' XML reader does not know.")
    marked, body = _take_mark(data)
    seen = marked or _looks_like(body)
    found = _DECLARED.match(body[:400].decode(seen or "latin-1", "replace"))
    declared = found[2].lower() if found else ""
    codec, problem = _choose(seen, declared)
    if not codec:
        return Decoded(None, f"The file declares the unknown encoding {declared!r}.")
    try:
        return Decoded(body.decode(codec), problem)
    except UnicodeDecodeError as error:
        line = body[: error.start].decode(codec, "ignore").count("\n") + 1
        byte = body[error.start]
        said = declared if declared and not problem else codec
        return Decoded(None, f"The byte 0x{byte:02X} in this line is not valid in {said}.", line)


def _take_mark(data: bytes) -> tuple[str, bytes]:
    """Return the codec of a byte-order mark, or "", and the bytes after it."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name, data[len(mark) :]
    return "", data


def _looks_like(body: bytes) -> str:
    """Return the UTF-16 codec of an XML file without a mark, or "" if it is not UTF-16."""
    if body.startswith(b"<\0"):
        return "utf-16-le"
    return "utf-16-be" if body.startswith(b"\0<") else ""


def _choose(seen: str, declared: str) -> tuple[str, str]:
    """Return the codec to read with, "" if unknown, and the problem with it, or "".

    `seen` is the codec that the bytes show, or ""; `declared` is the encoding in the declaration.
    """
    if seen.startswith("utf-16"):
        is_other = declared and declared not in _WIDE
        return seen, f"The file is in UTF-16, but declares {declared}." if is_other else ""
    if declared in _WIDE:
        return "utf-8", f"The file declares {declared}, but is not in UTF-16."
    if seen:
        is_other = declared and _CODECS.get(declared) != "utf-8"
        wrong = f"The file starts with a UTF-8 byte-order mark, but declares {declared}."
        return seen, wrong if is_other else ""
    return _CODECS.get(declared or "utf-8", ""), ""
