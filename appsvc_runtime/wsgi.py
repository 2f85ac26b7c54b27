"""The entry point for `WSGI_HANDLER=appsvc_runtime.wsgi.application`, and for any WSGI server.

`application` serves the app that `APPSVC_APP` names, else the app that is detected in the current
folder, behind the middleware. The app is imported at the first request (or by
`application.load()`), so that importing this module costs nothing and an error reaches the server's
own log: wfastcgi writes it to `WSGI_LOG` and sends it to IIS. A failed import is tried again at the
next request.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from .errors import AppServiceError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["LazyApplication", "application"]


class LazyApplication:
    """A WSGI app that finds and imports the real app when it is first needed."""

    def __init__(self) -> None:
        self._app: WSGIApplication | None = None
        self._contained: WSGIApplication | None = None
        self._loading = False
        self._failure: AppServiceError | None = None
        # An RLock: the app's own modules may import this module and call `load` during its import.
        self._lock = threading.RLock()

    def load(self, name: str | None = None) -> WSGIApplication:
        """Return the real app behind the middleware, imported on the first call.

        `name` is the app's name; for None the app is chosen as the module's docstring describes.
        Raises AppLoadError, and ConfigError for a setting that cannot be used. A later call tries
        again. If that fails too, the first error is raised, because a half-imported app (Django's
        registry, for example) fails the second time for another reason.
        """
        with self._lock:
            if self._app is None:
                if self._loading:
                    raise self._names_itself()
                self._loading = True
                try:
                    self._app = self._find(name)
                except AppServiceError as error:
                    self._failure = self._failure or error
                    raise self._failure.with_traceback(None) from None
                finally:
                    self._loading = False
            return self._app

    def _find(self, name: str | None) -> WSGIApplication:
        from .apps import load as apps_load  # imports the detection of apps, not needed before

        site = os.getcwd()
        choice = apps_load.choose_app(site, os.environ, name)
        app = apps_load.load_app(choice.name, site)
        if isinstance(app, LazyApplication):
            raise self._names_itself()
        return apps_load.wrap(app)

    @staticmethod
    def _names_itself() -> AppServiceError:
        return ConfigError(
            "The app is appsvc_runtime.wsgi itself, which only looks for an app.",
            hint="Name your own app in APPSVC_APP, as module:attr.",
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request; raise the errors of `load`."""
        if self._contained is None:
            from .apps import faults

            self._contained = faults.contain_wsgi(self.load())
        return self._contained(environ, start_response)


application = LazyApplication()
