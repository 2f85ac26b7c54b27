"""Logs warnings that requests cause, each once in a process.

Imports nothing at load, as every middleware loads this module. Must not know what a warning says.
"""

from __future__ import annotations

__all__ = ["warn_once"]

_logged: set[str] = set()


def warn_once(text: str) -> None:
    """Log a warning under the middleware's name, unless this process has logged it before."""
    if text not in _logged:
        _logged.add(text)
        import logging  # takes 20 ms, and a site without warnings does not need it here

        logging.getLogger("appsvc_runtime.middleware").warning("%s", text)
