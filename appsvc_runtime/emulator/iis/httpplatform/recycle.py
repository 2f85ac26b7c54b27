"""The files of `<recycleOnFileChange>`: a change of one of them restarts the site.

Pure, except that it looks whether files exist. Must not know how changes are noticed. Source:
StartMonitoringConfiguredFiles of outprocessapplication.cpp, lextudio/httpplatformhandlerv2: each
path is one file, absolute or below the application's folder, compared without regard to case.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..windows_paths import PathMap, expand

if TYPE_CHECKING:
    from ..webconfig.model import HttpPlatform

__all__ = ["RecycleFiles"]


class RecycleFiles:
    """The files of one `httpPlatform` element; `outside`: those not below the application."""

    def __init__(self, settings: HttpPlatform, paths: PathMap, windows: Mapping[str, str]) -> None:
        self.outside: list[str] = []
        self._names: set[str] = set()
        for text in settings.recycle_on_file_change:
            found = paths.local(expand(text, windows))
            if found is not None and found.is_relative_to(paths.site):
                self._names.add(os.path.normcase(found.relative_to(paths.site)).lower())
            else:
                self.outside.append(text)

    def first(self, names: Iterable[str]) -> str:
        """Return the first of these changed files that is listed, or "".

        `names` are relative to the application's folder, with slashes.
        """
        return next((n for n in names if os.path.normcase(n).lower() in self._names), "")
