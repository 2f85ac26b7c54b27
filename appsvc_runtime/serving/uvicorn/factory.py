"""The door for any ASGI server that asks for a factory.

    uvicorn --factory appsvc_runtime.serving.uvicorn.factory:make --no-proxy-headers

The ASGI app that `APPSVC_APP` names, else the one detected in the current folder, behind the
middleware.
"""

from __future__ import annotations

import os
from typing import Any

from ...apps import load
from ...errors import AppLoadError
from ...middleware import access_log
from .. import one_host

__all__ = ["make"]


def make() -> Any:
    """Import the app and give it behind the middleware.

    Raises AppLoadError, also for a WSGI app, and ConfigError for a setting that cannot be used.
    """
    site = os.getcwd()
    choice = load.choose_app(site, os.environ)
    app, interface = load.wrap_any(load.load_any(choice.name, site))
    if interface != "asgi":
        raise AppLoadError(
            f"The app {choice.name!r} is a WSGI app, which an ASGI server cannot run.",
            hint=f"Serve it with `appsvc serve {choice.name}`.",
        )
    access_log.show()
    return one_host.OneHost(app)
