"""Serve with gunicorn, which takes this process's place.

A signal to this process then reaches gunicorn. Its own settings count as ever: GUNICORN_CMD_ARGS,
PYTHON_USE_GUNICORN_CONFIG_FROM_PATH, a gunicorn.conf.py in the site's folder.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ...azure import names, ports
from ...system import process, sockets
from ..launch import enter
from . import user_config

if TYPE_CHECKING:
    from ..launch import Launch

__all__ = ["run"]


def run(launch: Launch) -> int:
    """Become gunicorn. Raises ConfigError, AppLoadError."""
    enter(launch.site)  # its workers look for the app, and gunicorn for its own file, there
    arguments = ["-c", "python:appsvc_runtime.gunicorn_conf"]
    number = launch.choose_port()
    own_config, _ = user_config.config_location(os.environ)
    if not own_config and os.path.isfile("gunicorn.conf.py"):
        # gunicorn reads this one by itself where it is given no other, as it is here.
        own_config = os.environ[names.GUNICORN_CONFIG_PATH] = "gunicorn.conf.py"
    named = not launch.container or launch.host is not None or launch.port is not None
    theirs = own_config or user_config.binds()
    if number and (named or not theirs):
        # gunicorn tries a port in use for five seconds before it says so.
        sockets.bind(launch.address, number).close()
    if named:
        arguments += ["--bind", ports.with_port(launch.address, number)]
    if launch.threads is not None:
        arguments += ["--threads", str(launch.threads)]
    if launch.graceful_timeout is not None:
        arguments += ["--graceful-timeout", str(launch.graceful_timeout)]
    choice = launch.choose_app()
    launch.tell(choice, "gunicorn", number, ready=False)
    return process.replace_process(
        [sys.executable, "-m", "gunicorn", *arguments, "appsvc_runtime.wsgi:application"]
    )
