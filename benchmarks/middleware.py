"""What the middleware adds to a request: ``python -m benchmarks.middleware``.

In one process, in turns: a bare WSGI app, the same app behind werkzeug's
``ProxyFix(x_for=1, x_proto=1, x_host=1)``, and behind AppServiceMiddleware on the platform, off it
(inert), and from a peer nobody trusts. Printed is the median over the rounds of the time added to
the bare app, and its ratio to what ProxyFix adds. The request is one that App Service's front end
sends, with twenty more headers.

``same`` requests as one client on one connection, ``new`` as another client each time. All have one
set of header names, as most requests of a site have one of a few. ``names anew`` is ``new`` with
the text of each name made for the request, as servers make that of headers.
"""

from __future__ import annotations

import argparse
import base64
import json
import time
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.middleware.health import Health
from appsvc_runtime.middleware.principal import PrincipalHeaders, read_principal

PLATFORM = {"WEBSITE_SITE_NAME": "mysite", "WEBSITE_INSTANCE_ID": "0123abcd"}
REQUEST: dict[str, Any] = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "SERVER_NAME": "0.0.0.0",
    "SERVER_PORT": "8000",
    "REMOTE_ADDR": "169.254.130.1",
    "REMOTE_PORT": "40000",
    "wsgi.url_scheme": "http",
    "HTTP_HOST": "mysite.azurewebsites.net",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_FOR": "203.0.113.7:51234",
    "HTTP_CLIENT_IP": "203.0.113.7:51234",
    "HTTP_X_CLIENT_IP": "203.0.113.7",
    "HTTP_X_CLIENT_PORT": "51234",
    "HTTP_X_APPSERVICE_PROTO": "https",
    "HTTP_X_ARR_SSL": "2048|256|CN=Microsoft|CN=*.azurewebsites.net",
    "HTTP_X_ARR_LOG_ID": "d3b07384-d113-4ec6-a7d8-2d3a1b1c9e2f",
    **{f"HTTP_X_OTHER_{number}": "value" for number in range(20)},
}
CLIENTS = [f"203.0.{n // 250}.{n % 250 + 1}:{40000 + n}" for n in range(20_000)]

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Do nothing: all that is measured is around it."""
    return ()


def sides() -> dict[str, tuple[Wsgi, dict[str, Any]]]:
    """Return each side with the request that it gets."""
    ours = AppServiceMiddleware(app, environ=PLATFORM)
    whole = AppServiceMiddleware(
        app, health=Health("/healthz"), environ={**PLATFORM, "WEBSITE_AUTH_ENABLED": "True"}
    )
    stranger = {**REQUEST, "REMOTE_ADDR": "198.51.100.1"}
    return {
        "bare app": (app, REQUEST),
        "ProxyFix": (ProxyFix(app, x_for=1, x_proto=1, x_host=1), REQUEST),
        "AppServiceMiddleware": (ours, REQUEST),
        "  with health and identity": (whole, REQUEST),
        "  inert, off the platform": (AppServiceMiddleware(app, environ={}), REQUEST),
        "  untrusted peer": (ours, stranger),
    }


def microseconds(side: Wsgi, request: dict[str, Any], clients: list[str], *, anew: bool) -> float:
    """Return the time of one call; each gets an environ of its own, which is made before."""
    clock = time.perf_counter_ns
    names = [name.encode() for name in request]
    taken = 0
    for client in clients:
        environ = request.copy()
        if anew:
            environ = dict(zip(map(bytes.decode, names), request.values(), strict=True))
        environ["HTTP_X_FORWARDED_FOR"] = client
        started = clock()
        side(environ, None)
        taken += clock() - started
    return taken / len(clients) / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--calls", type=int, default=len(CLIENTS), help="a side and round")
    options = parser.parse_args()
    one, many = CLIENTS[:1] * options.calls, CLIENTS[: options.calls]
    for name, clients, anew in (
        ("same client", one, False),
        ("new", many, False),
        ("new, names anew", many, True),
    ):
        found: dict[str, list[float]] = {side: [] for side in sides()}
        rows = sides()
        for _ in range(options.rounds):
            for side, (wsgi, request) in rows.items():
                found[side].append(microseconds(wsgi, request, clients, anew=anew))
        bare = median(found["bare app"])
        proxy_fix = median(found["ProxyFix"]) - bare
        print(f"{name}: bare call {bare:.2f} µs")
        for side in list(found)[1:]:
            added = median(found[side]) - bare
            print(f"  {side:28} adds {added:5.2f} µs   {added / proxy_fix:4.2f} of ProxyFix")
    principals(options.rounds)


def principals(rounds: int) -> None:
    """Print how long it takes to read a principal of 30 claims."""
    claims = [{"typ": f"http://example.com/claims/{n}", "val": f"value {n}"} for n in range(28)]
    claims += [{"typ": "sub", "val": "1234"}, {"typ": "name", "val": "Ann"}]
    whole = {"auth_typ": "aad", "claims": claims, "name_typ": "name", "role_typ": "roles"}
    encoded = base64.b64encode(json.dumps(whole).encode()).decode()
    headers = PrincipalHeaders(encoded, "1234", "ann@example.com", "aad")
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(1000):
            read_principal(headers)
        took.append((time.perf_counter() - started) * 1000)
    print(f"a principal of 30 claims: {median(took):.1f} µs")


if __name__ == "__main__":
    main()
