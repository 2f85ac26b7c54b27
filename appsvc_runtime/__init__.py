"""Run a Flask, Django or any WSGI app right on every Python host of Azure App Service.

from appsvc_runtime import AppServiceMiddleware, load_settings

Importing this package reads no environment, configures nothing and loads no third-party package.
"""

from .errors import AppLoadError, AppServiceError, ConfigError
from .middleware import AppServiceMiddleware
from .requestinfo import RequestInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .connections import ConnectionString, parse_connection_string
    from .findings import Finding, SettingsError
    from .logs import configure_logging, dict_config
    from .readers import Json, Url
    from .secret import Secret
    from .settings import Settings, load_settings

__all__ = [
    "AppLoadError",
    "AppServiceError",
    "AppServiceMiddleware",
    "ConfigError",
    "ConnectionString",
    "Finding",
    "Json",
    "RequestInfo",
    "Secret",
    "Settings",
    "SettingsError",
    "Url",
    "configure_logging",
    "dict_config",
    "load_settings",
    "parse_connection_string",
]

__version__ = "0.1.0.dev0"

# Loaded when asked for: an app that only wraps itself does not pay for them.
_LATER = {
    "ConnectionString": "connections",
    "Finding": "findings",
    "Json": "readers",
    "Secret": "secret",
    "Settings": "settings",
    "SettingsError": "findings",
    "Url": "readers",
    "configure_logging": "logs",
    "dict_config": "logs",
    "load_settings": "settings",
    "parse_connection_string": "connections",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
    globals()[name] = value
    return value
