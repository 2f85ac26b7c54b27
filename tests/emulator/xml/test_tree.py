"""web.config's XML: encodings, lines, and what IIS cannot read either."""

from __future__ import annotations

import codecs

import pytest

from appsvc_runtime.emulator.xml.tree import MAX_DEPTH, MAX_SIZE, Element, read_tree
from appsvc_runtime.findings import Finding
from tests.support.configs import walk

TEXT = '<configuration>\n  <!-- é -->\n  <appSettings>\n    <add key="é€" value="1"/>\n'
TEXT += "  </appSettings>\n</configuration>\n"


def declared(encoding: str) -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?>\n{TEXT}'


def read(data: bytes | str) -> Element:
    """Parse valid data, without a finding."""
    root, findings = read_tree(data.encode() if isinstance(data, str) else data, "web.config")
    assert findings == ()
    assert root is not None
    return root


def refused(data: bytes | str) -> Finding:
    """Return the only finding for invalid data."""
    root, findings = read_tree(data.encode() if isinstance(data, str) else data, "web.config")
    assert root is None
    assert len(findings) == 1
    assert findings[0].level == "error"
    return findings[0]


def test_elements_have_attributes_children_and_lines() -> None:
    """Attributes keep their order, elements their line; character data is dropped."""
    root = read('<configuration b="1" a="2">\ntext<x/>\n<y\n z="3"><w/></y></configuration>')
    assert list(root.attributes.items()) == [("b", "1"), ("a", "2")]
    assert [(each.name, each.line) for each in walk(root)] == [
        ("configuration", 1),
        ("x", 2),
        ("y", 3),
        ("w", 4),
    ]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(TEXT.encode(), id="utf-8"),
        pytest.param(codecs.BOM_UTF8 + TEXT.encode(), id="utf-8-marked"),
        pytest.param(declared("utf-8").encode(), id="utf-8-declared"),
        pytest.param(codecs.BOM_UTF8 + declared("UTF-8").encode(), id="utf-8-marked-declared"),
        pytest.param(codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), id="utf-16-le"),
        pytest.param(codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), id="utf-16-be"),
        pytest.param(declared("utf-16").encode("utf-16"), id="utf-16-marked-declared"),
        pytest.param(declared("UTF-16").encode("utf-16-be"), id="utf-16-be-declared-unmarked"),
        pytest.param(declared("unicode").encode("utf-16-le"), id="unicode"),
        pytest.param(declared("windows-1252").encode("cp1252"), id="windows-1252"),
        pytest.param(declared("Windows-1252").encode("cp1252"), id="in-capitals"),
        pytest.param(declared("windows-1252").replace('"', "'").encode("cp1252"), id="quotes"),
        pytest.param(declared("iso-8859-15").encode("iso-8859-15"), id="iso-8859-15"),
        pytest.param(declared("gb18030").encode("gb18030"), id="several-bytes"),
        pytest.param(TEXT.replace("\n", "\r\n").encode(), id="windows-lines"),
    ],
)
def test_encodings_are_read(data: bytes) -> None:
    """The encoding comes from mark or declaration; the text is the same."""
    (add,) = (each for each in walk(read(data)) if each.name == "add")
    assert add.attributes == {"key": "é€", "value": "1"}


@pytest.mark.parametrize(
    ("data", "part"),
    [
        pytest.param(declared("utf-16").encode(), "declares utf-16", id="said-utf-16-is-utf-8"),
        pytest.param(declared("utf-8").encode("utf-16"), "in UTF-16, but", id="said-utf-8-is-16"),
        pytest.param(
            codecs.BOM_UTF8 + declared("windows-1252").encode(),
            "a UTF-8 byte-order mark",
            id="mark-and-8-bit",
        ),
    ],
)
def test_contradictions_are_read_and_said(data: bytes, part: str) -> None:
    """The bytes decide, and Windows' own reader would refuse the file."""
    root, findings = read_tree(data, "web.config")
    assert root is not None
    assert [(each.code, each.level) for each in findings] == [("encoding", "error")]
    assert part in findings[0].message


@pytest.mark.parametrize(
    ("data", "code", "where", "part"),
    [
        pytest.param("", "empty", "web.config", "empty", id="empty"),
        pytest.param(" \r\n\t", "empty", "web.config", "empty", id="blank"),
        pytest.param(codecs.BOM_UTF8, "empty", "web.config", "empty", id="mark-alone"),
        pytest.param("<configuration>", "malformed", "web.config:1", "no element", id="cut"),
        pytest.param(
            "<configuration>\n<a></b></configuration>", "malformed", "web.config:2",
            "mismatched", id="mismatched",
        ),
        pytest.param(
            "<configuration>\n\n<a b='1' b='2'/></configuration>", "malformed", "web.config:3",
            "duplicate attribute", id="attribute-twice",
        ),
        pytest.param(
            "<configuration>&nbsp;</configuration>", "malformed", "web.config:1",
            "undefined entity", id="entity-of-html",
        ),
        pytest.param(
            "\n<?xml version='1.0'?><configuration/>", "malformed", "web.config:2",
            "not at start", id="line-before-declaration",
        ),
        pytest.param(
            "<configuration a='<'/>", "malformed", "web.config:1", "not well-formed", id="bracket"
        ),
        pytest.param(
            "<configuration/>\n<configuration/>", "malformed", "web.config:2", "junk", id="roots"
        ),
        pytest.param("key=value", "malformed", "web.config:1", "not well-formed", id="no-xml"),
        pytest.param("<configuration>\0", "malformed", "web.config:1", "not well", id="zero-byte"),
        pytest.param(
            "<!DOCTYPE configuration>\n<configuration/>", "doctype", "web.config:1", "DOCTYPE",
            id="doctype",
        ),
        pytest.param(
            '<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY b "c">]>\n<configuration>&b;'
            "</configuration>",
            "doctype", "web.config:2", "DOCTYPE", id="entities",
        ),
        pytest.param(
            '<!DOCTYPE a SYSTEM "file:///etc/passwd"><configuration/>', "doctype", "web.config:1",
            "DOCTYPE", id="external",
        ),
        pytest.param("<config/>", "wrong-root", "web.config:1", "<config>", id="other-root"),
        pytest.param("<Configuration/>", "wrong-root", "web.config:1", "<Conf", id="case-of-root"),
        pytest.param(
            b"<configuration>\n<a b='\xff'/></configuration>", "encoding", "web.config:2", "0xFF",
            id="byte-not-of-utf-8",
        ),
        pytest.param(
            declared("windows-1252").encode("cp1252").replace(b"\xe9", b"\x81"), "encoding",
            "web.config:3", "0x81", id="byte-not-of-windows-1252",
        ),
        pytest.param(
            declared("rot13").encode(), "encoding", "web.config:1", "'rot13'", id="python-only"
        ),
        pytest.param(declared("x-no").encode(), "encoding", "web.config:1", "'x-no'", id="unknown"),
        pytest.param(TEXT.encode("utf-32"), "encoding", "web.config:1", "UTF-32", id="utf-32"),
        pytest.param(
            codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le") + b"\x00", "encoding", "web.config:7",
            "0x00", id="half-a-character",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_finding(
    data: bytes | str, code: str, where: str, part: str
) -> None:
    """It has a code, file and line; no exception is raised."""
    found = refused(data)
    assert (found.code, found.where) == (code, where)
    assert part in found.message


@pytest.mark.parametrize("extra", [pytest.param(0, id="at"), pytest.param(1, id="over")])
def test_size_is_bounded_as_by_iis(extra: int) -> None:
    """250 KB are read, a byte more is not."""
    text = "<configuration>" + "</configuration>".rjust(MAX_SIZE - 15 + extra)
    root, findings = read_tree(text.encode(), "web.config")
    assert (root is None) == bool(extra)
    assert [each.code for each in findings] == ["too-large"] * extra


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 40_000])
def test_depth_is_bounded(depth: int) -> None:
    """However deep a file is nested, nothing recurses that deep."""
    text = "<configuration>" + "\n<a>" * (depth - 1) + "</a>" * (depth - 1) + "</configuration>"
    root, findings = read_tree(text.encode()[:MAX_SIZE], "web.config")
    assert (root is None) == (depth > MAX_DEPTH)
    assert [(each.code, each.where) for each in findings] == (
        [("too-deep", f"web.config:{MAX_DEPTH + 1}")] if root is None else []
    )


def test_namespaces_are_plain_names() -> None:
    """Prefixes need no declaration, because transforms leave them behind."""
    root = read(
        '<configuration xmlns="urn:a" xmlns:xdt="urn:b"><x xdt:Transform="Insert" y:z="1"/>'
        "<q:w/></configuration>"
    )
    assert [each.name for each in walk(root)] == ["configuration", "x", "q:w"]
    assert root.children[0].attributes == {"xdt:Transform": "Insert", "y:z": "1"}
