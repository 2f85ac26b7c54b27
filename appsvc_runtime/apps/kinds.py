"""Whether an object is a WSGI app, an ASGI app, a factory or no app, and which middleware wraps it.

Inspects objects and calls none. Must not know where an object came from or what will serve it.
"""

from __future__ import annotations

import inspect
import sys
from types import FunctionType, ModuleType
from typing import Any

from ..azure import names
from ..errors import AppLoadError
from ..middleware.asgi import AppServiceASGIMiddleware
from ..middleware.frameworks import is_a
from ..middleware.wsgi import AppServiceMiddleware

__all__ = [
    "AsgiAppError",
    "added_options",
    "describe_asgi",
    "is_asgi",
    "is_wrapped",
    "looks_like_app",
    "refuse",
]

# Frameworks whose apps only call this attribute of theirs. Users replace it to add a middleware.
_CALLED = (("flask.app", "Flask", "wsgi_app"), ("quart.app", "Quart", "asgi_app"))
# Where the `__call__` is that goes through all middlewares of a Starlette or FastAPI app.
_OWN = ("starlette.applications", "fastapi.applications")


class AsgiAppError(AppLoadError):
    """An ASGI app where a server for WSGI apps was chosen."""


def is_asgi(app: Any) -> bool:
    """Return whether an object is an ASGI app, or our middleware around one."""
    inner = app
    while isinstance(inner, AppServiceMiddleware | AppServiceASGIMiddleware):
        inner = inner.app
    return _is_asgi(inner)


def is_wrapped(app: Any, middleware: type) -> bool:
    """Return whether every request to an app goes through our `middleware` first.

    It does if the user has wrapped the app itself, or the `wsgi_app` of a Flask app. A middleware
    behind another one, or around a part of the app, does not count: a request can bypass it. Nor
    does a subclass with a `__call__` of its own, which may let some requests past.
    """
    for module, name, attribute in _CALLED:
        if (
            is_a(app, module, name)
            and type(app).__call__ is getattr(sys.modules[module], name).__call__
        ):
            app = getattr(app, attribute)
    return isinstance(app, middleware) and type(app).__call__ is middleware.__call__


def added_options(app: Any) -> dict[str, Any]:
    """Return the options of our middleware in a Starlette or FastAPI app, {} if it has none.

    That middleware wraps the whole app too, but may be behind other middlewares of the user's. An
    app whose class has a `__call__` of its own does not count: it may bypass its middlewares.
    """
    if is_a(app, "starlette.applications", "Starlette") and type(app).__call__.__module__ in _OWN:
        for middleware, *_, options in app.user_middleware:
            if middleware is AppServiceASGIMiddleware:
                return dict(options)
    return {}


def refuse(app: Any, name: str) -> tuple[str, str] | None:
    """Return why an object cannot be a WSGI app, and what to do; None if it can.

    `name` is the app's name as the user would write it; the advice quotes it.
    """
    if is_asgi(app):
        return describe_asgi(name)
    if not callable(app) or (inspect.isclass(app) and not _is_wsgi_class(app)):
        kind = "class" if inspect.isclass(app) else type(app).__name__
        return f"is not a WSGI app but a {kind}.", "Name the app object, as in module:app."
    if inspect.isfunction(app) and not _takes_request(app):
        hint = "Name the app object, as in module:app."
        if _required(app) == 0:
            hint = f"If it makes the app, write `{name}()`."
        return "is not a WSGI app: it does not take environ and start_response.", hint
    return None


def describe_asgi(name: str) -> tuple[str, str]:
    """Return why an ASGI app cannot be run by a WSGI server, and what to do."""
    return (
        "is an ASGI app, which a WSGI server cannot run.",
        f"Serve it with `appsvc serve --server uvicorn {name}` (pip install uvicorn; as a "
        "startup command, with `exec` before it), or with "
        f"`gunicorn -k {names.FASTAPI_WORKER} {name}` (pip install gunicorn uvicorn-worker).",
    )


def looks_like_app(value: Any) -> bool:
    """Return whether an object is called as WSGI or ASGI apps are, by its parameters' names.

    Looks at its class only: `request` of Flask and lazy objects of Django run code, and raise, when
    an attribute of theirs is read.
    """
    kind = type(value)
    if kind in (type, ModuleType):
        return False
    function: Any = value if kind is FunctionType else getattr(kind, "__call__", None)  # noqa: B004
    try:
        parameters = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return False
    own = parameters if kind is FunctionType else parameters[1:]  # without self
    return own == ["scope", "receive", "send"] or (len(own) == 2 and own[1] == "start_response")


def _is_asgi(app: Any) -> bool:
    if inspect.isclass(app):
        return False
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(
        getattr(app, "__call__", None)  # noqa: B004 - the method itself is wanted
    ):
        return True
    try:
        parameters = list(inspect.signature(app).parameters)
    except (TypeError, ValueError):
        return False
    return parameters[:1] == ["scope"]


def _is_wsgi_class(app: type) -> bool:
    """Return whether a class is a WSGI app itself, made per request, as PEP 3333's AppClass is."""
    return hasattr(app, "__iter__") and _required(app) == 2


def _takes_request(function: Any) -> bool:
    """Return whether a function can be called with environ and start_response.

    The signature of a function inside a decorator does not count: it may be a view and not a WSGI
    app, as with werkzeug's `Request.application`.
    """
    signature = inspect.signature(function, follow_wrapped=False)
    try:
        signature.bind({}, None)
    except TypeError:
        return False
    # A function with optional parameters only is a factory: `create_app(config=None, debug=False)`.
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    return _required(function) != 0 or inspect.Parameter.VAR_POSITIONAL in kinds


def _required(app: Any) -> int:
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return -1
    return sum(
        parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        for parameter in parameters
    )
