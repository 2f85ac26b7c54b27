"""Warnings that each process logs once, because a request causes them.

Imports nothing: the middleware loads it. Must not know what the warnings are about.
"""

from __future__ import annotations

__all__ = ["warn_once"]

_logged: set[str] = set()


def warn_once(text: str) -> None:
    """Log a warning under the middleware's name, unless this process has logged it before."""
    if text not in _logged:
        _logged.add(text)
        import logging  # 20 ms of imports that a healthy site never needs here

        logging.getLogger("appsvc_runtime.middleware").warning("%s", text)
