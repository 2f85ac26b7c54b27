"""Run a Flask, Django or any WSGI app right on every Python host of Azure App Service.

from appsvc_runtime import AppServiceMiddleware

Importing this package reads no environment, configures nothing and loads no third-party package.
"""

from .errors import AppLoadError, AppServiceError, ConfigError
from .middleware import AppServiceMiddleware
from .requestinfo import RequestInfo

__all__ = [
    "AppLoadError",
    "AppServiceError",
    "AppServiceMiddleware",
    "ConfigError",
    "RequestInfo",
]

__version__ = "0.1.0.dev0"
