"""The middleware for ASGI apps: `from appsvc_runtime.asgi import AppServiceASGIMiddleware`."""

from .middleware.asgi import AppServiceASGIMiddleware

__all__ = ["AppServiceASGIMiddleware"]
