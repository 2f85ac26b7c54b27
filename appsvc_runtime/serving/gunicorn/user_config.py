"""Reads the user's own configuration of gunicorn: arguments in the environment, and a file.

Knows gunicorn's parser and nothing of our settings.
"""

from __future__ import annotations

import importlib
import os
import runpy
import shlex
from typing import TYPE_CHECKING, Any, NoReturn

from gunicorn.config import Config

from ...azure import hosts, names
from ...errors import ConfigError
from ..servers import OwnConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["find_config", "read_config"]

_FILE = "gunicorn.conf.py"
_ARGUMENTS = "GUNICORN_CMD_ARGS"


def find_config(site: str, environ: Mapping[str, str], *, by_server: bool) -> OwnConfig:
    """Return where the user's gunicorn configuration is, and which variable names it.

    Gunicorn takes a path, which is relative to the folder `site`, `file:PATH` or `python:MODULE`.
    `by_server`: gunicorn was started by its own command line. Otherwise a gunicorn.conf.py in
    `site` is found too, as gunicorn itself finds it if no other file is named. The image's own
    file, which the variable names on the platform, is not the user's. Raises ConfigError for a path
    that does not exist.
    """
    arguments = _arguments(environ)
    location, source = arguments.config, _ARGUMENTS
    if not location:
        source = names.GUNICORN_CONFIG_PATH
        location = hosts.gunicorn_config(environ)
    if not location:
        there = not by_server and os.path.isfile(os.path.join(site, _FILE))
        location, source = (_FILE, "") if there else ("", "")
    elif not location.startswith("python:"):
        path = location.removeprefix("file:")
        if not os.path.isfile(os.path.join(site, path)):
            raise _missing(path, source)
    return OwnConfig(
        location,
        source,
        binds=bool(location or arguments.bind),
        counts=bool(location or arguments.workers),
    )


def read_config(own: OwnConfig) -> dict[str, Any]:
    """Return the settings in a configuration, by gunicorn's names for them.

    Raises ConfigError for a module that does not exist.
    """
    location = own.location
    if location.startswith("python:"):
        name = location.removeprefix("python:")
        try:
            found = vars(importlib.import_module(name))
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise
            raise _missing(location, own.source) from None
    else:
        found = runpy.run_path(location.removeprefix("file:"))
    known = Config().settings
    return {name: value for name, value in found.items() if name in known}


def _missing(location: str, source: str) -> ConfigError:
    return ConfigError(
        f"The gunicorn configuration {location!r} named by {source} does not exist.",
        hint="Correct it; a path is relative to the app's folder.",
    )


def _arguments(environ: Mapping[str, str]) -> Any:
    parser = Config().parser()
    parser.error = _refuse  # the default prints sixty lines of usage, and ends the process
    try:
        words = shlex.split(environ.get(_ARGUMENTS, ""))
    except ValueError:
        _refuse("a quotation mark is not closed")
    return parser.parse_args(words)


def _refuse(reason: str) -> NoReturn:
    from ...redaction.masking import mask_command  # not needed before

    raise ConfigError(
        f"The setting {_ARGUMENTS} cannot be used: {mask_command(reason)}.",
        hint="Write options of gunicorn's command line, such as `--workers 2 --threads 16`.",
    )
