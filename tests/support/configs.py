"""Helpers for tests of web.config: the settings for a path, and the elements of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from appsvc_runtime.emulator.iis.webconfig.merge import Level, resolve
from appsvc_runtime.emulator.iis.webconfig.model import Config
from appsvc_runtime.emulator.xml.tree import Element

__all__ = ["merge", "walk"]


def merge(levels: Sequence[Level], path: str, *, httpplatform_version: int = 1) -> Config:
    """Return the settings that `levels` give for `path`."""
    return resolve(levels, path, httpplatform_version=httpplatform_version).config


def walk(element: Element) -> Iterator[Element]:
    """Yield an element and all elements below it, in the order of the file."""
    waiting = [element]
    while waiting:
        element = waiting.pop()
        yield element
        waiting.extend(reversed(element.children))
