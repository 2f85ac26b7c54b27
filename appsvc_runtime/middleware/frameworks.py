"""The request among a view's arguments, by the classes of frameworks, and a refusal in their form.

Only real request objects count, by their class: a form or a JSON body can have any attribute that a
request has. Classes are looked up in modules that are loaded already, so that no framework is
imported. Must not know who is signed in.
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

    # Returns the framework's response, or raises what the framework makes a response of.
    Respond: TypeAlias = Callable[[Reply], Any]

__all__ = ["find_request", "is_a", "is_async", "show_signature"]

_MAX_WRAPPED = 50
_POLICY_VIOLATION = 1008


def find_request(
    arguments: Iterable[Any], view: Callable[..., Any], wrapper: Callable[..., Any]
) -> tuple[dict[str, Any], Respond] | None:
    """Return the environ of a view's request and how to refuse it; None without a request.

    `wrapper` is what stands in for `view`: it is told apart from a dependency by it. Without a
    request among the arguments Flask's current one is taken, if one is being handled here.
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
    # Flask may be installed, or even used, beside the framework whose view this is.
    if flask is not None and flask.has_request_context():
        return flask.request.environ, _werkzeug
    return None


def is_async(view: Callable[..., Any]) -> bool:
    """Return whether a framework awaits what a view returns."""
    if inspect.iscoroutinefunction(view):
        return True
    if inspect.iscoroutinefunction(getattr(view, "__call__", None)):  # noqa: B004 - the method
        return True
    # Django marks the views that it makes of async classes.
    marked = getattr(sys.modules.get("asgiref.sync"), "iscoroutinefunction", None)
    return marked is not None and bool(marked(view))


def show_signature(view: Callable[..., Any], wrapper: Callable[..., Any]) -> None:
    """Let a wrapper show its view's parameters, with types where the view's are written as text.

    FastAPI reads them; its older releases look for the names in the wrapper's own module.
    """
    with contextlib.suppress(Exception):  # a name that is defined later, or for type checkers only
        wrapper.__signature__ = inspect.signature(view, eval_str=True)  # type: ignore[attr-defined]


def is_a(value: Any, module: str, name: str) -> bool:
    """Return whether a value's class is one of a loaded module's, or made from it."""
    found = getattr(sys.modules.get(module), name, None)
    # Not isinstance: a value may claim another class, as mocks do.
    return isinstance(found, type) and issubclass(type(value), found)


def _django_environ(request: Any) -> dict[str, Any]:
    """Return what the middleware has decided about Django's request, under WSGI or ASGI."""
    if is_a(request, "django.core.handlers.asgi", "ASGIRequest"):
        from .asgi import environ_of

        return environ_of(request.scope)
    environ: dict[str, Any] = request.META
    return environ


def _is_async_class_view(view: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
    """Return whether a view is a method of a class of Django's whose handlers are async.

    Such a class's `dispatch` is a plain function that returns what Django then awaits.
    """
    bound = getattr(getattr(view, "func", view), "__self__", None)  # as method_decorator calls it
    for owner in (bound, *arguments[:1]):
        if is_a(owner, "django.views.generic.base", "View"):
            return bool(owner.view_is_async) and not is_async(view)
    return False


def _is_endpoint(endpoint: Any, wrapper: Callable[..., Any]) -> bool:
    """Return whether a route's endpoint is a wrapped view, under whatever other decorators."""
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
    """Return a response where this is the view itself; raise where its result is used otherwise.

    What a dependency of FastAPI's returns is a value to the view, which would run with it.
    """
    from starlette import exceptions, responses  # type: ignore[import-not-found,unused-ignore]

    status, headers = int(reply.status[:3]), dict(reply.headers)
    if scope["type"] == "websocket":  # before it is accepted: 403 at most servers
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
