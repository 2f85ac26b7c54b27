"""Programs that some tests need, and that not every machine has."""

from __future__ import annotations

import shutil

import pytest

__all__ = ["needs_git"]

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
