"""Which web.config files hold for a path, and what they say together.

Documents and a path in, `Config` and findings out. Must not know where the files are or how they
are read. A path is taken from the outside in: for each of its folders first the sections of the
`<location>` elements that name it, outermost file first, then those of the web.config in it. That
is how IIS's configuration system inherits: by path, not by file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ....findings import Finding
from .build import BUILDERS
from .defaults import DEFAULTS
from .file import Document
from .merge_nodes import lay
from .model import Config
from .nodes import Entry, Node
from .schema import Schema
from .sections import HTTP_PLATFORM, VERSIONS, sections

__all__ = ["Level", "Merged", "matching_scopes", "resolve"]


@dataclass(frozen=True)
class Level:
    """A web.config and its folder, relative to the site: "" or "static/img"."""

    folder: str
    document: Document


@dataclass(frozen=True)
class Merged:
    """What holds for a path, and what IIS would refuse in how the levels meet."""

    config: Config
    findings: tuple[Finding, ...] = ()


def matching_scopes(levels: Sequence[Level], path: str) -> tuple[tuple[int, int], ...]:
    """Give which scopes of `levels` hold for `path`, outermost first.

    Each is the index of its level and its own in the level's document; paths with the same ones
    have the same configuration. `path` is the URL's, decoded
    and relative to the site; letters match in either case, as on Windows. Levels of other folders
    are passed over.
    """
    wanted = _parts(path.lower())
    found = []
    for number, level in enumerate(levels):
        for place, scope in enumerate(level.document.scopes):
            parts = _parts(level.folder) + _parts(scope.path)
            if [part.lower() for part in parts] == wanted[: len(parts)]:
                # In one folder, the outer file's location comes first.
                found.append((len(parts), number, place))
    return tuple((number, place) for _, number, place in sorted(found))


def resolve(levels: Sequence[Level], path: str, *, httpplatform_version: int = 1) -> Merged:
    """Merge `levels`, outermost first, for `path`, over what IIS has by itself. Never raises.

    `path` is as `matching_scopes` has it. Errors among the findings are what IIS answers with
    500.19: a handler, type, rule … of a name that is inherited and was not removed (`duplicate`),
    an httpPlatform without processPath (`missing`). The merging goes on with the inner one.
    """
    version = httpplatform_version if httpplatform_version in VERSIONS else VERSIONS[-1]
    known = sections(version)
    nodes: dict[str, Node] = {}
    say = _Findings()
    for number, place in matching_scopes(levels, path):
        level = levels[number]
        for name, node in level.document.scopes[place].sections.items():
            base = nodes.get(name) or DEFAULTS.get(name) or Node()
            # Rules match below the file's own folder, also those of a location, as IIS 10 was seen
            # to do it.
            nodes[name] = lay(known[name], base, node, level.folder, say)
    fields = dict(_BASE)
    for name, node in nodes.items():
        attribute, build = BUILDERS[name]
        fields[attribute] = build(known[name], node)
    platform = nodes.get(HTTP_PLATFORM)
    if platform is not None and not platform.values.get("processPath"):
        say.missing(platform)
    return Merged(Config(**fields), tuple(say.findings))


def _parts(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]


class _Findings:
    """Hears what `merge_nodes` has to say of keys that meet, and words it."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def __call__(self, code: str, schema: Schema, entry: Entry, met: Entry) -> None:
        where = str(entry.node.place)
        key = schema.collection.key[0] if schema.collection else ""
        shown = repr(str(entry.node.values.get(key, ""))[:80])
        if code == "case":
            there = repr(str(met.node.values.get(key, ""))[:80])
            message = f"<{schema.name}> removes {shown}; {there} is there, in another spelling."
            self._add("case", "warning", where, message, "Spell it as it is added.")
            return
        builtin = not met.node.place.line
        hint = f'Put <remove {key}="…"/> before it.'
        if builtin:
            # The list of App Service's own servers is not published, and files that add what IIS 10
            # has are deployed there.
            message = f"<{schema.name}> adds {key} {shown}, which IIS 10 has by itself."
            self._add("duplicate", "warning", where, message, f"{hint} Else IIS answers 500.19.")
            return
        message = f"<{schema.name}> adds {key} {shown}, which {met.node.place} has already."
        self._add("duplicate", "error", where, message, f"{hint} IIS answers 500.19.")

    def missing(self, platform: Node) -> None:
        """Say that httpPlatform has nothing to start."""
        message = "<httpPlatform> has no processPath."
        hint = "Give the path of python.exe."
        self._add("missing", "error", str(platform.place), message, hint)

    def _add(self, code: str, level: Any, where: str, message: str, hint: str) -> None:
        self.findings.append(Finding(code, level, where, message, hint))


# Sections that no file has: made once, because a request of a site without nested files needs most.
_BASE: dict[str, Any] = {
    BUILDERS[name][0]: BUILDERS[name][1](schema, DEFAULTS.get(name) or Node())
    for name, schema in sections(1).items()
    if name != HTTP_PLATFORM
}
