"""The start of gunicorn's workers, in which no stop signal is lost.

A worker has the master's signal handlers until it sets its own. A signal that comes before does
nothing there, and the master waits for the worker until the graceful time is over. Knows gunicorn's
arbiter and workers, and nothing of apps or settings.
"""

from __future__ import annotations

from typing import Any

from ...system import signals

__all__ = ["hold_signals", "let_signals_in"]


def hold_signals(master: Any) -> None:
    """Let the master start each worker with the stop signals held. Call it before the first one."""
    spawn = master.spawn_worker

    def spawn_worker() -> Any:
        with signals.holding_stop_signals():
            return spawn()

    master.spawn_worker = spawn_worker


def let_signals_in(worker: Any) -> None:
    """Let the held signals in, for the handlers that the worker sets later. Call it in a new one.

    Nothing is held from here on: threads and programs that a user's hook starts would inherit it.
    """
    came = signals.collect_stop_signals()
    signals.let_stop_signals_in()
    init = worker.init_signals

    def init_signals() -> None:
        init()
        for number in came:
            signals.signal_self(number)

    worker.init_signals = init_signals
