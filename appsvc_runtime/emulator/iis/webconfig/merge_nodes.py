"""Merges one level's node over those of the levels above it, as IIS does.

Takes nodes and returns a node. Must not know of files or paths. The entries of a merged node are
`add` only, with unique keys, in the order in which IIS tries them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...xml.place import Place
from .nodes import Entry, Key, Node
from .schema import Collection, Schema

__all__ = ["Say", "lay"]

# The schema, the code "duplicate" or "case", the entry, and the entry with which it conflicts.
Say = Callable[[str, Schema, Entry, Entry], None]


def lay(schema: Schema, base: Node, top: Node, folder: str, say: Say) -> Node:
    """Merge `top`, the node of the level at `folder`, over `base`; neither is changed.

    Attributes override one by one, child elements are merged in the same way, and the entries of
    collections add, remove and clear. `say` is called for each conflict between keys.
    """
    children = dict(base.children)
    for name, child in top.children.items():
        children[name] = lay(
            schema.elements[name], base.children.get(name, Node()), child, folder, say
        )
    entries = base.entries
    if top.entries and schema.collection:
        entries = _merge(schema, schema.collection, base.entries, top.entries, folder, say)
    place = base.place if top.place == Place() else top.place
    return Node({**base.values, **top.values}, children, entries, place)


def _merge(
    schema: Schema,
    collection: Collection,
    base: tuple[Entry, ...],
    top: tuple[Entry, ...],
    folder: str,
    say: Say,
) -> tuple[Entry, ...]:
    if not collection.key:
        kept = list(base)
        for entry in top:
            if entry.kind == "clear":
                kept.clear()
            else:
                kept.append(replace(entry, folder=folder))
        return tuple(kept)
    merging = _Merging(schema, collection, base, say)
    for entry in top:
        if entry.kind == "clear":
            merging.clear()
        elif entry.kind == "remove":
            merging.remove(entry)
        else:
            merging.add(replace(entry, folder=folder))
    return merging.entries()


class _Merging:
    """The entries of a collection with keys: the inherited ones, and those of this level."""

    def __init__(
        self, schema: Schema, collection: Collection, base: tuple[Entry, ...], say: Say
    ) -> None:
        self._schema = schema
        self._collection = collection
        self._say = say
        self._inherited: dict[Key, Entry] = {entry.key: entry for entry in base}
        self._by_case = _by_case(collection, base)
        self._own: dict[Key, Entry] = {}

    def clear(self) -> None:
        self._inherited.clear()
        self._own.clear()

    def remove(self, entry: Entry) -> None:
        # To IIS, removing a missing entry is no error; a name that differs in case is reported.
        gone = (self._inherited.pop(entry.key, None), self._own.pop(entry.key, None))
        other = self._by_case.get(_lower(entry.key))
        if gone == (None, None) and other is not None and other.key in self._inherited:
            self._say("case", self._schema, entry, other)

    def add(self, entry: Entry) -> None:
        met = self._inherited.get(entry.key)
        if met is not None and not self._collection.override:
            self._say("duplicate", self._schema, entry, met)
        if met is not None and self._collection.append:
            self._inherited[entry.key] = entry
            return
        self._inherited.pop(entry.key, None)
        self._own[entry.key] = entry

    def entries(self) -> tuple[Entry, ...]:
        """Return all entries, in the order in which IIS tries them."""
        first, second = self._own, self._inherited
        if self._collection.append:
            first, second = second, first
        return (*first.values(), *second.values())


def _by_case(collection: Collection, base: tuple[Entry, ...]) -> dict[Key, Entry]:
    """Return the inherited entries by key in lower case; empty if keys are not case-sensitive."""
    attributes = (collection.item.attributes[name] for name in collection.key)
    if not any(attribute.case_sensitive for attribute in attributes):
        return {}
    return {_lower(entry.key): entry for entry in base}


def _lower(key: Key) -> Key:
    return tuple(part.lower() for part in key)
