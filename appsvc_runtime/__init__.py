"""Run a Flask, Django or any WSGI app right on every Python host of Azure App Service.

from appsvc_runtime import AppServiceMiddleware, load_settings

Importing this package reads no environment, configures nothing and loads no third-party package.
"""

from .errors import AppLoadError, AppServiceError, ConfigError
from .middleware import AppServiceMiddleware
from .requestinfo import RequestInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .asgi import AppServiceASGIMiddleware
    from .connections import ConnectionString, parse_connection_string
    from .findings import Finding, SettingsError
    from .health import Health
    from .identity import Principal
    from .logs import configure_logging, dict_config
    from .readers import Json, Url
    from .secret import Secret
    from .settings import Settings, load_settings
    from .views import signed_in

__all__ = [
    "AppLoadError",
    "AppServiceASGIMiddleware",
    "AppServiceError",
    "AppServiceMiddleware",
    "ConfigError",
    "ConnectionString",
    "Finding",
    "Health",
    "Json",
    "Principal",
    "RequestInfo",
    "Secret",
    "Settings",
    "SettingsError",
    "Url",
    "configure_logging",
    "dict_config",
    "load_settings",
    "parse_connection_string",
    "signed_in",
]

__version__ = "0.1.0.dev0"

# Loaded when asked for: an app that only wraps itself does not pay for them.
_LATER = {
    "AppServiceASGIMiddleware": "asgi",
    "ConnectionString": "connections",
    "Finding": "findings",
    "Health": "health",
    "Json": "readers",
    "Principal": "identity",
    "Secret": "secret",
    "Settings": "settings",
    "SettingsError": "findings",
    "Url": "readers",
    "configure_logging": "logs",
    "dict_config": "logs",
    "load_settings": "settings",
    "parse_connection_string": "connections",
    "signed_in": "views",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
    globals()[name] = value
    return value
