"""This very package for a build's pip, if it was installed from a folder and not from an index.

A checkout's requirements name `appsvc-runtime` as a release's do. So that both can be built, a
wheel is made of the folder from which this package was installed (PEP 610: direct_url.json); a
wheel from which it was installed is used as it is. Must not know of sites.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from ...processes.workspace import cache_folder
from .run_step import run_step

if TYPE_CHECKING:
    from ...http.messages import Say

__all__ = ["find_source", "make_wheel", "source_digest"]

_NAME = "appsvc-runtime"
_PACKAGE = "appsvc_runtime"
_FILES = ("pyproject.toml", "setup.cfg", "README.md", "LICENSE")


def find_source() -> Path | None:
    """Return the folder or wheel from which this package was installed; None if from an index."""
    beside = Path(__file__).resolve().parents[4]
    if (beside / "setup.cfg").is_file() and (beside / "pyproject.toml").is_file():
        return beside
    try:
        told = importlib.metadata.distribution(_NAME).read_text("direct_url.json")
        url = urlsplit(json.loads(told or "{}").get("url", ""))
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return None
    found = Path(url2pathname(url.path)) if url.scheme == "file" else None
    if found is None or not ((found / "setup.cfg").is_file() or _is_wheel(found)):
        return None
    return found


def _is_wheel(path: Path) -> bool:
    return path.suffix == ".whl" and path.is_file()


def _sources(source: Path) -> list[Path]:
    inside = [path for path in (source / _PACKAGE).rglob("*") if path.suffix in (".py", ".typed")]
    return sorted(inside) + [source / name for name in _FILES if (source / name).is_file()]


def source_digest(source: Path) -> str:
    """Return a digest of the package's sources, or of the wheel."""
    if _is_wheel(source):
        return hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    digest = hashlib.sha256()
    for path in _sources(source):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(source)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


async def make_wheel(
    source: Path, python: str, environ: Mapping[str, str], say: Say
) -> Path | None:
    """Return a folder with the package's wheel, built with `python` if it does not exist.

    None if it cannot be built: pip then searches for a release, and reports if it finds none.
    """
    folder = cache_folder(environ) / "wheels" / source_digest(source)
    if any(folder.glob("*.whl")):
        return folder
    if _is_wheel(source):
        _keep(source, folder)
        return folder
    with tempfile.TemporaryDirectory(prefix="appsvc-wheel-") as made:
        copy = Path(made) / "source"
        await asyncio.to_thread(_copy_sources, source, copy)
        built = Path(made) / "built"
        argv = [python, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(built), str(copy)]
        ended = await run_step(
            _NAME, argv, environ=environ, cwd=copy, say=say, shown=f"pip wheel {source}"
        )
        if ended.code:
            return None
        for wheel in built.glob("*.whl"):
            _keep(wheel, folder)
    return folder


def _keep(wheel: Path, folder: Path) -> None:
    """Copy a wheel into a folder, where it appears completely or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{wheel.name}.{os.getpid()}"
    shutil.copyfile(wheel, unfinished)
    os.replace(unfinished, folder / wheel.name)


def _copy_sources(source: Path, copy: Path) -> None:
    for path in _sources(source):
        target = copy / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
