"""The web.config files that apply to a path, and their combined settings.

Takes documents and a path; returns `Config` and findings. Must not know where the files are or how
they are read. The folders of a path are taken from the outermost inwards. For each folder, the
sections of the `<location>` elements that name it come first, in the order of their files from the
outermost on, then the sections of the web.config in it. IIS's configuration system inherits in the
same way: by path, not by file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ....findings import Finding
from ..windows_names import folded
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
    """The settings for a path, and the conflicts between levels that IIS would refuse."""

    config: Config
    findings: tuple[Finding, ...] = ()


def matching_scopes(
    levels: Sequence[Level], path: str, application: str = ""
) -> tuple[tuple[int, int], ...]:
    """Return the scopes of `levels` that apply to `path`, outermost first.

    Each scope is a pair: the index of its level, and its own index in the level's document. Paths
    with the same pairs have the same configuration. `path` is the URL's path, decoded and relative
    to the site; it is matched without regard to case, as on Windows. Levels of other folders are
    skipped, and settings that the application at the path `application` does not inherit.
    """
    wanted = _parts(folded(path))
    depth = len(_parts(application))
    found = []
    for number, level in enumerate(levels):
        for place, scope in enumerate(level.document.scopes):
            parts = _parts(level.folder) + _parts(scope.path)
            if not scope.inherited and len(parts) < depth:
                continue
            if [folded(part) for part in parts] == wanted[: len(parts)]:
                # In one folder, the outer file's location comes first.
                found.append((len(parts), number, place))
    return tuple((number, place) for _, number, place in sorted(found))


def resolve(
    levels: Sequence[Level], path: str, *, application: str = "", httpplatform_version: int = 1
) -> Merged:
    """Merge `levels`, outermost first, for `path`, over IIS's own defaults. Never raises.

    `path` and `application` are as in `matching_scopes`. The errors among the findings are those
    for which IIS responds with 500.19: a handler, MIME type, rule … whose name is inherited and was
    not removed (`duplicate`), or an httpPlatform without processPath (`missing`). Merging then
    continues with
    the inner entry.
    """
    version = httpplatform_version if httpplatform_version in VERSIONS else VERSIONS[-1]
    known = sections(version)
    nodes: dict[str, Node] = {}
    say = _Findings(application)
    for number, place in matching_scopes(levels, path, application):
        level = levels[number]
        for name, node in level.document.scopes[place].sections.items():
            base = nodes.get(name) or DEFAULTS.get(name) or Node()
            # Rules match below the folder of the file, even if they are in a location of it, as
            # observed with IIS 10.
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
    """Turns the conflicts between keys that `merge_nodes` reports into findings.

    All keys that a section adds again are one finding: two sites often have a section in common,
    and then one is made an application of the other. `application` is the path of that.
    """

    def __init__(self, application: str) -> None:
        self.findings: list[Finding] = []
        self._depth = len(_parts(application))
        # By element and files: the index of the finding, its first part, the number of others.
        self._groups: dict[tuple[str, str, str], tuple[int, str, int]] = {}

    def __call__(self, code: str, schema: Schema, entry: Entry, met: Entry) -> None:
        where = str(entry.node.place)
        key = schema.collection.key[0] if schema.collection else ""
        shown = repr(str(entry.node.values.get(key, ""))[:80])
        if code == "case":
            there = repr(str(met.node.values.get(key, ""))[:80])
            message = f"<{schema.name}> removes {shown}, but the entry is spelled {there}."
            self._add("case", "warning", where, message, "Use the same upper and lower case.")
            return
        builtin = not met.node.place.line
        hint = f'Put <remove {key}="…"/> before it.'
        if builtin:
            # The entries that App Service's own servers have are not published, and files that add
            # entries of IIS 10 are deployed there.
            message = f"<{schema.name}> adds {key} {shown}, which IIS 10 has by default."
            self._add(
                "duplicate",
                "warning",
                where,
                message,
                f"{hint} Otherwise IIS responds with 500.19.",
            )
            return
        self._duplicate(f"<{schema.name}> adds {key} {shown}", entry, met, hint)

    def _duplicate(self, added: str, entry: Entry, met: Entry, hint: str) -> None:
        """Report a key that a file adds although it inherits it, with others of that element."""
        there = met.node.place
        if len(_parts(met.folder)) < self._depth:
            hint = (
                f"{hint[:-1]}, or what {there.file} has for itself into "
                '<location path="." inheritInChildApplications="false">.'
            )
        hint = f"{hint} IIS responds with 500.19."
        element = added.partition(">")[0], entry.node.place.file, there.file
        if element not in self._groups:
            self._groups[element] = (len(self.findings), added, 0)
            message = f"{added}, which {there} has already."
            self._add("duplicate", "error", str(entry.node.place), message, hint)
            return
        index, first, others = self._groups[element]
        self._groups[element] = (index, first, others + 1)
        message = f"{first} and {others + 1} more, which {there.file} has already."
        self.findings[index] = replace(self.findings[index], message=message)

    def missing(self, platform: Node) -> None:
        """Report that httpPlatform names no program to start."""
        message = "<httpPlatform> has no processPath."
        hint = "Give the path of python.exe."
        self._add("missing", "error", str(platform.place), message, hint)

    def _add(self, code: str, level: Any, where: str, message: str, hint: str) -> None:
        self.findings.append(Finding(code, level, where, message, hint))


# The sections that no file sets: built once, because requests to a site without nested files need
# most of them.
_BASE: dict[str, Any] = {
    BUILDERS[name][0]: BUILDERS[name][1](schema, DEFAULTS.get(name) or Node())
    for name, schema in sections(1).items()
    if name != HTTP_PLATFORM
}
