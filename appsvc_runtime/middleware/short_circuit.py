"""Responds in place of the app: health, warm-up, redirects to https and to a sign-in.

Takes a request as a WSGI environ, returns a `Reply` or None; the middlewares for WSGI and for ASGI
send it. Importing this module loads no library module beyond those of Python's own start: modules
that make replies are imported when a reply is made. Must not know of apps or servers.
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
    """Responds in place of the app, by a middleware's options.

    `trust` must decide about each request first. Only a request for one of `paths` can have a
    reply, unless `for_all` is set. `hsts` is the value of Strict-Transport-Security for secure
    responses, "" for none. `requires_login`: the whole site needs a sign-in.
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
        """Return the response in place of the app's; None for a request that goes to the app.

        Paths that need no sign-in (health, warm-up) get their response here. No path passes to the
        app without the required sign-in. Health checks may block.
        """
        path = environ.get("PATH_INFO")
        if path in self.paths:
            from . import probes

            if self._health is not None and path == self._health.path:
                return probes.reply_health(self._health, environ)
            # A client's request is passed on: the warm-up path may be one of the app's pages.
            if not probes.is_from_outside(environ):
                return probes.reply_warmup()
        found = self._refuse(environ) if self.for_all else None
        if found is not None and (health := self.find_health(environ)) is not None:
            from . import probes

            # The user's own middleware has this health, inside the one of an entry point.
            return probes.reply_health(health, environ)
        return found

    def find_health(self, environ: dict[str, Any]) -> Health | None:
        """Return the `Health` whose path is requested and to which `reply` may respond, or None."""
        path = environ.get("PATH_INFO", "")
        if self._health is not None and path == self._health.path:
            return self._health
        if not self.for_all:
            return None
        from . import drain

        return drain.find(path)

    def _refuse(self, environ: dict[str, Any]) -> Reply | None:
        """Return a redirect to https or a refusal; None for a request that may pass."""
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
        """Return whether a plain http request is a probe, which is not redirected.

        No client may pass for a probe: it would get the app's pages over plain http.
        """
        if not self._trust.trusts(environ):
            return False
        if "HTTP_X_FD_HEALTHPROBE" in environ:
            return self._trust.is_front_door(environ)
        from . import probes

        return self._options.on_app_service and probes.is_probe(environ, self._options.warmup_path)
