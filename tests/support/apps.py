"""Copies of the small sites of tests/apps and of the examples, made where a test may build them.

Must not import the package under test.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from tests.support.servers import ROOT

__all__ = ["copy_app", "copy_example", "digest"]


def copy_app(name: str, folder: Path) -> Path:
    """Copy a site of tests/apps to `folder/NAME`."""
    return _copy(ROOT / "tests" / "apps" / name, folder / name)


def copy_example(name: str, folder: Path) -> Path:
    """Copy an example to `folder/NAME`."""
    return _copy(ROOT / "examples" / name, folder / name)


def digest(site: Path) -> str:
    """Return a text that stands for the names, contents and modes of all files in a folder."""
    total = hashlib.sha256()
    for path in sorted(site.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        total.update(f"{path.relative_to(site)} {path.stat().st_mode} {len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()


def _copy(source: Path, target: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", ".appsvc", "staticfiles")
    return Path(shutil.copytree(source, target, ignore=ignored))
