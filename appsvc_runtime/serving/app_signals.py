"""The stop signals while an app is imported, and the handlers that the app sets then.

Our servers set their handlers after the import, which replaces the app's. So the app's is called
too, once our stop has begun. Must not know of any server.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from ..middleware import drain
from ..system import signals

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AppSignals"]

_log = logging.getLogger(__name__)


class AppSignals:
    """Ends this process with `code` at a stop signal, until `hand_over`: no client is served yet.

    Make it in the main thread, before the app is imported.
    """

    def __init__(self, code: int = 0) -> None:
        self._code = code
        self._ends = True
        self._apps: dict[int, Any] = {}
        signals.on_stop_signal(self._end)
        self._ours = signals.current_handlers()

    def hand_over(self, install: Callable[[Callable[[int], None]], None]) -> None:
        """Call `install`, which sets the server's handlers; call it after the app is imported.

        It gets the function that a handler calls with the signal's number after the stop has begun.
        """
        for number, handler in signals.current_handlers().items():
            handler = drain.unwrap(handler)
            if callable(handler) and handler is not self._ours.get(number):
                self._apps[number] = handler
        install(self._call)
        # An app's handler may call the one that it replaced, which is ours.
        self._ends = False

    def _call(self, number: int) -> None:
        """Call the app's handler of a signal, if it has one."""
        handler = self._apps.get(number)
        if handler is None:
            return
        try:
            handler(number, None)
        except (SystemExit, KeyboardInterrupt):
            pass  # the usual end of such a handler; here running requests finish first
        except Exception:
            _log.exception("The app's handler of signal %d failed.", number)

    def _end(self) -> None:
        if self._ends:
            os._exit(self._code)
