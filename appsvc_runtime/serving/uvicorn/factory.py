"""The entry point for any ASGI server that takes a factory.

    uvicorn --factory appsvc_runtime.serving.uvicorn.factory:make --no-proxy-headers

It makes the ASGI app that `APPSVC_APP` names, else the app that is detected in the current folder,
behind the middleware.
"""

from __future__ import annotations

import os
from typing import Any

from ...apps import faults, load
from ...errors import AppLoadError
from ...middleware import access_log
from .. import one_host

__all__ = ["load_app", "make"]


def make() -> Any:
    """Import the app that the environment names, and return it behind the middleware.

    Raises AppLoadError for an app that cannot be loaded and for a WSGI app, ConfigError for a
    setting that cannot be used.
    """
    site = os.getcwd()
    return load_app(load.choose_app(site, os.environ).name, site)


def load_app(name: str, site: str) -> Any:
    """Import the app `name` in the folder `site`, and return it behind the middleware.

    Raises the same errors as `make`.
    """
    app, interface = load.wrap_any(load.load_any(name, site))
    if interface != "asgi":
        raise AppLoadError(
            f"The app {name!r} is a WSGI app, which an ASGI server cannot run.",
            hint=f"Serve it with `appsvc serve {name}`; in a startup command, `exec` goes first.",
        )
    access_log.show()
    return one_host.OneHost(faults.contain_asgi(app))
