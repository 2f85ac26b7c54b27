"""Run a Flask, Django or any WSGI app right on every Python host of Azure App Service::

    from appsvc_runtime import AppServiceMiddleware, load_settings

Importing this package reads no environment, configures nothing and loads no third-party package.
"""

from .errors import AppLoadError, AppServiceError, ConfigError
from .middleware.request_info import RequestInfo
from .middleware.wsgi import AppServiceMiddleware

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .findings import Finding, SettingsError
    from .logs.formats import RequestFilter
    from .logs.setup import configure_logging, dict_config
    from .middleware.asgi import AppServiceASGIMiddleware
    from .middleware.health import Health
    from .middleware.principal import Principal
    from .middleware.signed_in import signed_in
    from .redaction.secret import Secret
    from .settings.connection_strings import ConnectionString, parse_connection_string
    from .settings.converters import Json, Url
    from .settings.load import load_settings
    from .settings.settings import Settings

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
    "RequestFilter",
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

# Imported on first use: an app that only uses the middleware does not load them.
_LATER = {
    "AppServiceASGIMiddleware": "middleware.asgi",
    "ConnectionString": "connections.connection",
    "Finding": "findings",
    "Health": "middleware.health",
    "Json": "settings.converters",
    "Principal": "middleware.principal",
    "RequestFilter": "logs.formats",
    "Secret": "redaction.secret",
    "Settings": "settings.settings",
    "SettingsError": "findings",
    "Url": "settings.converters",
    "configure_logging": "logs.setup",
    "dict_config": "logs.setup",
    "load_settings": "settings.load",
    "parse_connection_string": "connections.connection",
    "signed_in": "middleware.signed_in",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
