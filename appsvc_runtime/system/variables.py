"""The variables of a process that is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import process

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["for_child"]


def for_child(environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables as a child gets them: on Windows, of names that differ only in case, one.

    That is the last of them, with the spelling that it was given. Otherwise it would be undefined
    which of them the child finds.
    """
    if not process.WINDOWS:
        return dict(environ)
    last = {name.upper(): name for name in environ}
    return {name: environ[name] for name in last.values()}
