"""The text of an XML file, from its bytes: byte-order marks, UTF-16, declared 8-bit encodings.

Pure. Must not know of elements. Done here instead of in the XML parser, so that an encoding the
parser does not know is a finding with its name, and one that Python knows but no XML file can be in
(`rot13`, `unicode_escape`) is refused. Source: XML 1.0, appendix F.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Decoded", "decode"]

# What a declaration may say, and Python's name for it. Windows reads by code page all of these.
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
    """The text, None where it cannot be had, and what is wrong with it, "" for nothing.

    `line` is that of the first bad byte, from 1. With a text and a `problem` the file can be read,
    but Windows would read it in another way or refuse it.
    """

    text: str | None
    problem: str = ""
    line: int = 1


def decode(data: bytes) -> Decoded:
    """Read `data` by its byte-order mark, else by its declaration, else as UTF-8; never raises."""
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return Decoded(None, "The file is in UTF-32, which Windows' XML reader does not know.")
    codec, body = "", data
    for mark, name in _MARKS:
        if data.startswith(mark):
            codec, body = name, data[len(mark) :]
            break
    marked = bool(codec)
    if not codec and data.startswith(b"<\0"):
        codec = "utf-16-le"
    elif not codec and data.startswith(b"\0<"):
        codec = "utf-16-be"
    head = body[:400].decode(codec or "latin-1", "replace")
    found = _DECLARED.match(head)
    declared = found[2].lower() if found else ""
    problem = ""
    if codec.startswith("utf-16"):
        if declared and declared not in _WIDE:
            problem = f"The file is in UTF-16, and declares {declared}."
    elif declared in _WIDE:
        codec = "utf-8"
        problem = f"The file declares {declared}, and is not in UTF-16."
    elif marked:
        if declared and _CODECS.get(declared) != "utf-8":
            problem = f"The file begins with the mark of UTF-8, and declares {declared}."
    elif declared and declared not in _CODECS:
        return Decoded(None, f"The file declares the encoding {declared!r}, which is not known.")
    else:
        codec = _CODECS.get(declared, "utf-8")
    try:
        return Decoded(body.decode(codec), problem)
    except UnicodeDecodeError as error:
        line = body[: error.start].decode(codec, "ignore").count("\n") + 1
        byte = body[error.start]
        said = declared if declared and not problem else codec
        return Decoded(None, f"The byte 0x{byte:02X} in this line is not valid in {said}.", line)
