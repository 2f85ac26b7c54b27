"""The values that one element sets, read by its schema; a value that is not written is absent.

Takes an element and returns a node; findings go to the report. Must not know where a section is or
what it is for. Reading goes no deeper than the schema, however deeply the file is nested.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ....findings import Finding
from ...xml.place import Place
from ...xml.tree import Element
from .not_emulated import NotEmulated
from .schema import Attribute, Collection, Schema, Value, Wrong, read_value

__all__ = ["Entry", "Key", "Node", "Report", "read_node"]

Key = tuple[str, ...]
Word = Literal["add", "remove", "clear"]
# Attributes that any section may have; the emulator ignores all of them.
_LOCKS = frozenset(
    {"lockAttributes", "lockElements", "lockItem"}
    | {"lockAllAttributesExcept", "lockAllElementsExcept"}
    | {"configSource", "configProtectionProvider"}
)
_HINTS = {
    "configSource": "Put the section into the web.config itself.",
    "configProtectionProvider": "Only the Windows server that encrypted a section can read it.",
    "recycleOnFileChange": "It is an element, which lists files: "
    '<recycleOnFileChange><file path="app.py"/></recycleOnFileChange>.',
    "startupRetryCount": "Only version 1 of HttpPlatformHandler has it: leave it out.",
    "<handlerSettings>": "Version 2 of HttpPlatformHandler has it: --httpplatform-version 2.",
}


_NOWHERE = Place()


@dataclass(frozen=True)
class Node:
    """An element: the values it sets, its child elements, and its collection's entries in order."""

    values: Mapping[str, Value] = field(default_factory=dict)
    children: Mapping[str, Node] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    place: Place = _NOWHERE


@dataclass(frozen=True)
class Entry:
    """One add, remove or clear of a collection; `folder` is the folder of its level."""

    kind: Word
    key: Key = ()
    node: Node = field(default_factory=Node)
    folder: str = ""


class Report:
    """Collects the findings of one file; what is not emulated is reported by `close`, together."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []
        self._not_emulated = NotEmulated()

    def error(self, code: str, line: int, message: str, hint: str = "") -> None:
        """Add a finding for what IIS refuses."""
        self.findings.append(Finding(code, "error", self.where(line), message, hint))

    def warning(self, code: str, line: int, message: str, hint: str = "") -> None:
        """Add a finding for what IIS accepts but the user should know about."""
        self.findings.append(Finding(code, "warning", self.where(line), message, hint))

    def not_emulated(self, name: str, line: int, hint: str = "", *, dot_net: bool = False) -> None:
        """Note that `name` has no effect here; `dot_net`: it has none on any Python app."""
        self._not_emulated.add(name, line, hint, dot_net=dot_net)

    def close(self) -> None:
        """Add the findings for all that is not emulated."""
        for each in self._not_emulated.findings():
            self.warning("not-emulated", each.line, each.message, each.hint)

    def unknown(self, what: str, name: str, line: int, known: Mapping[str, object]) -> None:
        """Add a finding that IIS has no element or attribute of this name there."""
        near = next((word for word in known if word.lower() == name.lower()), "")
        hint = f"Names are case-sensitive: write {near}." if near else _HINTS.get(name, "")
        message = f"Unknown {what}: {name[:60]} (IIS responds with 500.19)."
        self.error("unknown", line, message, hint)

    def where(self, line: int) -> str:
        """Return the file and line as findings show them."""
        return str(Place(self.file, line))


def read_node(element: Element, schema: Schema, report: Report) -> Node:
    """Read an element and its descendants, as far as `schema` describes them."""
    values = _read_attributes(element, schema.attributes, schema.name, report)
    children: dict[str, Node] = {}
    entries: list[Entry] = []
    words = _words(schema.collection)
    for child in element.children:
        if child.name in schema.elements:
            if child.name in children:
                message = f"<{schema.name}> has <{child.name}> more than once."
                report.error("duplicate", child.line, message, "IIS responds with 500.19.")
            else:
                children[child.name] = read_node(child, schema.elements[child.name], report)
        elif schema.collection and child.name in words:
            entry = _read_entry(child, words[child.name], schema.collection, report)
            if entry is not None:
                entries.append(entry)
        elif child.name in schema.others or ":" in child.name:
            report.not_emulated(f"<{child.name}> of <{schema.name}>", child.line)
        else:
            known = {**schema.elements, **words, **dict.fromkeys(schema.others)}
            report.unknown(
                f"element in <{schema.name}>",
                f"<{child.name}>",
                child.line,
                {f"<{name}>": None for name in known},
            )
    _refuse_twice(schema, entries, report)
    return Node(values, children, tuple(entries), Place(report.file, element.line))


def _words(collection: Collection | None) -> dict[str, Word]:
    if collection is None:
        return {}
    words: dict[str, Word] = {collection.add: "add"}
    if collection.remove:
        words[collection.remove] = "remove"
    if collection.clear:
        words[collection.clear] = "clear"
    return words


def _read_attributes(
    element: Element, known: Mapping[str, Attribute], owner: str, report: Report
) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, text in element.attributes.items():
        attribute = known.get(name)
        if attribute is None:
            _report_unknown(name, element, known, owner, report)
            continue
        value = read_value(attribute, text)
        if isinstance(value, Wrong):
            message = f"{name} of <{owner}> {value.reason}."
            report.error(value.code, element.line, message)
            continue
        values[name] = value
        # An attribute that is set to IIS's own default changes nothing.
        if not attribute.emulated and value != attribute.default:
            report.not_emulated(f"The attribute {name} of <{owner}>", element.line)
    return values


def _report_unknown(
    name: str, element: Element, known: Mapping[str, Attribute], owner: str, report: Report
) -> None:
    if name in _LOCKS or (":" in name and not name.startswith("xmlns:")):
        hint = _HINTS.get(name, "")
        report.not_emulated(f"The attribute {name} of <{owner}>", element.line, hint)
    elif name != "xmlns" and not name.startswith("xmlns:"):
        report.unknown(f"attribute of <{owner}>", name, element.line, known)


def _read_entry(
    element: Element,
    kind: Word,
    collection: Collection,
    report: Report,
) -> Entry | None:
    """Read one add, remove or clear of a collection; return None if IIS could not use it."""
    place = Place(report.file, element.line)
    if kind == "clear":
        _read_attributes(element, {}, element.name, report)
        return Entry("clear", node=Node(place=place))
    item = collection.item
    if kind == "remove":
        known = {name: item.attributes[name] for name in collection.key}
        node = Node(_read_attributes(element, known, element.name, report), place=place)
    else:
        known = item.attributes
        node = read_node(element, item, report)
    for name, attribute in known.items():
        needed = attribute.required or (kind == "remove" and name in collection.key)
        if not needed or name in node.values:
            continue
        if name not in element.attributes:
            report.error("missing", element.line, f"<{element.name}> has no {name}.")
        return None
    return Entry(kind, _key(collection, node), node)


def _key(collection: Collection, node: Node) -> Key:
    key = []
    for name in collection.key:
        attribute = collection.item.attributes[name]
        text = str(node.values.get(name, attribute.default))
        key.append(text if attribute.case_sensitive else text.lower())
    return tuple(key)


def _refuse_twice(schema: Schema, entries: list[Entry], report: Report) -> None:
    """Report keys that one element adds twice."""
    collection = schema.collection
    if collection is None or not collection.key:
        return
    seen: dict[Key, int] = {}
    for entry in entries:
        if entry.kind == "clear":
            seen.clear()
        elif entry.kind == "remove":
            seen.pop(entry.key, None)
        elif entry.key in seen:
            line = entry.node.place.line
            shown = "|".join(str(entry.node.values.get(name, "")) for name in collection.key)
            message = (
                f"<{schema.name}> has {collection.key[0]} {shown[:80]!r} twice, "
                f"first in line {seen[entry.key]}."
            )
            if collection.override:
                report.warning("duplicate", line, message, "The last one counts.")
            else:
                report.error("duplicate", line, message, "IIS responds with 500.19.")
        else:
            seen[entry.key] = entry.node.place.line
