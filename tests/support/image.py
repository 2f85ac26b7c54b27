"""Stand-ins of what the platform's image adds: gunicorn's file, and the agent's folder.

Written for the tests. Both have what makes trouble: a thread that never ends, and an old package
that hides the site's own.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.servers import ROOT

__all__ = ["serve_with", "write_agents", "write_gunicorn_config"]

GUNICORN_CONFIG = """\
import threading

raw_env = ["FROM_THE_IMAGE=1"]

def post_worker_init(worker):
    worker.log.info("the image's hook ran")
    threading.Thread(target=threading.Event().wait).start()
"""
# What FastAPI and pydantic import from a newer one is missing.
TYPING_EXTENSIONS = """\
from typing import *
from typing import TypedDict

__version__ = "4.0.0"
"""
HOOK = """\
import sys

import typing_extensions

sys.agent_started = getattr(sys, "agent_started", 0) + 1
"""


def write_gunicorn_config(folder: Path) -> Path:
    """Write the image's configuration of gunicorn into a folder; return its path."""
    path = folder / "gunicorn.conf.py"
    path.write_text(GUNICORN_CONFIG)
    return path


def write_agents(folder: Path) -> Path:
    """Write the agent's folder `agents/python` below a folder; return its path."""
    agents = folder / "agents" / "python"
    agents.mkdir(parents=True)
    (agents / "typing_extensions.py").write_text(TYPING_EXTENSIONS)
    (agents / "sitecustomize.py").write_text(HOOK)
    return agents


def serve_with(
    module: str = "appsvc_runtime.cli.main", function: str = "entry_point", **places: Path
) -> tuple[str, ...]:
    """Return the command `appsvc` for a machine where the platform's files are in other places.

    `places` are names of `azure.names`. `module` and `function` name another command.
    """
    lines = [f"names.{name} = {str(path)!r}" for name, path in places.items()]
    code = "; ".join(
        [
            f"import sys; sys.path.append({str(ROOT)!r})",
            "from appsvc_runtime.azure import names",
            *lines,
            f"from {module} import {function}",
            f"{function}()",
        ]
    )
    return ("-c", code)
