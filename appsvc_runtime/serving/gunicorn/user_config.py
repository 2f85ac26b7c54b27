"""What the user has told gunicorn himself: its arguments in the environment, and his own file.

Knows gunicorn's parser and nothing of our settings.
"""

from __future__ import annotations

import importlib
import os
import runpy
from typing import TYPE_CHECKING, Any

from gunicorn.config import Config

from ...azure import names
from ...errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["binds", "config_location", "read_config"]


def config_location(environ: Mapping[str, str]) -> tuple[str, str]:
    """Give where the user's gunicorn configuration lies, and which variable says so.

    Both are empty where none is named. As gunicorn reads it: a path, `file:PATH` or
    `python:MODULE`. ConfigError for a path that is not there.
    """
    location, source = _arguments().config, "GUNICORN_CMD_ARGS"
    if not location:
        source = names.GUNICORN_CONFIG_PATH
        location = environ.get(source, "").strip()
    path = location.removeprefix("file:")
    if location and not location.startswith("python:") and not os.path.isfile(path):
        raise _missing(path, source)
    return location, source if location else ""


def binds() -> bool:
    """Say whether `GUNICORN_CMD_ARGS` says where to listen."""
    return bool(_arguments().bind)


def read_config(location: str, source: str) -> dict[str, Any]:
    """Give the settings of a configuration, by gunicorn's names for them.

    `source` is the variable that names it, for the error: ConfigError for a module that is not
    there.
    """
    if location.startswith("python:"):
        name = location.removeprefix("python:")
        try:
            found = vars(importlib.import_module(name))
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise
            raise _missing(location, source) from None
    else:
        found = runpy.run_path(location.removeprefix("file:"))
    known = Config().settings
    return {name: value for name, value in found.items() if name in known}


def _missing(location: str, source: str) -> ConfigError:
    return ConfigError(
        f"The gunicorn configuration {location!r} named by {source} is not there.",
        hint="Correct it; a path counts from the app's folder.",
    )


def _arguments() -> Any:
    config = Config()
    return config.parser().parse_args(config.get_cmd_args_from_env())
