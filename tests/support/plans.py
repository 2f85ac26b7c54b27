"""Launch plans, made from an environment as an entry point makes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from appsvc_runtime.azure import ports
from appsvc_runtime.serving.launch import Launch
from appsvc_runtime.serving.plan import LaunchPlan, make_plan

__all__ = ["planned", "settings_of"]

_SERVE = Launch(
    app="app:app",
    site=".",
    host=None,
    port=None,
    server=None,
    default_server="gunicorn",
    default_host="0.0.0.0",
    port_sources=("PORT",),
    container=True,
    began=0.0,
)
_RUNSERVER = dataclasses.replace(
    _SERVE,
    host="127.0.0.1",
    default_server="waitress",
    port_sources=ports.PLATFORM_SOURCES,
    container=False,
)


def planned(
    environ: Mapping[str, str],
    server: str | None = None,
    *,
    container: bool = True,
    cores: int | None = 3,
    **given: Any,
) -> LaunchPlan:
    """Return the plan of `serve`, or of `runserver` outside a container, with arguments `given`."""
    launch = _SERVE if container else _RUNSERVER
    return make_plan(dataclasses.replace(launch, server=server, **given), environ, cores=cores)


def settings_of(environ: Mapping[str, str], server: str, **options: Any) -> dict[str, Any]:
    """Return the settings that a server gets for a plan; the options are those of `planned`."""
    from appsvc_runtime.serving.servers import SERVERS

    return SERVERS[server].settings(planned(environ, server, **options))
