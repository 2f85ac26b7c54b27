"""This package's wheel, virtual environments, and pip's own plans for them.

All but the wheel need a package index: if none responds, tests are skipped, and fail in CI.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import ROOT

__all__ = ["build_wheel", "installed", "make_venv", "plan", "run_pip"]

_MINUTES = 300


def build_wheel(folder: Path) -> Path:
    """Build the wheel in a folder, from a copy, so that no build folder is left in the checkout."""
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    pip_wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run(
        [*pip_wheel, "-w", str(folder), str(source)],
        check=True, capture_output=True, timeout=_MINUTES,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


def make_venv(folder: Path, requirements: Sequence[str], python: str = sys.executable) -> Path:
    """Make a virtual environment without pip and install into it; return its interpreter."""
    subprocess.run(
        [python, "-m", "venv", "--without-pip", str(folder)], check=True, capture_output=True
    )
    made = folder / "bin" / "python"
    run_pip(made, "install", "--quiet", *requirements)
    return made


def run_pip(python: Path, *arguments: str) -> str:
    """Run this environment's pip for another one; skip if no package index responds."""
    ended = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), *arguments],
        capture_output=True, text=True, check=False, timeout=_MINUTES,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )  # fmt: skip
    offline = "No matching distribution" in ended.stderr or "Connection" in ended.stderr
    if ended.returncode and offline and not os.environ.get("CI"):
        pytest.skip(f"the package index does not respond: {ended.stderr.strip()[-200:]}")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def plan(python: Path, *requirements: str) -> dict[str, str]:
    """Return what pip would install for the requirements, as versions by name."""
    told = run_pip(
        python, "install", "--quiet", "--dry-run", "--report", "-", "--prefer-binary", *requirements
    )
    report: dict[str, Any] = json.loads(told)
    metadata = [item["metadata"] for item in report["install"]]
    return {_normal(item["name"]): item["version"] for item in metadata}


def installed(python: Path) -> dict[str, str]:
    """Return what is installed in a virtual environment, as versions by name."""
    folders = [str(folder) for folder in python.parent.parent.glob("lib/python*/site-packages")]
    found = importlib.metadata.distributions(path=folders)
    return {_normal(one.metadata["Name"]): one.version for one in found}


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
