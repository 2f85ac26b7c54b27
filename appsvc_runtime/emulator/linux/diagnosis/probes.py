"""A probe that got a response, but one that shows trouble: refused, redirected, an error.

Pure. The texts are those of Django and Python.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .seen import Cause, Seen
from .site import asgi_cause

__all__ = ["RESPOND", "explain_response"]

RESPOND = 'put AppServiceMiddleware around the app, and give it `health=Health("/healthz")`'
_HOST_REFUSED = re.compile(r"Invalid HTTP_HOST header: '?169\.254\.")
_ASGI = re.compile(
    r"TypeError: .*missing \d+ required (?:keyword-only |positional )?arguments?: .*'send'"
    r"|TypeError: .*__call__\(\) missing 1 required positional argument: 'receive'"
)
_WSGI = re.compile(
    r"TypeError: .*__call__\(\) takes 3 positional arguments but 4 were given"
    r"|TypeError: .*missing \d+ required positional arguments?: .*'start_response'"
    r"|TypeError: \w+\(\) takes 2 positional arguments but [13] (?:was|were) given"
)


def explain_response(
    status: int, location: str, output: str, causes: Sequence[Cause] = (), app: str = ""
) -> str:
    """Return why a probe got such a response and what to do, "" if that is unknown."""
    if status >= 500:
        seen = Seen("", 0, output)
        if _ASGI.search(output):
            return str(asgi_cause(app))
        if _WSGI.search(output):
            return (
                f"{app or 'The app'} is a WSGI app under a server for ASGI apps. Leave out -k, or "
                f"set the startup command to `exec appsvc serve {app or 'module:app'}`."
            )
        return next((str(cause) for cause in causes if cause.explains(seen)), "")
    if status == 400 and _HOST_REFUSED.search(output):
        return (
            "Django refuses the platform's probes, whose Host is an address of the instance: "
            f"{RESPOND}."
        )
    if 300 <= status <= 399:
        return (
            f"The app redirects the platform's probes to {location or 'another URL'}; a health "
            f"check follows no redirect and counts it as a failure: {RESPOND}."
        )
    return ""
