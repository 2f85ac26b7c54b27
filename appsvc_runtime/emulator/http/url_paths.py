"""The path of a request, decoded and cleaned as http.sys does it before IIS sees it.

Pure: text in, text out. Must not know of files, configuration or the resource at a path. Sources:
the Http.sys registry settings (KB 820129) for which paths are refused and how they are decoded;
"Naming Files, Paths, and Namespaces" of the Windows documentation for invalid file names.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import quote

__all__ = [
    "BadPathError",
    "clean_url",
    "decode_path",
    "encode_path",
    "is_file_name",
    "is_web_config",
    "split_target",
    "windows_name",
]

# UrlSegmentMaxLength and UrlSegmentMaxCount as they are by default.
MAX_SEGMENT = 260
MAX_SEGMENTS = 255

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_IN_URLS = "/:?[]@!$&'()*+,;=-._~%"
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%(?:u([0-9A-Fa-f]{4})|([0-9A-Fa-f]{2}))")
# AllowRestrictedChars is off by default: these are refused, escaped or not, as are surrogates and
# noncharacters.
_RESTRICTED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_NO_NAME = re.compile(r'[<>:"|?*\x00-\x1f/\\]')
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])[ ]*(?:\..*)?",
    re.IGNORECASE | re.DOTALL,
)


class BadPathError(ValueError):
    """A request target that http.sys refuses with 400 before IIS sees it; the message says why."""


def split_target(target: str) -> tuple[str, str]:
    """Return path and query of a request target, undecoded: `/a` and `b` of `http://host/a?b`.

    A fragment, which is invalid in a target, is not removed.
    """
    if not target.startswith("/"):
        absolute = _ABSOLUTE.match(target)
        if absolute:
            target = target[absolute.end() :]
            if not target.startswith("/"):
                target = "/" + target
    path, _, query = target.partition("?")
    return path, query


@lru_cache(256)
def decode_path(target: str) -> str:
    r"""Return the path of a request target as IIS sees it: `/a/b`, decoded once.

    Backslashes become slashes, several slashes become one, and `.` and `..` are resolved, escaped
    or not. Bytes that are not UTF-8 are read as windows-1252 (EnableNonUTF8), and `%u0041` is
    decoded like `%41` (PercentUAllowed). A slash at the end stays. Raises BadPathError for paths
    that http.sys refuses: `..` past the root, malformed escapes, restricted characters, segments
    too long or too many.
    """
    path, _ = split_target(target)
    if not path.startswith("/"):
        raise BadPathError("The path does not begin with a slash.")
    path = _unescape(path)
    if _RESTRICTED.search(path):
        raise BadPathError("The path holds a control character, a surrogate or a noncharacter.")
    return _resolve(path.replace("\\", "/"))


def encode_path(path: str) -> str:
    """Return a decoded path escaped for a URL: `%`, and the UTF-8 of characters beyond ASCII."""
    return quote(path, safe="/!$&'()*+,;=:@~", errors="replace")


def clean_url(url: str, *, keep: str = "#") -> str:
    """Return a URL, or part of one, with the characters escaped that it may not hold.

    Those are blanks, controls, characters beyond ASCII and the like. Valid escapes stay; a percent
    sign without two hex digits is escaped, and so is a hash unless `keep` has it. The result is
    safe in a header or a request line.
    """
    try:
        raw = url.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = url.encode("utf-8", "replace")
    return _STRAY_PERCENT.sub("%25", quote(raw, safe=_IN_URLS + keep))


def windows_name(segment: str) -> str:
    """Return the name that Windows would look up: without dots and blanks at its end."""
    return segment.rstrip(". ")


def is_file_name(segment: str) -> bool:
    r"""Return whether Windows would use a segment unchanged as the name of a file or folder.

    It would not for devices (`NUL`, `con.txt`), streams (`a.txt::$DATA`), wildcards, and names with
    dots or blanks at the end, which it would drop.
    """
    return (
        bool(segment)
        and windows_name(segment) == segment
        and not _NO_NAME.search(segment)
        and not _DEVICE.fullmatch(segment)
    )


def is_web_config(segment: str) -> bool:
    """Return whether a segment means web.config on some system, in any case or Unicode spelling.

    Dots, blanks and a stream after the name are ignored; `WEB~1.CON` is its short name.
    """
    name = unicodedata.normalize("NFKC", segment).casefold()
    name = windows_name(name.partition(":")[0])
    name = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    return name == "web.config" or bool(re.fullmatch(r"web(?:[0-9a-f]{4})?~\d+\.con", name))


def _unescape(path: str) -> str:
    """Decode the escapes of a path, once. Raises BadPathError."""
    if "%" not in path and path.isascii():
        return path
    pieces: list[bytes] = []
    at = 0
    while at < len(path):
        if path[at] == "%":
            escape = _ESCAPE.match(path, at)
            if escape is None:
                raise BadPathError("The path has a percent sign without two hex digits.")
            wide, byte = escape.groups()
            if wide:
                pieces.append(chr(int(wide, 16)).encode("utf-8", "surrogatepass"))
            else:
                pieces.append(bytes([int(byte, 16)]))
            at = escape.end()
        else:
            end = path.find("%", at)
            end = len(path) if end < 0 else end
            try:  # bytes that came unescaped over the wire are surrogate escapes
                pieces.append(path[at:end].encode("utf-8", "surrogateescape"))
            except UnicodeEncodeError:
                raise BadPathError("The path holds a surrogate, which is no character.") from None
            at = end
    raw = b"".join(pieces)
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return "".join(
            bytes([byte]).decode("windows-1252", "replace") if byte > 127 else chr(byte)
            for byte in raw
        ).replace("\ufffd", "\x81")  # bytes undefined in windows-1252 are C1 controls: refused


def _resolve(path: str) -> str:
    """Resolve `.`, `..` and repeated slashes in a decoded path that has only forward slashes."""
    segments: list[str] = []
    pieces = path.split("/")
    for piece in pieces:
        if piece == "..":
            if not segments:
                raise BadPathError("The path leads above the site's root.")
            segments.pop()
        elif piece not in ("", "."):
            if len(piece) > MAX_SEGMENT:
                raise BadPathError(f"The path has a segment of more than {MAX_SEGMENT} characters.")
            segments.append(piece)
    if len(segments) > MAX_SEGMENTS:
        raise BadPathError(f"The path has more than {MAX_SEGMENTS} segments.")
    end = "/" if segments and pieces[-1] in ("", ".", "..") else ""
    return "/" + "/".join(segments) + end
