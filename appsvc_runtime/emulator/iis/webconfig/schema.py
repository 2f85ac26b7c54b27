"""The form of a section: attributes, child elements, collections, and the values allowed.

Data classes and the parsing of one value. Must not know which sections exist (`sections`) or
where they are. Source: IIS_schema.xml, which describes every section of IIS, and from which the
terms come (`isUniqueKey`, `mergeAppend`, `validationType`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Attribute", "Collection", "Schema", "Value", "Wrong", "read_value"]

Value = str | int | bool
Kind = Literal["string", "bool", "uint", "enum", "time"]
UINT = 4_294_967_295
# Days, a dot, hours, minutes, seconds. Without days the hours may exceed 23: the schema itself has
# the default "29:00:00".
_TIME = re.compile(r"(?:(\d{1,8})\.)?(\d{1,8}):(\d{1,2}):(\d{1,2})", re.ASCII)
_DIGITS = re.compile(r"\d{1,20}", re.ASCII)


@dataclass(frozen=True)
class Attribute:
    """One attribute. Times are in whole seconds.

    `low`, `high` and `step` bound numbers and times; with `outside`, the range from `low` to `high`
    is forbidden. `emulated` is False if IIS has the attribute and the emulator ignores it.
    """

    name: str
    kind: Kind = "string"
    default: Value = ""
    required: bool = False
    non_empty: bool = False
    values: tuple[str, ...] = ()
    low: int = 0
    high: int = UINT
    step: int = 1
    outside: bool = False
    case_sensitive: bool = False
    emulated: bool = True


@dataclass(frozen=True)
class Collection:
    """The child elements that add to, remove from and clear a list.

    `add`, `remove` and `clear` are the names of these elements; "" if the list has no such element.
    `key`: the attributes that make an entry unique, empty if entries may repeat. `append`: entries
    of a deeper level come after the inherited ones (`mergeAppend`), else before. `override`: an
    entry replaces an inherited one with the same key, for which IIS otherwise responds with 500.19.
    """

    item: Schema
    add: str = "add"
    remove: str = "remove"
    clear: str = "clear"
    key: tuple[str, ...] = ()
    append: bool = True
    override: bool = False


@dataclass(frozen=True)
class Schema:
    """One element; `others` are child elements that IIS has and the emulator ignores."""

    name: str
    attributes: dict[str, Attribute] = field(default_factory=dict)
    elements: dict[str, Schema] = field(default_factory=dict)
    collection: Collection | None = None
    others: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        name: str,
        *attributes: Attribute,
        elements: tuple[Schema, ...] = (),
        collection: Collection | None = None,
        others: str = "",
    ) -> Schema:
        """Build a schema from its parts; `others` are names with blanks between them."""
        return cls(
            name,
            {attribute.name: attribute for attribute in attributes},
            {element.name: element for element in elements},
            collection,
            frozenset(others.split()),
        )


@dataclass(frozen=True)
class Wrong:
    """Why a text is not a valid value: the finding's code, and the end of its sentence."""

    code: Literal["bad-value", "range"]
    reason: str


def read_value(attribute: Attribute, text: str) -> Value | Wrong:
    """Parse the text of an attribute as IIS does.

    Names of attributes are case-sensitive. `true`, `False` and the words of an enumeration are
    accepted in any case, because no source says that IIS refuses them.
    """
    if attribute.kind == "string":
        return Wrong("bad-value", "is empty") if attribute.non_empty and not text else text
    shown = repr(text[:40])
    if attribute.kind in ("bool", "enum"):
        return _word(attribute, text.lower(), shown)
    number = _time(text) if attribute.kind == "time" else _number(text)
    if number is None:
        what = "a time such as 00:02:00" if attribute.kind == "time" else "a whole number"
        return Wrong("bad-value", f"is {shown}, and must be {what}")
    return _in_range(attribute, number, shown)


def _word(attribute: Attribute, lower: str, shown: str) -> Value | Wrong:
    if attribute.kind == "bool":
        if lower in ("true", "false"):
            return lower == "true"
        return Wrong("bad-value", f"is {shown}, and must be true or false")
    for word in attribute.values:
        if word.lower() == lower:
            return word
    return Wrong("bad-value", f"is {shown}, and must be one of {', '.join(attribute.values)}")


def _number(text: str) -> int | None:
    return int(text) if _DIGITS.fullmatch(text) else None


def _time(text: str) -> int | None:
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    if minutes > 59 or seconds > 59 or (found[1] and hours > 23):
        return None
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _in_range(attribute: Attribute, number: int, shown: str) -> int | Wrong:
    inside = attribute.low <= number <= attribute.high
    if attribute.outside:
        if inside or number > UINT:
            return Wrong("range", f"is {shown}, and may not be {attribute.low} to {attribute.high}")
        return number
    unit = " seconds" if attribute.kind == "time" else ""
    if not inside:
        return Wrong("range", f"is {shown}, and must be {attribute.low} to {attribute.high}{unit}")
    if number % attribute.step:
        return Wrong("range", f"is {shown}, and must be a multiple of {attribute.step}{unit}")
    return number
