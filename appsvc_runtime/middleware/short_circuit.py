"""What is answered in an app's place: health, warm-up, the way to https, the way to a sign-in.

A request in WSGI's spelling in, a `Reply` or None out; the middlewares for WSGI and for ASGI send
it. Importing this room loads nothing beyond the interpreter's own start: what makes replies is
loaded when there is one to make. Must not know of apps or servers.
"""

from __future__ import annotations

import os

from ..azure import hosts
from ..settings import options
from .trust import ORIGINAL_KEY, Decider

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .health import Health
    from .login import Requirement
    from .response import Reply

__all__ = ["Replier"]


class Replier(Decider):
    """Decides about requests, and answers those that are not the app's.

    See `AppServiceMiddleware` for the options. Raises ConfigError for one that cannot be used.
    """

    def __init__(
        self,
        *,
        trusted_proxies: Iterable[str] | str | None,
        hops: int | None,
        front_door_id: str | None,
        host_header: str | None,
        client_header: str | None,
        arr_ssl: bool | None,
        fastcgi_identity: bool | None,
        remote_user: bool | str | None,
        require_login: str | None,
        https_only: bool | None,
        hsts_seconds: int | None,
        pass_warmup: bool | None,
        health: Health | None,
        environ: Mapping[str, str] | None,
    ) -> None:
        variables = os.environ if environ is None else environ
        super().__init__(
            trusted_proxies=trusted_proxies,
            hops=hops,
            front_door_id=front_door_id,
            host_header=host_header,
            client_header=client_header,
            arr_ssl=arr_ssl,
            fastcgi_identity=fastcgi_identity,
            remote_user=remote_user,
            environ=variables,
        )
        wanted = bool(options.resolve("APPSVC_HTTPS_ONLY", https_only, variables))
        self._https_only = wanted and not self.inert
        self._hsts = f"max-age={options.resolve('APPSVC_HSTS_SECONDS', hsts_seconds, variables)}"
        self._login: Requirement | None = None
        wanted_login = options.resolve("APPSVC_REQUIRE_LOGIN", require_login, variables)
        if wanted_login:
            from . import login

            self._login = login.require(wanted_login)
        self._warmup_path = hosts.warmup_path(variables)
        self._health = health
        # Where an answer may be given for the app, whatever else is asked for.
        self._own_paths = {health.path} if health is not None else set()
        if self._on_app_service and not options.resolve(
            "APPSVC_PASS_WARMUP", pass_warmup, variables
        ):
            self._own_paths.add(self._warmup_path)
        self._for_all = self._https_only or self._login is not None
        if health is not None:
            from . import drain

            drain.watch(health)

    def reply(self, environ: dict[str, Any]) -> Reply | None:
        """Return the response that is given for the app; None for a request that goes to the app.

        What needs no sign-in (health, warm-up) is answered here or needs one after all: nothing
        goes to the app on account of its path. Checks of health may wait.
        """
        path = environ.get("PATH_INFO")
        if path in self._own_paths:
            from . import probes

            if self._health is not None and path == self._health.path:
                return probes.reply_health(self._health, environ)
            # A visitor's is passed on: it may be a page of the app's, which is asked for first.
            if not probes.is_from_outside(environ):
                return probes.reply_warmup()
        found = self._refuse(environ) if self._for_all else None
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
        if not self._for_all:
            return None
        from . import drain

        return drain.find(path)

    def _refuse(self, environ: dict[str, Any]) -> Reply | None:
        """Return the way to https or to a sign-in; None for a request that may pass."""
        if self._https_only and environ["wsgi.url_scheme"] != "https":
            from . import https

            if not self._is_probe(environ):
                return https.redirect(environ, self._site_host)
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
        if not self._is_trusted(environ[ORIGINAL_KEY]["REMOTE_ADDR"], environ):
            return False
        if "HTTP_X_FD_HEALTHPROBE" in environ:
            return bool(self._front_door_id) and self._is_front_door(environ)
        from . import probes

        return self._on_app_service and probes.is_probe(environ, self._warmup_path)
