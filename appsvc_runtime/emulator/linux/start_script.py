"""The script that a container runs: the platform's own, in its order.

Pure: takes a plan, returns text for `sh`. Must not know where the container's folders really are.
Order and lines are those of GenerateEntrypointScript in Oryx's scriptgenerator.go
(src/startupscriptgenerator/src/python): the pre-run command runs before the site's packages are on
the path, and only a failure of the last command ends the script with an error.
"""

from __future__ import annotations

import shlex

from ...azure import names
from ...startup.plan import StartPlan
from .image import Image
from .space import Space

__all__ = ["make_script"]

# The first word of lines that are the emulator's, not the platform's.
_OURS = "appsvc:"
# As process 1, which it is on the platform, a shell is not ended by SIGTERM. The programs that it
# runs, also in its place, get the signal's default again.
_KEEPS_SIGTERM = "trap : TERM"


def make_script(
    start: StartPlan,
    space: Space,
    image: Image,
    *,
    pre_run: str,
    antenv: bool,
) -> str:
    """Return the script of a container.

    `antenv`: the site has a virtual environment. A startup command that is a file of the site must
    be executable.
    """
    site, own = shlex.quote(space.site), names.VIRTUAL_ENVIRONMENT
    name = f"{space.site}/{own}"
    lines = ["#!/bin/sh", _KEEPS_SIGTERM, f"cd {site}"]
    if pre_run.strip():
        lines += [
            "echo 'Running the provided pre-run command...'",
            space.inside(pre_run),
            "code=$?",
            f'[ "$code" -eq 0 ] || echo "{_OURS} PRE_RUN_COMMAND ended with exit code $code;'
            ' the platform continues anyway."',
        ]
    lines += [
        f"cd {site}",
        f"export APP_PATH={site}",
        'export HOST="${HOST:-0.0.0.0}"',
        f'export PATH={shlex.quote(str(image.bin))}:"$PATH"',
    ]
    packages = []
    if not antenv:
        missing = f"WARNING: Could not find virtual environment directory {name}."
        lines.append(f"echo {shlex.quote(missing)}")
    else:
        version = ".".join(map(str, image.version))
        packages.append(f"{name}/lib/python{version}/site-packages")
        found = f"Using packages from virtual environment {own} located at {name}."
        lines.append(f"echo {shlex.quote(found)}")
    packages.append(str(image.site_packages))
    for folder in packages:
        lines.append('export PYTHONPATH="${PYTHONPATH:+$PYTHONPATH:}"' + shlex.quote(folder))
    if antenv:
        lines.append(f". {site}/{own}/bin/activate")
    command = space.inside(start.command)
    if start.framework == "custom":
        # So that a script in the site is found by its name alone (ExtendPathForCommand).
        command = f'PATH="$PATH:"{site} {command}'
    return "\n".join([*lines, command, ""])
