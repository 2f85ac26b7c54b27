"""Where an emulated container has more than one on the platform: what works here and fails there.

Looks at this machine, and describes only what it finds. Must not know how a container is started.

Sources: Oryx, images/runtime/python, and Azure-App-Service/ImageBuilder, for what is installed in
the image; the App Service pricing page for the smallest plan, B1.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ...azure import names
from ...system import memory, process
from .environment import PATH

__all__ = ["describe_more"]

_SMALL_CORES, _SMALL_GIGABYTES = 1, 1.75
_GIGABYTE = 1 << 30
# Programs that apps call, and that the image does not have.
_PROGRAMS = (
    "ffmpeg git node java docker convert magick gs pdftotext wkhtmltopdf soffice pandoc tesseract "
    "chromium google-chrome psql pg_dump mysql mysqldump redis-cli"
).split()
_MAX_SHOWN = 4
_COMMAND = "appsvc"


def describe_more(folder: Path, *, own_home: bool) -> Iterator[str]:
    """Yield sentences; `folder` is the copy that is run, `own_home`: /home is a folder of ours.

    The first has what is usual, the others what surprises.
    """
    parts = []
    cores, total = process.cpu_count(), memory.total_bytes()
    if cores > _SMALL_CORES:
        parts.append(f"{cores} cores (a B1 has {_SMALL_CORES})")
    if total is not None and total > _SMALL_GIGABYTES * _GIGABYTE:
        parts.append(f"{total / _GIGABYTE:.0f} GB of memory (a B1 has {_SMALL_GIGABYTES})")
    if own_home:
        parts.append("/home on a local disk (there a network share)")
    found = [name for name in _PROGRAMS if shutil.which(name, path=PATH)]
    shown = ", ".join(found[:_MAX_SHOWN]) + (", …" if len(found) > _MAX_SHOWN else "")
    parts.append(f"this machine's programs and libraries{f' ({shown})' if shown else ''}")
    parts.append("its network, and what listens on its 127.0.0.1")
    yield f"More than on the platform: {'; '.join(parts)}."
    own = folder / names.VIRTUAL_ENVIRONMENT / "bin" / _COMMAND
    machines = shutil.which(_COMMAND, path=PATH)
    if machines and not own.exists():
        yield (
            f"{machines} is this machine's own: there the site would have no `{_COMMAND}`, as it "
            "installs none."
        )
    if _ignores_case(folder):
        yield "This disk ignores case in file names: there app.py and App.py are two files."


def _ignores_case(folder: Path) -> bool:
    """Return whether a folder is found by a name in the other case too."""
    other = folder.with_name(folder.name.swapcase())
    try:
        return other.name != folder.name and os.path.samefile(folder, other)
    except OSError:
        return False
