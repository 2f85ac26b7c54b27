"""A decorator for views of Flask, Django, Starlette and FastAPI that only signed-in users may see.

    from appsvc_runtime.views import signed_in

    @app.get("/account")
    @signed_in("aad")
    def account(): ...

    @signed_in("401", roles=["admin"])
    def report(request): ...

The app must be behind the middleware, and a view of Starlette's or FastAPI's must take the request.
What is decided is `login`'s; here it becomes a framework's own response. No framework is loaded but
the one that is there already.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from . import login
from .reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["signed_in"]

View = TypeVar("View", bound="Callable[..., Any]")


def signed_in(to: str = login.UNAUTHORIZED, *, roles: Iterable[str] = ()) -> Callable[[View], View]:
    """Let only signed-in users into a view; with `roles`, only those with one of them (else 403).

    `to`: a provider such as `aad`, to whose sign-in the others are sent and from which they come
    back to this address; or `401`.
    """
    wanted = (roles,) if isinstance(roles, str) else tuple(roles)

    def decorate(view: View) -> View:
        if inspect.iscoroutinefunction(view):

            @functools.wraps(view)
            async def later(*arguments: Any, **named: Any) -> Any:
                refused = _refuse(to, wanted, arguments, named)
                return await view(*arguments, **named) if refused is None else refused

            return later  # type: ignore[return-value]

        @functools.wraps(view)
        def now(*arguments: Any, **named: Any) -> Any:
            refused = _refuse(to, wanted, arguments, named)
            return view(*arguments, **named) if refused is None else refused

        return now  # type: ignore[return-value]

    return decorate


def _refuse(
    to: str, roles: tuple[str, ...], arguments: tuple[Any, ...], named: dict[str, Any]
) -> Any:
    """Give a framework's response for who may not see a view, else None."""
    for request in (*arguments, *named.values()):
        if isinstance(getattr(request, "META", None), dict):
            refusal = login.refuse(request.META, to, roles)
            return None if refusal is None else _django(login.reply(refusal))
        scope = getattr(request, "scope", None)
        if isinstance(scope, dict) and "type" in scope:
            from .asgi import environ_of

            refusal = login.refuse(environ_of(scope), to, roles)
            return None if refusal is None else _starlette(login.reply(refusal))
    try:
        from flask import request as current
    except ImportError:
        raise TypeError(
            "signed_in() found no request: give the view a parameter for it, `request: Request`."
        ) from None

    refusal = login.refuse(current.environ, to, roles)
    return None if refusal is None else _flask(login.reply(refusal))


def _flask(reply: Reply) -> Any:
    from flask import Response

    return Response(reply.body, reply.status, headers=reply.headers)


def _django(reply: Reply) -> Any:
    from django.http import HttpResponse  # type: ignore[import-untyped,unused-ignore]

    return HttpResponse(reply.body, status=int(reply.status[:3]), headers=dict(reply.headers))


def _starlette(reply: Reply) -> Any:
    from starlette.responses import Response  # type: ignore[import-not-found,unused-ignore]

    return Response(reply.body, status_code=int(reply.status[:3]), headers=dict(reply.headers))
