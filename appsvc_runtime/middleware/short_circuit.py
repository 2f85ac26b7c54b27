"""What is responded in an app's place: health, warm-up, the way to https, the way to a sign-in.

A request in WSGI's spelling in, a `Reply` or None out; the middlewares for WSGI and for ASGI send
it. Importing this module loads nothing beyond the interpreter's own start: what makes replies is
loaded when there is one to make. Must not know of apps or servers.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .health import Health
    from .login import Requirement
    from .options import MiddlewareOptions
    from .response import Reply
    from .trust import TrustPolicy

__all__ = ["Responder"]


class Responder:
    """Responds to requests that are not the app's, by a middleware's options.

    `trust` has decided about each request before. Only a request for one of `paths` can have a
    reply, unless `for_all`. `hsts` is the value of Strict-Transport-Security for secure responses,
    "" for none; `requires_login` is whether nobody gets in without a sign-in.
    """

    def __init__(self, options: MiddlewareOptions, trust: TrustPolicy) -> None:
        self._options = options
        self._trust = trust
        self._health = options.health
        self.paths = {options.health.path} if options.health is not None else set()
        if options.responds_to_warmup:
            self.paths.add(options.warmup_path)
        self._login: Requirement | None = None
        if options.require_login:
            from . import login

            self._login = login.require(options.require_login)
        self.requires_login = self._login is not None
        self.for_all = options.https_only or self.requires_login
        self.hsts = f"max-age={options.hsts_seconds}" if options.https_only else ""
        if options.health is not None:
            from . import drain

            drain.watch(options.health)

    def reply(self, environ: dict[str, Any]) -> Reply | None:
        """Return the response that is given for the app; None for a request that goes to the app.

        What needs no sign-in (health, warm-up) is answered here or needs one after all: nothing
        goes to the app on account of its path. Checks of health may wait.
        """
        path = environ.get("PATH_INFO")
        if path in self.paths:
            from . import probes

            if self._health is not None and path == self._health.path:
                return probes.reply_health(self._health, environ)
            # A client's is passed on: it may be a page of the app's, which is asked for first.
            if not probes.is_from_outside(environ):
                return probes.reply_warmup()
        found = self._refuse(environ) if self.for_all else None
        if found is not None and (health := self.find_health(environ)) is not None:
            from . import probes

            # Behind an entry point's middleware it is the user's own that has it.
            return probes.reply_health(health, environ)
        return found

    def find_health(self, environ: dict[str, Any]) -> Health | None:
        """Return the health for which `reply` may respond to a request, if any."""
        path = environ.get("PATH_INFO", "")
        if self._health is not None and path == self._health.path:
            return self._health
        if not self.for_all:
            return None
        from . import drain

        return drain.find(path)

    def _refuse(self, environ: dict[str, Any]) -> Reply | None:
        """Return the way to https or to a sign-in; None for a request that may pass."""
        if self._options.https_only and environ["wsgi.url_scheme"] != "https":
            from . import https

            if not self._is_probe(environ):
                return https.redirect(environ, self._options.site_host)
        if self._login is not None:
            from . import login

            refusal = login.refuse_for_site(environ, self._login)
            if refusal is not None:
                return login.reply(refusal)
        return None

    def _is_probe(self, environ: dict[str, Any]) -> bool:
        """Return whether a plain request is a probe, which is not redirected.

        No client can pass for one: each would get the app's pages by plain http.
        """
        if not self._trust.trusts(environ):
            return False
        if "HTTP_X_FD_HEALTHPROBE" in environ:
            return self._trust.is_front_door(environ)
        from . import probes

        return self._options.on_app_service and probes.is_probe(environ, self._options.warmup_path)
