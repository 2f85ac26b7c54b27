"""The folder of the default site: its app, and the start plan that the page shows.

Writes files. Must not know which server serves them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ...redaction.masking import mask_command
from ...startup.plan import StartPlan

__all__ = ["write_default_site"]

_APP = Path(__file__).with_name("default_application.py")


def write_default_site(folder: Path, start: StartPlan, site: Path) -> None:
    """Create the folder, whose `application:app` is the page; `site` is the user's own folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_APP, folder / "application.py")
    told = {
        "site": str(site),
        "python_version": start.python_version,
        # The page shows commands from app settings, which can hold secrets.
        "looked_at": [mask_command(step) for step in start.looked_at],
        "warnings": [mask_command(warning) for warning in start.warnings],
    }
    (folder / "plan.json").write_text(json.dumps(told), "utf-8")
