"""What the image has in /opt/startup: a configuration for gunicorn, and a folder of modules.

Stand-ins of our own. Writes files. Must not know who reads them.

Source: Azure-App-Service/ImageBuilder, GenerateDockerFiles/python (its last public state, 2024).
"""

from __future__ import annotations

import posixpath
import shutil
from pathlib import Path

from ...azure import names

__all__ = ["write_image_folder"]

_CONFIG = Path(__file__).with_name("image_gunicorn.py")


def write_image_folder(folder: Path) -> None:
    """Make `folder` what /opt/startup is in the image."""
    modules = folder / posixpath.basename(names.IMAGE_PYTHONPATH)
    modules.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_CONFIG, folder / posixpath.basename(names.IMAGE_GUNICORN_CONFIG))
