"""Hands a plan to the process that serves; the only module that sets this process's variables.

- `APPSVC_LAUNCH_PLAN` is the plan, as JSON, for gunicorn, which replaces this process. `write` puts
  it into the variables of that program only, and `take` removes it there.
- `PYTHONPATH` is set by `set_import_path`, in another order. `APPSVC_AGENTS_MOVED` marks a process
  that this package has replaced by itself because of that; `take_mark` removes it there.
- `APPSVC_ACCESS_LOG` is set by `access_lines` while an app is imported, if the plan wants access
  lines and the user has not set it: middlewares that the app makes itself read it.

Workers that multiprocessing starts get the plan as an argument. No APPSVC variable stays: programs
that the app starts, such as `appsvc serve` for another app, do not inherit them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

from .plan import LaunchPlan
from .servers import OwnConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["access_lines", "mark", "set_import_path", "take", "take_mark", "write"]

_PLAN = "APPSVC_LAUNCH_PLAN"
_ACCESS_LOG = "APPSVC_ACCESS_LOG"
_IMPORT_PATH = "PYTHONPATH"
_MARK = "APPSVC_AGENTS_MOVED"
# Names of types by a field's annotation, where that is not itself one.
_TYPES: dict[Any, tuple[str, ...]] = {
    "Mapping[str, int]": ("dict",),
    "float | None": ("float", "int", "NoneType"),
    "servers.OwnConfig": ("OwnConfig",),
    "tuple[str, ...]": ("tuple",),
}


def write(plan: LaunchPlan, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a program that gets `plan`; its warnings are printed already."""
    return {**environ, _PLAN: json.dumps({**dataclasses.asdict(plan), "warnings": ()})}


def take() -> LaunchPlan | None:
    """Return the plan from this process's variables, and remove it there; None if it is missing.

    Return None too if another release of this package wrote the plan: on SIGUSR2 gunicorn starts
    itself again with its original variables, and may then run a newly installed release. Return
    None too if the text is not a plan: gunicorn would end with a traceback.
    """
    text = os.environ.pop(_PLAN, None)
    if text is None:
        return None
    try:
        fields = json.loads(text)
        own = OwnConfig(**fields["own"])
        plan = LaunchPlan(**{**fields, "own": own, "warnings": ()})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return plan if _is_sound(plan) and _is_sound(own) else None


def _is_sound(made: LaunchPlan | OwnConfig) -> bool:
    """Return whether each field's value is of the type that stands there."""
    return all(
        type(getattr(made, one.name)).__name__ in _TYPES.get(one.type, (one.type,))
        for one in dataclasses.fields(made)
    )


def set_import_path(path: str) -> None:
    """Set the import path of all Python programs that this process starts."""
    os.environ[_IMPORT_PATH] = path


def mark(path: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a program that replaces this one to get the import path `path`."""
    return {**environ, _IMPORT_PATH: path, _MARK: "1"}


def take_mark() -> bool:
    """Return whether this process has the mark of `mark`, and remove it."""
    return os.environ.pop(_MARK, None) is not None


@contextlib.contextmanager
def access_lines(plan: LaunchPlan) -> Iterator[None]:
    """Make middlewares that are created in this block write access lines, if the plan wants it."""
    if not plan.access_lines or os.environ.get(_ACCESS_LOG, "").strip():
        yield
        return
    before = os.environ.get(_ACCESS_LOG)
    os.environ[_ACCESS_LOG] = "true"
    try:
        yield
    finally:
        os.environ.pop(_ACCESS_LOG, None)
        if before is not None:
            os.environ[_ACCESS_LOG] = before
