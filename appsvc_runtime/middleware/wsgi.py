"""`AppServiceMiddleware`: WSGI in, WSGI out, and the app sees the client as the front end did.

    app.wsgi_app = AppServiceMiddleware(app.wsgi_app)               # Flask
    application = AppServiceMiddleware(get_wsgi_application())      # Django

On App Service it trusts the platform's front end and nobody else. Elsewhere it trusts the peers
named by `trusted_proxies`; with none named it is inert: nobody is trusted, and nothing is changed
but that headers by which a client would pass for a signed-in user are removed. Where it is not
inert, all that an untrusted peer reports is removed before the app sees it, and all that a library
could read of a trusted peer's headers agrees with what was decided.

For every request it adds two keys to the environ: `appsvc.request`, a `RequestInfo`, and
`appsvc.original`, a dict of the WSGI variables it may change or has removed to the values they came
with (None where there was none).

Importing this module loads nothing beyond the interpreter's own start. `trust` decides about a
request, `short_circuit` responds in the app's place. Must not know of servers, frameworks or
the emulator.
"""

from __future__ import annotations

from ..errors import drop_frames
from ..logs import request_context
from .options import MiddlewareOptions
from .short_circuit import Responder
from .trust import TrustPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from .health import Health

__all__ = ["AppServiceMiddleware"]


class AppServiceMiddleware:
    """Make the app see scheme, host, client and user as a trusted peer reports them, else as it is.

    `app`: any WSGI app. Each option falls back to its variable, then to its default:

    - `trusted_proxies` (`APPSVC_TRUSTED_PROXIES`): addresses, networks or `*`, as an iterable or
      comma-separated. On App Service by default: loopback, link-local and private peers, and
      under wfastcgi every peer, because IIS is the only way in.
    - `hops` (`APPSVC_FORWARDED_HOPS`): how many proxies append to `X-Forwarded-*`.
    - `front_door_id` (`APPSVC_FRONT_DOOR_ID`), `host_header` (`APPSVC_HOST_HEADER`): where the
      client's host is to be taken from when it is not in `Host`.
    - `client_header` (`APPSVC_CLIENT_HEADER`): the header in which a CDN names the client.
    - `arr_ssl` (`APPSVC_ARR_SSL`): whether `X-ARR-SSL` is a sign of https.
    - `fastcgi_identity` (`APPSVC_FASTCGI_IDENTITY`): whether who is signed in is read under
      wfastcgi; only where web.config refuses header names with underscores.
    - `remote_user` (`APPSVC_REMOTE_USER`): set `REMOTE_USER` and `AUTH_TYPE` for a signed-in user,
      by provider and id (True, `id`), or by the name shown (`name`).
    - `require_login` (`APPSVC_REQUIRE_LOGIN`): let only signed-in users in. A provider such as
      `aad`, to whose sign-in all others are sent; several, `aad,google`; or `401`.
    - `https_only` (`APPSVC_HTTPS_ONLY`), `hsts_seconds` (`APPSVC_HSTS_SECONDS`).
    - `access_log` (`APPSVC_ACCESS_LOG`): a line for each request, where the server writes none.
    - `pass_warmup` (`APPSVC_PASS_WARMUP`): let the app answer the platform's warm-up request.
    - `health`: a `Health`, whose path is answered here.

    `environ`: the process's variables, `os.environ` by default, read here and never later.
    Raises ConfigError for a setting that cannot be used. `app` is kept as an attribute.
    """

    @drop_frames
    def __init__(
        self,
        app: WSGIApplication,
        *,
        trusted_proxies: Iterable[str] | str | None = None,
        hops: int | None = None,
        front_door_id: str | None = None,
        host_header: str | None = None,
        client_header: str | None = None,
        arr_ssl: bool | None = None,
        fastcgi_identity: bool | None = None,
        remote_user: bool | str | None = None,
        require_login: str | None = None,
        https_only: bool | None = None,
        hsts_seconds: int | None = None,
        access_log: bool | None = None,
        pass_warmup: bool | None = None,
        health: Health | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._options = options = MiddlewareOptions(locals())
        self._trust = TrustPolicy(options)
        self._responder = Responder(options, self._trust)
        self.app = app
        self._serve: WSGIApplication = self._respond
        if options.access_log:
            from .access_log import AccessLog

            self._serve = AccessLog(
                self._respond, warmup_path=options.warmup_path, probes=options.log_probes
            )
        self._looks_at_all = self._responder.for_all or options.access_log
        self._has_begun = options.health is None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request, as PEP 3333 says; never raises on any header."""
        self._trust.decide(environ)
        if request_context.enabled:
            request_context.enter(environ)
        if not self._has_begun:
            self._begin()
        if self._looks_at_all or environ.get("PATH_INFO") in self._responder.paths:
            return self._serve(environ, start_response)
        return self.app(environ, start_response)

    def _begin(self) -> None:
        """Let health drain at a stop: with the first request the server's own handlers are there.

        A constructor may not do it, and a server that handles requests in threads alone does not
        let it be done here.
        """
        from . import drain

        drain.install()
        # IIS sends no signal.
        if self._options.on_app_service and not self._options.under_iis:
            drain.warn_if_missing()
        self._has_begun = True

    def _respond(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond in the app's place, or let the app respond."""
        if self._responder.hsts and environ["wsgi.url_scheme"] == "https":
            from . import https  # loaded by those who switch it on

            start_response = https.add_hsts(start_response, self._responder.hsts)
        reply = self._responder.reply(environ)
        if reply is not None:
            from . import response  # loaded by those who are answered here

            return response.send(reply, environ, start_response)
        return self.app(environ, start_response)
