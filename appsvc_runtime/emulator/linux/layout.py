"""Where the folders of a container are on this machine, and what they are in the container.

Data only. Must not know how a container gets to see them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """The folders of a container.

    `home` becomes /home, `opt` has what is put into /opt. `site` is the copy that is run; if it was
    built, it appears at `point`, an empty folder below /tmp, else at /home/site/wwwroot. `wwwroot`
    is what /home/site/wwwroot has, `read_only` if nothing may be written there. `stage` is a folder
    for mount points.
    """

    home: Path
    opt: Path
    site: Path
    wwwroot: Path
    stage: Path
    point: Path | None = None
    read_only: bool = False
