"""The folder in which the blocks of a page run: a copy of the examples, a home, `appsvc` on PATH.

All of it is outside of the repository, and has none of the tests' own variables.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.docs.blocks import Block
from tests.support.servers import ROOT, clean_environ

__all__ = ["Workplace", "make_workplace", "write_file"]

# The installed command with other default ports: those are in use on some machines.
_APPSVC = """\
#!{python}
import os
import sys

from appsvc_runtime.cli import main

if sys.argv[1:2] == ["emulate"]:
    from appsvc_runtime.emulator import cli, cli_hosts

    for kind, port in cli._PORTS.items():
        cli._PORTS[kind] = os.environ["DOCS_PORT_" + port]
    make = cli_hosts.make_linux_host

    def make_with_port(folder, options):
        own = "PORT=" + os.environ["DOCS_PORT_8000"]
        return make(folder, {{**options, "settings": (own, *options["settings"])}})

    cli_hosts.make_linux_host = make_with_port
main.entry_point()
"""
_MADE = shutil.ignore_patterns(".appsvc", ".venv", "__pycache__", "antenv", "staticfiles")


@dataclass
class Workplace:
    """`folder` is the repository's root for a reader, `scratch` is for the runner's files."""

    folder: Path
    scratch: Path
    variables: dict[str, str]


def make_workplace(base: Path, *, wheels: str = "", cache: str = "") -> Workplace:
    """Make a workplace below `base`; pip finds this package's own wheel in `wheels`.

    `cache` is a folder that several workplaces share for files that take long to make.
    """
    folder, home, scratch, programs = (base / name for name in ("site", "home", "scratch", "bin"))
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=_MADE)
    for made in (home, scratch, programs):
        made.mkdir()
    shim = programs / "appsvc"
    shim.write_text(_APPSVC.format(python=sys.executable))
    shim.chmod(0o755)
    variables = clean_environ(
        HOME=str(home),
        XDG_CACHE_HOME=cache or str(home / ".cache"),
        PATH=os.pathsep.join(
            [str(programs), os.path.dirname(sys.executable), os.environ.get("PATH", "")]
        ),
        LC_ALL="C.UTF-8",
        COLUMNS="100",
        TERM="dumb",
        TZ="UTC",
    )
    for name in ("CI", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST", "PYTHONUNBUFFERED", "COVERAGE_FILE"):
        variables.pop(name, None)
    if wheels:
        links = [wheels, variables.get("PIP_FIND_LINKS", "")]
        variables["PIP_FIND_LINKS"] = " ".join(filter(None, links))
        variables["UV_FIND_LINKS"] = wheels
    return Workplace(folder, scratch, variables)


def write_file(folder: Path, block: Block) -> None:
    """Write a block that is a file. Its path must be below the folder."""
    file = (folder / block.comments.get("cwd", ".") / block.comments["file"]).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise AssertionError(f"{block.place}: the file is outside of the folder; name it inside.")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(block.source, "utf-8")
