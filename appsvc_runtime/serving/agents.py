"""Puts the platform's agent behind the site's packages on the import path.

If Application Insights is switched on for a site, the platform puts the agent's folder first, and
the agent's old packages are imported in place of the site's: FastAPI does not start with its
typing_extensions (microsoft/Oryx#2685). Behind the site's packages the agent still starts: Python
imports its sitecustomize from any place of the path. Must not know of any server.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, NamedTuple

from ..azure import names
from ..settings import options
from ..system import process
from . import handover, report

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Order", "find_order", "put_last"]

_SITE_PACKAGES = ("site-packages", "dist-packages")
_HOOK = "sitecustomize"


class Order(NamedTuple):
    """An import path with the agent last.

    `agents` are the agent's folders; without any, nothing has to be moved. `path` is for this
    process, `others` is `path` without the agent. `front` and `agents` are PYTHONPATH for others.
    """

    agents: list[str]
    others: list[str]
    front: list[str]

    @property
    def path(self) -> list[str]:
        """Return the whole path for this process."""
        return [*self.others, *self.agents]

    @property
    def variable(self) -> str:
        """Return the whole PYTHONPATH for other processes."""
        return os.pathsep.join([*self.front, *self.agents])

    def hiding(self) -> str:
        """Return the site's own sitecustomize that keeps the agent's from being imported, or ""."""
        found = _find(_HOOK, self.front)
        return found.origin or "" if found and _find(_HOOK, self.agents) else ""


def find_order(path: Sequence[str], variable: str) -> Order:
    """Return the order for this process's `path` and its PYTHONPATH, `variable`.

    The agent may have removed its folder from the variable when it started: it is put back, so that
    it starts in the server as well. Python searches its own site-packages last, behind PYTHONPATH:
    they are named in it, before the agent.
    """
    named = variable.split(os.pathsep) if variable else []  # an empty entry is the current folder
    agents = list(dict.fromkeys(filter(_is_agents, [*named, *path])))
    others = [entry for entry in path if not _is_agents(entry)]
    front = [entry for entry in named if not _is_agents(entry)]
    front += [one for one in others if os.path.basename(one) in _SITE_PACKAGES and one not in front]
    return Order(agents, others, front)


def put_last() -> None:
    """Put the agent last, for this process and for those that it starts.

    Replace this process by itself, once, if it has loaded a module of the agent's that the site has
    as well: a loaded module cannot be exchanged. Does nothing without an agent, or with
    APPSVC_AGENTS_FIRST. Raises ConfigError if that setting cannot be used.
    """
    again = handover.take_mark()
    if options.resolve("APPSVC_AGENTS_FIRST", None, os.environ):
        return
    variable = os.environ.get("PYTHONPATH", "")
    order = find_order(sys.path, variable)
    if not order.agents:
        return
    stale = _loaded_in_place_of(order)
    if not again and (stale or order.variable != variable):  # else another one has moved it
        report.print_line(_describe(order, stale))
    if stale and not again:
        argv = [sys.executable, *sys.orig_argv[1:]]
        raise SystemExit(process.replace_process(argv, handover.mark(order.variable, os.environ)))
    sys.path[:] = order.path
    handover.set_import_path(order.variable)


def _describe(order: Order, stale: list[str]) -> str:
    hidden = f", whose {', '.join(stale)} hid the site's" if stale else ""
    own = order.hiding()
    unused = f" {own} is imported in place of the agent's, which does not start." if own else ""
    return (
        f"Moved behind the site's packages on the import path: {', '.join(order.agents)}, the "
        f"agent of Application Insights{hidden}.{unused} APPSVC_AGENTS_FIRST=1 leaves it first."
    )


def _is_agents(entry: str) -> bool:
    return f"{os.path.normpath(entry)}/".startswith(f"{names.AGENTS_FOLDER}/")


def _loaded_in_place_of(order: Order) -> list[str]:
    """Return the packages that were loaded from the agent, and that the site has as well."""
    loaded = {
        name.partition(".")[0]
        for name, module in list(sys.modules.items())
        if _is_agents(os.path.dirname(getattr(module, "__file__", None) or ""))
    }
    return sorted(name for name in loaded - {_HOOK} if _find(name, order.others))


def _find(name: str, path: list[str]) -> ModuleSpec | None:
    return PathFinder.find_spec(name, path)
