"""The output of a container without what gunicorn itself prints because its workers have failed.

Pure. With several workers gunicorn ends with tracebacks of its own, which come last and say nothing
of the app. Must not know what the rest is read for.
"""

from __future__ import annotations

__all__ = ["without_servers_end"]

_TRACEBACK = "Traceback (most recent call last):"
_HALT = "gunicorn.errors.HaltServer: "
_BETWEEN = "During handling of the above exception"


def without_servers_end(output: str) -> str:
    """Return an output without the tracebacks by which gunicorn ends after its workers."""
    kept: list[str] = []
    # Lines of a traceback whose exception is not known yet, and blank lines behind a removed one.
    waiting: list[str] = []
    inside = removed = False
    for line in output.splitlines(keepends=True):
        if line.startswith(_TRACEBACK):
            inside = True
            waiting.append(line)
        elif inside and line.startswith(_HALT):
            waiting.clear()
            inside, removed = False, True
        elif (inside or removed) and (line[:1].isspace() or line.startswith(_BETWEEN)):
            waiting.append(line)
        else:
            kept += [*waiting, line]
            waiting.clear()
            inside = removed = False
    return "".join(kept + waiting)
