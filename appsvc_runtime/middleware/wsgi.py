"""`AppServiceMiddleware`, the WSGI middleware: the app sees the client as the front end saw it.

    app.wsgi_app = AppServiceMiddleware(app.wsgi_app)               # Flask
    application = AppServiceMiddleware(get_wsgi_application())      # Django

On App Service it trusts only the platform's front end. Elsewhere it trusts the peers named by
`trusted_proxies`. If none are named, it is inert: no peer is trusted, and the only change is that
headers with which a client would pass for a signed-in user are removed. If it is not inert, all
forwarded headers of an untrusted peer are removed before the app sees them. A trusted peer's
headers are made to agree with the decision, whichever of them a library reads.

For every request it adds two keys to the environ: `appsvc.request`, a `RequestInfo`, and
`appsvc.original`, a dict with the original values of the WSGI variables that it may have changed or
removed (None for a missing one).

Importing this module loads no library module beyond those of Python's own start. `trust` decides
about a request, `short_circuit` responds in place of the app. Must not know of servers, frameworks
or the emulator.
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
    """Set scheme, host, client and user of a request as a trusted peer reports them.

    An untrusted peer's request keeps the values that the server saw. `app` is any WSGI app. Each
    option falls back to its variable, then to its default:

    - `trusted_proxies` (`APPSVC_TRUSTED_PROXIES`): addresses, networks or `*`, as an iterable or
      comma-separated. On App Service by default: loopback, link-local and private peers, and
      under wfastcgi every peer, because requests can only come through IIS.
    - `hops` (`APPSVC_FORWARDED_HOPS`): how many proxies append to `X-Forwarded-*`.
    - `front_door_id` (`APPSVC_FRONT_DOOR_ID`), `host_header` (`APPSVC_HOST_HEADER`): the source of
      the client's host if it is not in `Host`.
    - `client_header` (`APPSVC_CLIENT_HEADER`): the header in which a CDN names the client.
    - `path_prefix` (`APPSVC_PATH_PREFIX`): whether the gateway's `X-Forwarded-Prefix` is the path
      below which clients see the app.
    - `application_path` (`APPSVC_APPLICATION_PATH`): the path of the app's application in IIS, such
      as `/shop`; by default the one that IIS reports.
    - `arr_ssl` (`APPSVC_ARR_SSL`): whether `X-ARR-SSL` is a sign of https.
    - `fastcgi_identity` (`APPSVC_FASTCGI_IDENTITY`): whether the signed-in user is read under
      wfastcgi. Safe only if web.config refuses header names with underscores.
    - `remote_user` (`APPSVC_REMOTE_USER`): set `REMOTE_USER` and `AUTH_TYPE` for a signed-in user,
      by provider and id (True, `id`), or by the display name (`name`).
    - `require_login` (`APPSVC_REQUIRE_LOGIN`): let only signed-in users in. A provider such as
      `aad`, to whose sign-in all others are redirected; several, `aad,google`; or `401`.
    - `https_only` (`APPSVC_HTTPS_ONLY`): redirect http to https. `hsts_seconds`
      (`APPSVC_HSTS_SECONDS`): the max-age of Strict-Transport-Security with it.
    - `access_log` (`APPSVC_ACCESS_LOG`): write a line for each request, if the server writes none.
    - `pass_warmup` (`APPSVC_PASS_WARMUP`): pass the platform's warm-up request to the app.
    - `health`: a `Health`, to whose path the middleware responds.

    `environ`: the process's variables, `os.environ` by default, read only by this constructor.
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
        path_prefix: bool | None = None,
        application_path: str | None = None,
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
        """Serve one request, as PEP 3333 defines; raise for no header."""
        self._trust.decide(environ)
        if request_context.enabled:
            request_context.enter(environ)
        if not self._has_begun:
            self._begin()
        if self._looks_at_all or environ.get("PATH_INFO") in self._responder.paths:
            return self._serve(environ, start_response)
        return self.app(environ, start_response)

    def _begin(self) -> None:
        """Set up the time to drain at the first request, when the server has set its handlers.

        A constructor must not set signal handlers. In a server that handles requests only in
        threads, they cannot be set here.
        """
        from . import drain

        drain.install()
        # IIS sends no signal.
        if self._options.on_app_service and not self._options.under_iis:
            drain.warn_if_missing()
        self._has_begun = True

    def _respond(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Respond in place of the app, or call it."""
        if self._responder.hsts and environ["wsgi.url_scheme"] == "https":
            from . import https  # loaded only if it is switched on

            start_response = https.add_hsts(start_response, self._responder.hsts)
        reply = self._responder.reply(environ)
        if reply is not None:
            from . import response  # loaded only for such a reply

            return response.send(reply, environ, start_response)
        return self.app(environ, start_response)
