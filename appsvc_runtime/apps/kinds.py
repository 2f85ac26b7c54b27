"""Which kind of app an object is: WSGI, ASGI, a factory, or none.

Looks and does not call. Must not know where the object came from or what will serve it.
"""

from __future__ import annotations

import inspect
from typing import Any

from ..azure import names
from ..middleware.asgi import AppServiceASGIMiddleware
from ..middleware.wsgi import AppServiceMiddleware

__all__ = ["is_asgi", "refuse"]


def is_asgi(app: Any) -> bool:
    """Return whether an object is an ASGI app, behind whatever middleware of ours."""
    inner = app
    while isinstance(inner, AppServiceMiddleware | AppServiceASGIMiddleware):
        inner = inner.app
    return _is_asgi(inner)


def refuse(app: Any, name: str) -> tuple[str, str] | None:
    """Return why an object can be no WSGI app, and what to do; None if it can.

    `name` is how its user would write it, for the advice.
    """
    if is_asgi(app):
        return (
            "is an ASGI app, which a WSGI server cannot run.",
            f"Serve it with `appsvc serve --server uvicorn {name}` (pip install uvicorn; as a "
            "startup command, with `exec` before it), or with "
            f"`gunicorn -k {names.FASTAPI_WORKER} {name}` (pip install gunicorn uvicorn-worker).",
        )
    if not callable(app) or (inspect.isclass(app) and not _is_wsgi_class(app)):
        kind = "class" if inspect.isclass(app) else type(app).__name__
        return f"is no WSGI app but a {kind}.", "Name the app object, as in module:app."
    if inspect.isfunction(app) and not _takes_request(app):
        hint = "Name the app object, as in module:app."
        if _required(app) == 0:
            hint = f"If it makes the app, write `{name}()`."
        return "is a function that does not take environ and start_response, no WSGI app.", hint
    return None


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
    """Return whether a class is itself a WSGI app, as PEP 3333's AppClass: made per request."""
    return hasattr(app, "__iter__") and _required(app) == 2


def _takes_request(function: Any) -> bool:
    """Return whether a function can be called with environ and start_response.

    The signature of what a decorator wraps does not count: it may be a view that is no WSGI app,
    as under werkzeug's `Request.application`.
    """
    signature = inspect.signature(function, follow_wrapped=False)
    try:
        signature.bind({}, None)
    except TypeError:
        return False
    # Nothing but options: a factory, `def create_app(config=None, debug=False)`.
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
