"""Finds the request among a view's arguments, and refuses it in the form of its framework.

Only instances of the frameworks' request classes count: a form or a JSON body can have any
attribute that a request has. The classes are looked up in modules that are loaded already, so that
no framework is imported. Must not know who is signed in.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from .response import Reply

    # Returns the framework's response, or raises an exception that the framework turns into one.
    Respond: TypeAlias = Callable[[Reply], Any]

__all__ = ["find_request", "is_a", "is_async", "show_signature"]

_MAX_WRAPPED = 50
_POLICY_VIOLATION = 1008


def find_request(
    arguments: Iterable[Any], view: Callable[..., Any], wrapper: Callable[..., Any]
) -> tuple[dict[str, Any], Respond] | None:
    """Return the environ of a view's request and a function that refuses it, or None.

    `wrapper` is the function that replaces `view`; it serves to distinguish a view from a
    dependency. If no argument is a request, Flask's current request is used, if there is one.
    """
    arguments = tuple(arguments)
    for value in arguments:
        if is_a(value, "rest_framework.request", "Request"):
            value = value._request
        if is_a(value, "starlette.requests", "HTTPConnection"):
            from .asgi import environ_of

            respond = functools.partial(_starlette, scope=value.scope, wrapper=wrapper)
            return environ_of(value.scope), respond
        if is_a(value, "django.http.request", "HttpRequest"):
            is_late = _is_async_class_view(view, arguments)
            return _django_environ(value), functools.partial(_django, is_late=is_late)
        if is_a(value, "werkzeug.wrappers.request", "Request"):
            return value.environ, _werkzeug
    flask = sys.modules.get("flask")
    # Flask may be imported, or even used, together with another framework that has this view.
    if flask is not None and flask.has_request_context():
        return flask.request.environ, _werkzeug
    return None


def is_async(view: Callable[..., Any]) -> bool:
    """Return whether a framework awaits a view's result."""
    if inspect.iscoroutinefunction(view):
        return True
    if inspect.iscoroutinefunction(getattr(view, "__call__", None)):  # noqa: B004 - the method
        return True
    # Django marks the view functions of async class-based views.
    marked = getattr(sys.modules.get("asgiref.sync"), "iscoroutinefunction", None)
    return marked is not None and bool(marked(view))


def show_signature(view: Callable[..., Any], wrapper: Callable[..., Any]) -> None:
    """Set a wrapper's signature to its view's, with annotations that are strings evaluated.

    FastAPI reads the signature; its older releases look up names in the wrapper's own module.
    """
    with contextlib.suppress(Exception):  # a name may be defined later, or for type checkers only
        wrapper.__signature__ = inspect.signature(view, eval_str=True)  # type: ignore[attr-defined]


def is_a(value: Any, module: str, name: str) -> bool:
    """Return whether a value's class is `name` of a module, or a subclass; load no module."""
    found = getattr(sys.modules.get(module), name, None)
    # Not isinstance: a value may claim another class, as mocks do.
    return isinstance(found, type) and issubclass(type(value), found)


def _django_environ(request: Any) -> dict[str, Any]:
    """Return the environ of Django's request, with the middleware's decision; WSGI or ASGI."""
    if is_a(request, "django.core.handlers.asgi", "ASGIRequest"):
        from .asgi import environ_of

        return environ_of(request.scope)
    environ: dict[str, Any] = request.META
    return environ


def _is_async_class_view(view: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
    """Return whether a view is a plain method of a Django class-based view with async handlers.

    Such a class's `dispatch` is a plain function that returns an awaitable.
    """
    bound = getattr(getattr(view, "func", view), "__self__", None)  # as method_decorator calls it
    for owner in (bound, *arguments[:1]):
        if is_a(owner, "django.views.generic.base", "View"):
            return bool(owner.view_is_async) and not is_async(view)
    return False


def _is_endpoint(endpoint: Any, wrapper: Callable[..., Any]) -> bool:
    """Return whether a route's endpoint is `wrapper`, perhaps inside other decorators."""
    if inspect.isclass(endpoint):  # HTTPEndpoint, whose methods are the views
        return getattr(endpoint, getattr(wrapper, "__name__", ""), None) is wrapper
    for _ in range(_MAX_WRAPPED):
        if endpoint is wrapper:
            return True
        for name in ("__wrapped__", "__func__", "func"):
            if (inner := getattr(endpoint, name, None)) is not None:
                endpoint = inner
                break
        else:
            return False
    return False


def _starlette(reply: Reply, scope: Any, wrapper: Callable[..., Any]) -> Any:
    """Return a response if the wrapper is the view itself, else raise an exception.

    FastAPI would pass the result of a dependency to the view as a value, and run the view.
    """
    from starlette import exceptions, responses  # type: ignore[import-not-found,unused-ignore]

    status, headers = int(reply.status[:3]), dict(reply.headers)
    if scope["type"] == "websocket":  # not accepted yet: most servers respond with 403
        raise exceptions.WebSocketException(_POLICY_VIOLATION)
    if _is_endpoint(scope.get("endpoint"), wrapper):
        return responses.Response(reply.body, status_code=status, headers=headers)
    kept = {name: value for name, value in headers.items() if not name.startswith("Content-")}
    raise exceptions.HTTPException(status, reply.body.decode().strip(), kept)


def _django(reply: Reply, is_late: bool) -> Any:
    from django.http import HttpResponse  # type: ignore[import-untyped,unused-ignore]

    response = HttpResponse(reply.body, status=int(reply.status[:3]), headers=dict(reply.headers))
    return _awaitable(response) if is_late else response


def _werkzeug(reply: Reply) -> Any:
    from werkzeug.wrappers import Response  # type: ignore[import-not-found,unused-ignore]

    flask = sys.modules.get("flask")
    return (Response if flask is None else flask.Response)(
        reply.body, reply.status, headers=reply.headers
    )


async def _awaitable(value: Any) -> Any:
    return value
