"""gunicorn's logger for the container: both logs on standard output, and a fast access line.

Knows gunicorn's logger, and how probes differ from clients' requests; nothing of apps.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from gunicorn.glogging import Logger

from ...middleware.access_log import is_internal_probe, quoted
from ..defaults import ACCESS_LOG_FORMAT
from . import older

if TYPE_CHECKING:
    from ..plan import LaunchPlan

__all__ = ["StdoutLogger"]


class StdoutLogger(Logger):  # type: ignore[misc]
    """gunicorn's logger, with both logs on standard output and a faster access line.

    For each line gunicorn collects every header and variable of the request, but shows only seven
    of them; that takes a fifth of a small app's time for a request. A format of the user's is
    still handled by gunicorn.
    """

    _second = 0
    _stamp = ""
    _probes = False
    _warmup_path = ""

    @classmethod
    def made_for(cls, plan: LaunchPlan) -> type[StdoutLogger]:
        """Return a logger class for a plan: gunicorn makes the instance without our arguments."""
        members = {"_probes": plan.log_probes, "_warmup_path": plan.warmup_path}
        return type(cls.__name__, (cls,), members)

    def setup(self, cfg: Any) -> None:
        """Set up as gunicorn does, then move handlers from standard error to standard output."""
        super().setup(cfg)
        self._own_format = cfg.access_log_format == ACCESS_LOG_FORMAT
        if cfg.errorlog == "-":
            for handler in self.error_log.handlers:
                if getattr(handler, "stream", None) is sys.stderr:
                    handler.setStream(sys.stdout)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> None:
        """Write the access line in the format ACCESS_LOG_FORMAT; write none for probes."""
        if not self._probes and is_internal_probe(environ, self._warmup_path):
            return
        if not self._own_format:
            super().access(resp, req, environ, request_time)
        elif self._is_enabled():
            get = environ.get
            user = self._get_user(environ) or "-"
            line = (
                f"{get('REMOTE_ADDR') or '-'} - {user} {self._now()} "
                f'"{get("REQUEST_METHOD")} {quoted(get("RAW_URI", "-"))} '
                f'{get("SERVER_PROTOCOL")}" {str(resp.status)[:3]} {resp.sent} '
                f'"{quoted(get("HTTP_REFERER", "-"))}" "{quoted(get("HTTP_USER_AGENT", "-"))}" '
                f"{request_time.seconds * 1000 + request_time.microseconds // 1000}ms "
                f"{get('wsgi.url_scheme', '-')}"
            )
            self.access_log.info(line)

    def _get_user(self, environ: dict[str, Any]) -> str | None:
        """Return the signed-in user as one word, or None; a format of the user's uses this too.

        gunicorn would take the unchecked name in `Authorization: Basic`. A client chooses that
        name, can shift the rest of the line with blanks in it, and some APIs put their keys there.
        """
        user = environ.get("REMOTE_USER")
        return quoted(user).replace(" ", r"\x20") if user else None

    def _is_enabled(self) -> bool:
        enabled: bool | None = getattr(self, "access_log_enabled", None)  # new in gunicorn 25
        return older.is_access_log_enabled(self.cfg) if enabled is None else enabled

    def _now(self) -> str:
        """Return the time as `now()` does, formatted once a second."""
        second = int(time.time())
        if second != self._second:
            self._stamp, self._second = self.now(), second
        return self._stamp
