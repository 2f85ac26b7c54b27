"""A configuration's XML as a tree of elements with line numbers; errors become findings.

Takes bytes, returns elements and findings, never raises. Must not know what the elements mean. A
DOCTYPE is refused, with all that could come with it: entities, files from elsewhere. Character data
has no meaning in a web.config or in a cloud service's files, and is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.expatreader import DefusedExpatParser  # type: ignore[import-untyped]

from ...findings import Finding
from .decoding import decode
from .place import Place

__all__ = ["MAX_DEPTH", "MAX_SIZE", "Element", "read_tree"]

# IIS refuses larger files: the registry value MaxWebConfigFileSizeInKB, by default 250 (Microsoft's
# IIS support blog, "Web.config file maximum size and count", 2020).
MAX_SIZE = 250 * 1024
# IIS's own sections are 8 levels deep at most; a deeper file is not a web.config.
MAX_DEPTH = 64
_ROOT = "configuration"
_CLOSED = "The rest of the file is not read."


@dataclass
class Element:
    """One element: its name as written, attributes in their order, children, line from 1."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    line: int = 0


class _TooDeepError(Exception):
    """More levels than MAX_DEPTH."""


class _Builder(ContentHandler):
    """Builds elements from the parser's events."""

    def __init__(self, parser: Any) -> None:
        super().__init__()
        self.root: Element | None = None
        self._parser = parser
        self._open: list[Element] = []

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        element = Element(name, dict(attrs.items()), line=self._parser.getLineNumber() or 0)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        if len(self._open) >= MAX_DEPTH:
            raise _TooDeepError
        self._open.append(element)

    def endElement(self, name: str) -> None:  # noqa: N802
        self._open.pop()


def read_tree(
    data: bytes,
    file: str,
    *,
    root_name: str = _ROOT,
    reader: str = "IIS",
    prefixed: bool = False,
) -> tuple[Element | None, tuple[Finding, ...]]:
    """Parse `data`; findings name `file`, as it is shown, and the line.

    `root_name` is the required name of the root element; with `prefixed`, a prefix may precede it.
    `reader` is the program that reads such files on the platform.

    The element is None if that program could not read the file either: then at least one finding is
    an error. Codes: `too-large`, `empty`, `encoding`, `doctype`, `malformed`, `too-deep`,
    `wrong-root`.
    """

    def error(code: str, line: int, message: str, hint: str = "") -> Finding:
        return Finding(code, "error", str(Place(file, line)), message, hint)

    if len(data) > MAX_SIZE:
        size = f"{file} has {len(data):,} bytes; {reader} refuses more than {MAX_SIZE:,}."
        hint = "Move long lists, such as rewrite rules, out of it." if reader == "IIS" else ""
        return None, (error("too-large", 0, size, hint),)
    decoded = decode(data)
    findings: tuple[Finding, ...] = ()
    if decoded.problem:
        hint = "Save it as UTF-8, and declare UTF-8 or nothing."
        findings = (error("encoding", decoded.line, decoded.problem, hint),)
    if decoded.text is None:
        return None, findings
    root, failed = None, None
    if decoded.text.strip():
        root, failed = _parse(decoded.text, error)
        failed = failed or _wrong_root(root, root_name, error, prefixed=prefixed)
    else:
        failed = error("empty", 0, f"{file} is empty.", f"It needs <{root_name}>.")
    return (None, (*findings, failed)) if failed else (root, findings)


def _wrong_root(
    root: Element | None, wanted: str, error: Callable[[str, int, str], Finding], *, prefixed: bool
) -> Finding | None:
    """Return the finding for a root element of a wrong name, or None."""
    if root is None:
        return error("wrong-root", 0, f"There is no root element: it must be <{wanted}>.")
    if (_local(root.name) if prefixed else root.name) == wanted:
        return None
    message = f"The root element is <{root.name[:40]}>, but must be <{wanted}>."
    return error("wrong-root", root.line, message)


def _parse(text: str, error: Any) -> tuple[Element | None, Finding | None]:
    """Return the root of `text`, or the finding that stopped the parser."""
    parser = DefusedExpatParser(forbid_dtd=True)
    builder = _Builder(parser)
    parser.setContentHandler(builder)
    try:
        parser.feed(text)
        parser.close()
    except DefusedXmlException:
        message = "The file has a DOCTYPE, which is refused."
        return None, error("doctype", _line(parser), message, "Remove <!DOCTYPE …>.")
    except _TooDeepError:
        message = f"Elements are nested more than {MAX_DEPTH} levels deep."
        return None, error("too-deep", _line(parser), message, _CLOSED)
    except Exception as failure:
        # SAXParseException, and whatever else a parser may raise for a malformed file.
        get_message = getattr(failure, "getMessage", None)
        reason = get_message() if get_message else type(failure).__name__
        get_line = getattr(failure, "getLineNumber", None)
        line = (get_line() if get_line else None) or _line(parser)
        return None, error(
            "malformed", line, f"The file is not well-formed XML: {reason}.", _CLOSED
        )
    finally:
        # The parser and its handlers refer to each other: free them without the garbage collector.
        parser.setContentHandler(ContentHandler())
    return builder.root, None


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _line(parser: Any) -> int:
    return int(parser.getLineNumber() or 0)
