"""Where Django's collectstatic would write: it is run only if that is inside the copy.

It replaces files, and follows links: through a link of the site to another place, or a STATIC_ROOT
outside of the site, it would overwrite the user's own files. Must not know of other steps. Source:
`diffsettings --all` in Django's documentation of django-admin.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ....errors import ConfigError
from ...processes.child import Child

__all__ = ["ask_static_root", "leads_out", "read_static_root"]

_MANAGE = ("manage.py", "diffsettings", "--all")
# A setting with its default value has ### before or after it.
_LINE = re.compile(r"(?:### *)?STATIC_ROOT = (?:\w+\()?(?P<text>'.*'|\".*\")\)?(?: *###)?\s*")
_BETTER = "make STATIC_ROOT a folder of the site, such as BASE_DIR / 'staticfiles'"


async def ask_static_root(python: str, variables: Mapping[str, str], folder: Path) -> str:
    """Return STATIC_ROOT of the site's Django; "" if it is not set or cannot be read."""
    found = [""]

    def listen(stream: int, line: str) -> None:
        found.append(read_static_root(line))

    try:
        child = await Child.start(
            [python, *_MANAGE], environ=variables, cwd=folder, say=_say_nothing, listener=listen
        )
    except ConfigError:
        return ""  # the step itself reports why
    try:
        await child.wait()
    finally:
        child.kill()
    return next(filter(None, reversed(found)), "")


def read_static_root(line: str) -> str:
    """Return the value of STATIC_ROOT in a line of diffsettings, or "" for other lines."""
    match = _LINE.fullmatch(line)
    try:
        return str(ast.literal_eval(match["text"])) if match else ""
    except (ValueError, SyntaxError):
        return ""


def leads_out(folder: Path, static_root: str) -> str:
    """Return why files collected below `static_root` would be outside of `folder`, or ""."""
    base = os.path.realpath(folder)
    root = os.path.join(base, static_root)
    if not _is_below(base, root):
        return (
            f"STATIC_ROOT is {static_root}, which leads out of the copy, to "
            f"{os.path.realpath(root)}, where files would be replaced: {_BETTER}."
        )
    for above, folders, _ in os.walk(root):
        for path in (os.path.join(above, name) for name in folders):
            if os.path.islink(path) and not _is_below(base, path):
                return (
                    f"{os.path.relpath(path, base)} is a link that leads out of the copy, to "
                    f"{os.path.realpath(path)}, where files would be replaced: put a folder in "
                    "its place."
                )
    return ""


def _is_below(base: str, path: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(base)


def _say_nothing(label: str, text: str) -> None:
    """Discard Django's output: the values of all settings must not be shown."""
