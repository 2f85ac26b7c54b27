"""A decorator that limits views of Flask, Django, Starlette and FastAPI to signed-in users.

    from appsvc_runtime.middleware.signed_in import signed_in

    @app.get("/account")
    @signed_in("aad")
    def account(): ...

    @signed_in("401", roles=["admin"])
    def report(request): ...

Put it directly above the function, below the route's decorator: a framework serves the function
that its own decorator gets. The app must be behind the middleware, and a view of Starlette or
FastAPI must take the request (`request: Request`, `websocket: WebSocket`, or `HTTPConnection`).
FastAPI's dependencies can be decorated as well. In Django's class-based views decorate a method,
with `method_decorator`.

`login` decides about a request, `frameworks` finds it. No framework is imported that the app has
not imported already.
"""

from __future__ import annotations

import functools
import inspect
import re
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ConfigError
from . import frameworks, login

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["signed_in"]

# Methods in classes of Django, Django REST framework and Flask-Admin that get the request, but do
# not return a response: a refusal would be ignored, or would count as true.
_NO_VIEW = re.compile(
    r"setup|initial|initialize_request|perform_(authentication|content_negotiation)"
    r"|check_(\w+_)?permissions|check_throttles|has_(\w+_)?permission|is_accessible|is_visible"
)

View = TypeVar("View", bound="Callable[..., Any]")


def signed_in(
    to: str = login.UNAUTHORIZED, *, roles: Iterable[str] | str | None = None
) -> Callable[[View], View]:
    """Let only signed-in users into a view.

    `to` is a provider such as `aad`, several such as `aad,google`, or `401`. Clients that are not
    signed in are redirected to the sign-in of the first provider, which leads back to this URL, or
    get 401. A user of a provider that is not named gets 403. `roles` is one role or several; a user
    with none of them gets 403. No path is exempt.

    Raises ConfigError for arguments that cannot be used, and for a method that does not return a
    response (`initial`, `has_permission`), which could not refuse. The decorated view raises
    TypeError when it is called without a request, and does not run.
    """
    requirement = login.require(to, roles)

    def decorate(view: View) -> View:
        if inspect.isclass(view) or not callable(view):
            raise ConfigError(
                f"signed_in() decorates {getattr(view, '__name__', view)!r}, not a function.",
                hint="Decorate its methods; for a class-based view of Django write "
                '@method_decorator(signed_in("aad"), name="dispatch").',
            )

        if _is_no_view(view):
            raise ConfigError(
                f"signed_in() decorates {view.__qualname__!r}, whose result is not a response.",
                hint="Decorate the methods that respond, such as get or dispatch.",
            )

        def refuse(
            wrapper: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
        ) -> Any:
            found = frameworks.find_request((*arguments, *named.values()), view, wrapper)
            if found is None:
                raise TypeError(
                    f"signed_in() found no request for {getattr(view, '__name__', view)!r}: add a "
                    "parameter for it to the view, `request: Request`."
                )
            environ, respond = found
            refusal = login.refuse(environ, requirement)
            return None if refusal is None else respond(login.reply(refusal))

        if frameworks.is_async(view):

            @functools.wraps(view)
            async def later(*arguments: Any, **named: Any) -> Any:
                refused = refuse(later, arguments, named)
                return await view(*arguments, **named) if refused is None else refused

            frameworks.show_signature(view, later)
            return later  # type: ignore[return-value]

        @functools.wraps(view)
        def now(*arguments: Any, **named: Any) -> Any:
            refused = refuse(now, arguments, named)
            return view(*arguments, **named) if refused is None else refused

        frameworks.show_signature(view, now)
        return now  # type: ignore[return-value]

    return decorate


def _is_no_view(view: Callable[..., Any]) -> bool:
    """Return whether a function is a method whose result its framework does not send."""
    owner, _, name = getattr(view, "__qualname__", "").rpartition(".")
    is_method = bool(owner) and not owner.endswith("<locals>")
    return is_method and _NO_VIEW.fullmatch(name) is not None
