"""A decorator for views of Flask, Django, Starlette and FastAPI that only signed-in users may see.

    from appsvc_runtime.middleware.signed_in import signed_in

    @app.get("/account")
    @signed_in("aad")
    def account(): ...

    @signed_in("401", roles=["admin"])
    def report(request): ...

It stands directly above the function, below the route's decorator: a framework serves what its own
decorator was given. The app must be behind the middleware, and a view of Starlette's or FastAPI's
must take the request (`request: Request`, `websocket: WebSocket`, or `HTTPConnection`). FastAPI's
dependencies can be decorated as well; of Django's classes a method is, by `method_decorator`.

What is decided is `login`'s, what a request is `frameworks`'. No framework is loaded but the one
that is there already.
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

# Methods of classes of Django's, its REST framework's and Flask-Admin's that get the request, whose
# result is no response: a refusal would be passed over, or taken for a yes.
_NO_VIEW = re.compile(
    r"setup|initial|initialize_request|perform_(authentication|content_negotiation)"
    r"|check_(\w+_)?permissions|check_throttles|has_(\w+_)?permission|is_accessible|is_visible"
)

View = TypeVar("View", bound="Callable[..., Any]")


def signed_in(
    to: str = login.UNAUTHORIZED, *, roles: Iterable[str] | str | None = None
) -> Callable[[View], View]:
    """Let only signed-in users into a view.

    `to`: a provider such as `aad`, to whose sign-in all others are sent and from which they come
    back to this address; several, `aad,google`, of which the first is that; or `401`. A user who is
    signed in by a provider that is not named gets 403. `roles`: one role or several, of which a
    user must have one (else 403). No path is exempt.

    Raises ConfigError for what cannot be used, also for a method whose result is no response
    (`initial`, `has_permission`): it could not refuse. Raises TypeError when a view is called
    without a request: it is never let in.
    """
    requirement = login.require(to, roles)

    def decorate(view: View) -> View:
        if inspect.isclass(view) or not callable(view):
            raise ConfigError(
                f"signed_in() decorates {getattr(view, '__name__', view)!r}, which is no function.",
                hint="Decorate its methods; for a class of Django's write "
                '@method_decorator(signed_in("aad"), name="dispatch").',
            )

        if _is_no_view(view):
            raise ConfigError(
                f"signed_in() decorates {view.__qualname__!r}, whose result is no response.",
                hint="Decorate the methods that respond, such as get or dispatch.",
            )

        def refuse(
            wrapper: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
        ) -> Any:
            found = frameworks.find_request((*arguments, *named.values()), view, wrapper)
            if found is None:
                raise TypeError(
                    f"signed_in() found no request for {getattr(view, '__name__', view)!r}: give "
                    "the view a parameter for it, `request: Request`."
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
    """Return whether a function is a method of which a framework does not use a response."""
    owner, _, name = getattr(view, "__qualname__", "").rpartition(".")
    is_method = bool(owner) and not owner.endswith("<locals>")
    return is_method and _NO_VIEW.fullmatch(name) is not None
