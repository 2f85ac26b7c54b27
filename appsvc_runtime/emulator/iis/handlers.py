"""Chooses the handler of a request, as IIS maps it.

Pure: the caller passes functions that look at files. Must not know of processes, servers or how a
handler responds. Sources: the references of `handlers` and its `add`, and "HTTP status codes in
IIS", on learn.microsoft.com; wfastcgi's own configuration, whose `path="handler.fcgi"` takes
`/handler.fcgi/a/b`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .request_filtering import Refusal
from .webconfig.interpreters import modules_of, worker_of

if TYPE_CHECKING:
    from .webconfig.model import Handler

__all__ = ["Choice", "Kind", "choose", "kind"]

Kind = Literal["httpplatform", "fastcgi", "static", "other"]

_STATIC = frozenset(
    {"StaticFileModule", "DefaultDocumentModule", "DirectoryListingModule"}
    | {"ProtocolSupportModule"}  # OPTIONS and TRACE, which `static_files` handles
)
# Access that accessPolicy="Read, Script", the value in applicationHost.config, does not grant.
_WITHOUT_ACCESS = {
    "execute": Refusal(403, 1, "The handler requires Execute, which accessPolicy does not grant."),
    "write": Refusal(403, 3, "The handler requires Write, which accessPolicy does not grant."),
}


@dataclass(frozen=True)
class Choice:
    """The handler that takes a request, and the part of the decoded path that is its script.

    Of `/run.fcgi/a/b` that may be `/run.fcgi`; for a handler of every path it is the whole path.
    """

    handler: Handler
    script: str


def choose(
    handlers: Sequence[Handler],
    path: str,
    verb: str,
    is_file: Callable[[str], bool],
    is_directory: Callable[[str], bool],
) -> Choice | Refusal:
    """Return the first handler that takes a request, or the refusal if no handler does.

    `path` is decoded and begins with a slash; `is_file` and `is_directory` take such paths and
    return what exists in the site. Verbs are case-sensitive, as in IIS.
    """
    other_verb = missing = False
    for handler in handlers:
        scripts = _scripts(handler.path, path)
        if not scripts:
            continue
        if not _takes_verb(handler.verb, verb):
            other_verb = True
            continue
        script = _choose_script(scripts, path, is_file)
        if not _takes_resource(handler.resource_type, script, is_file, is_directory):
            missing = True
            continue
        refusal = _WITHOUT_ACCESS.get(handler.require_access.casefold())
        return refusal or Choice(handler, script)
    if missing:
        return Refusal(404, 0, "There is no such file, and no handler takes a path without a file.")
    if other_verb:
        return Refusal(405, 0, f"No handler of this path takes {verb[:40]}.")
    return Refusal(404, 4, "No handler takes this path.")


def kind(handler: Handler) -> Kind:
    """Return the kind of a handler: that of the first of its modules that is known."""
    for module in modules_of(handler):
        known: Kind | Literal[""] = worker_of(module) or ("static" if module in _STATIC else "")
        if known:
            return known
    return "other"


def _scripts(patterns: str, path: str) -> list[str]:
    """Return the parts of a path that can be the script by any of the patterns, left to right."""
    return [script for pattern in patterns.split(",") for script in _match(pattern.strip(), path)]


def _match(pattern: str, path: str) -> list[str]:
    """Return the parts of a path that match one pattern, without regard to case.

    `*` matches every path. A pattern with a slash matches the whole path from the site's root, with
    or without a leading slash. A pattern without a slash matches one segment: the last one, or an
    earlier one followed by path information. `*.` matches a last segment without a dot.
    """
    if not pattern:
        return []
    if pattern == "*":
        return [path]
    pattern = pattern.replace("\\", "/").lower()
    if "/" in pattern:
        if not pattern.startswith(("/", "*")):
            pattern = "/" + pattern
        return [path] if _is_like(pattern, path.lower()) else []
    if pattern == "*.":
        return [] if "." in path.rpartition("/")[2] else [path]
    return _match_segments(pattern, path.split("/"))


def _match_segments(pattern: str, segments: list[str]) -> list[str]:
    return [
        "/".join(segments[: number + 1])
        for number, segment in enumerate(segments)
        if number and _is_like(pattern, segment.lower())
    ]


def _choose_script(scripts: list[str], path: str, is_file: Callable[[str], bool]) -> str:
    """Return the script that is a file, else the whole path, else the leftmost script."""
    if len(scripts) == 1:
        return scripts[0]
    there = next((script for script in scripts if is_file(script)), None)
    return there or (path if path in scripts else scripts[0])


def _is_like(pattern: str, text: str) -> bool:
    """Match `*` and `?`, in a time of at most the product of the lengths."""
    at = star = retry = 0
    seen_star = False
    for_text = 0
    while for_text < len(text):
        if at < len(pattern) and pattern[at] == "*":
            seen_star, star, retry = True, at, for_text
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[for_text]):
            at += 1
            for_text += 1
        elif seen_star:
            retry += 1
            at, for_text = star + 1, retry
        else:
            return False
    return not pattern[at:].strip("*")


def _takes_verb(verbs: str, verb: str) -> bool:
    return any(each.strip() in ("*", verb) for each in verbs.split(","))


def _takes_resource(
    resource_type: str,
    script: str,
    is_file: Callable[[str], bool],
    is_directory: Callable[[str], bool],
) -> bool:
    wanted = resource_type.casefold()
    if wanted == "file":
        return is_file(script)
    if wanted == "directory":
        return is_directory(script)
    if wanted == "either":
        return is_file(script) or is_directory(script)
    return True
