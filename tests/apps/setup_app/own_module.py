"""Installed by setup.py."""

TOLD = b"from the package"
