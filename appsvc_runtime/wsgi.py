"""The door for `WSGI_HANDLER=appsvc_runtime.wsgi.application`, and for any server that asks a name.

`application` serves the app that `APPSVC_APP` names, else the one detected in the current folder,
behind the middleware. The app is imported with the first request (or by `application.load()`), so
that importing this module costs nothing and an error reaches the server's own log: wfastcgi writes
it to `WSGI_LOG` and sends it to IIS. A failed import is tried again with the next request.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["LazyApplication", "application"]


class LazyApplication:
    """A WSGI app that finds and imports the real one when it is first needed."""

    def __init__(self) -> None:
        self._app: WSGIApplication | None = None
        self._lock = threading.RLock()  # not a plain one: an app may import this module

    def load(self) -> WSGIApplication:
        """Give the real app behind the middleware, imported on the first call.

        Raises AppLoadError, and ConfigError for a setting that cannot be used.
        """
        with self._lock:
            if self._app is None:
                from . import apps  # the readers of folders and sources, not needed before

                site = os.getcwd()
                choice = apps.choose_app(site, os.environ)
                self._app = apps.wrap_once(apps.load_app(choice.name, site))
            return self._app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request; raises what `load` raises."""
        return (self._app or self.load())(environ, start_response)


application = LazyApplication()
