"""One web.config file: its sections, by the path to which they apply, and its mistakes.

Takes bytes and returns a `Document`; never raises. Must not know of other files. Sections that are
not emulated stay in the tree, and are reported together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ....findings import Finding
from ...xml.tree import Element, read_tree
from ..windows_names import folded
from .nodes import Node, Report, read_node
from .sections import GROUPS, sections

__all__ = ["Document", "Scope", "parse"]

_HINTS = {
    "connectionStrings": "Python apps never see them: they come as environment variables, from the "
    "connection strings that are set for the site itself.",
    "system.webServer/aspNetCore": "It starts .NET apps.",
    "system.webServer/iisnode": "It starts Node.js apps.",
    "system.webServer/rewrite/globalRules": "IIS takes them from applicationHost.config alone.",
}
# Sections of IIS that act on .NET code only. Outside of system.webServer all sections are .NET's.
_DOT_NET = frozenset(
    {"system.webServer/asp", "system.webServer/modules", "system.webServer/validation"}
)
_APP_HOST_ONLY = (
    "IIS takes fastCgi from applicationHost.config only, and responds with 500.19 if a web.config "
    "has it; the emulator uses it.",
    "On App Service set it in an applicationHost.xdt.",
)
_INHERIT = "inheritInChildApplications"
_LOCATION = frozenset({"path", _INHERIT, "allowOverride", "overrideMode"})
# Characters that IIS refuses in the path of a location.
_BAD_PATH = frozenset('\\?:*"<>|')

# A location's path, folded, and whether applications below it inherit its settings.
_Key = tuple[str, bool]
_ROOT: _Key = ("", True)


@dataclass(frozen=True)
class Scope:
    """The sections for one path below the file's folder: "" for the folder itself, else "a/b".

    `inherited`: they also apply to applications below the path (inheritInChildApplications).
    """

    path: str
    sections: Mapping[str, Node]  # by path: "system.webServer/handlers"
    inherited: bool = True


@dataclass(frozen=True)
class Document:
    """A parsed file; `root` is None and `scopes` is empty if it could not be read.

    `findings` are in the order of the file's lines.
    """

    file: str
    root: Element | None = None
    scopes: tuple[Scope, ...] = ()
    findings: tuple[Finding, ...] = ()


def parse(data: bytes, file: str, *, httpplatform_version: int = 1) -> Document:
    """Read a web.config; findings show `file` as its name. Never raises.

    `httpplatform_version`, 1 or 2, chooses the allowed ranges of the attributes of <httpPlatform>.
    """
    root, findings = read_tree(data, file)
    if root is None:
        return Document(file, findings=findings)
    reader = _Reader(Report(file), httpplatform_version)
    scopes = reader.read(root)
    reader.report.close()
    ordered = sorted(reader.report.findings, key=lambda finding: _line(finding.where))
    return Document(file, root, scopes, (*findings, *ordered))


def _line(where: str) -> int:
    tail = where.rpartition(":")[2]
    return int(tail) if tail.isdigit() else 0


def _below_folder(path: str) -> str | None:
    """Return a location's path without outer slashes ("" for the folder), or None if invalid."""
    inner = path.strip("/")
    parts = inner.split("/") if path != "." and inner else []
    if path.startswith("/") or "" in parts or ".." in parts or _BAD_PATH & set(path):
        return None
    return "/".join(parts)


class _Reader:
    """Reads the section groups of one file into one dict of sections per path."""

    def __init__(self, report: Report, version: int) -> None:
        self.report = report
        self._known = sections(version)
        self._scopes: dict[_Key, dict[str, Node]] = {_ROOT: {}}
        self._spelled: dict[_Key, str] = {_ROOT: ""}

    def read(self, root: Element) -> tuple[Scope, ...]:
        self._sections(root, _ROOT)
        return tuple(
            Scope(self._spelled[key], found, inherited=key[1])
            for key, found in self._scopes.items()
        )

    def _sections(self, top: Element, key: _Key) -> None:
        """Read the sections below `top`, which is the root or a <location> element."""
        waiting = [(child, "") for child in reversed(top.children)]
        while waiting:
            element, group = waiting.pop()
            path = f"{group}/{element.name}" if group else element.name
            if path in self._known:
                self._section(element, path, key)
            elif path in GROUPS:
                waiting.extend((child, path) for child in reversed(element.children))
            elif path == "location":
                self._location(element, nested=bool(top.name == "location"))
            else:
                self._other(element, path)

    def _section(self, element: Element, path: str, key: _Key) -> None:
        found = self._scopes[key]
        if path in found:
            message = f"The section {path} appears more than once for the same path."
            self.report.error("duplicate", element.line, message, "IIS responds with 500.19.")
            return
        found[path] = read_node(element, self._known[path], self.report)
        if path == "system.webServer/fastCgi":
            self.report.warning("app-host-only", element.line, *_APP_HOST_ONLY)

    def _location(self, element: Element, *, nested: bool) -> None:
        for name in element.attributes:
            if name not in _LOCATION and ":" not in name and name != "xmlns":
                known = dict.fromkeys(_LOCATION)
                self.report.unknown("attribute of <location>", name, element.line, known)
        if nested:
            message = "A <location> cannot be inside another <location>."
            self.report.error("location", element.line, message)
            return
        path = element.attributes.get("path", "")
        spelled = _below_folder(path)
        if spelled is None:
            message = f"The path {path[:80]!r} of a <location> is not a path below its folder."
            hint = "Write it without a leading slash, as in static/img."
            self.report.error("location", element.line, message, hint)
            return
        for name in ("allowOverride", "overrideMode"):
            if name in element.attributes:
                self.report.not_emulated(f"The attribute {name} of <location>", element.line)
        # A location may name the folder itself. It is a separate scope, so its sections are not
        # duplicates of the sections outside it.
        key = folded(spelled) or ".", self._is_inherited(element)
        self._scopes.setdefault(key, {})
        self._spelled.setdefault(key, spelled)
        self._sections(element, key)

    def _is_inherited(self, element: Element) -> bool:
        """Return whether the settings of a <location> apply to applications below it too."""
        text = element.attributes.get(_INHERIT, "true")
        if text.lower() not in ("true", "false"):
            message = f"{_INHERIT} of <location> is {text[:60]!r}, neither true nor false."
            self.report.error("bad-value", element.line, message)
        return text.lower() != "false"

    def _other(self, element: Element, path: str) -> None:
        known = {*self._known, *GROUPS, "location"}
        right = next((name for name in known if name.lower() == path.lower()), "")
        if right:
            hint = f"Names are case-sensitive: write {right.rpartition('/')[2]}."
            message = f"Unknown section: {path} (IIS responds with 500.19)."
            self.report.error("unknown", element.line, message, hint)
        else:
            dot_net = path in _DOT_NET or not path.startswith("system.webServer")
            hint = _HINTS.get(path, "")
            self.report.not_emulated(path[:120], element.line, hint, dot_net=dot_net)
