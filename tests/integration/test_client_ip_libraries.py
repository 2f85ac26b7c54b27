"""Libraries that read the client's address from headers see the address that was decided.

Each library is real and runs behind a real server: the throttle of django-rest-framework,
django-ipware and python-ipware, slowapi, and flask-limiter with the key functions of its recipes.
An attacker varies all that a client can send, but must remain one client, and no other client.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.serverapps import PLATFORM
from tests.support.servers import Server, serving

CLIENT = "203.0.113.9"

DJANGO = """\
import json
from django.conf import settings
settings.configure(
    SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    REST_FRAMEWORK={"DEFAULT_THROTTLE_RATES": {"anon": "2/min"}},
)
import django
django.setup()
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from ipware import get_client_ip
from python_ipware import IpWare
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle
from rest_framework.views import APIView

class Limited(APIView):
    authentication_classes = []
    permission_classes = []
    throttle_classes = [AnonRateThrottle]

    def get(self, request):
        return Response("passed")

def addresses(request):
    found = {
        "throttle": AnonRateThrottle().get_ident(Request(request)),
        "django-ipware": get_client_ip(request)[0],
        "django-ipware-right-most": get_client_ip(request, proxy_order="right-most")[0],
        "python-ipware": IpWare().get_client_ip(request.META)[0],
        "python-ipware-left-most": IpWare(leftmost=True).get_client_ip(request.META)[0],
        "remote-addr": request.META["REMOTE_ADDR"],
    }
    return HttpResponse(json.dumps({name: str(value) for name, value in found.items()}))

urlpatterns = [path("limited", Limited.as_view()), path("addresses", addresses)]
application = get_wsgi_application()
"""
FLASK = """\
import json
from flask import Flask, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
limiter = Limiter(get_remote_address, app=app, storage_uri="memory://")
KEYS = {
    "remote": get_remote_address,
    "route-first": lambda: request.access_route[0],
    "route-last": lambda: request.access_route[-1],
    "header": lambda: request.headers.get("X-Forwarded-For", request.remote_addr),
    "header-first": lambda: request.headers.getlist("X-Forwarded-For")[0].split(",")[0],
    "real-ip": lambda: request.headers.get("X-Real-IP", request.remote_addr),
    "forwarded": lambda: request.headers.get("Forwarded", request.remote_addr),
}
for name, function in KEYS.items():
    def passed():
        return "passed"
    passed.__name__ = passed.__qualname__ = name  # by which limits are told apart
    view = limiter.limit("2 per minute", key_func=function)(passed)
    app.add_url_rule(f"/limited/{name}", name, view)

@app.get("/addresses")
def addresses():
    found = {name: function() for name, function in KEYS.items()}
    fixed = {}
    ProxyFix(lambda environ, _: fixed.update(environ), x_for=1, x_proto=1, x_host=1, x_port=1)(
        dict(request.environ), None)
    return json.dumps({**found, "proxy-fix": fixed["REMOTE_ADDR"]})
"""
STARLETTE = """\
import json
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_ipaddr, get_remote_address
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

limiter = Limiter(key_func=get_remote_address)
KEYS = {
    "remote": get_remote_address,
    "ipaddr": get_ipaddr,
    "header": lambda request: request.headers.get("x-forwarded-for", request.client.host),
    "all-lines": lambda request: ",".join(request.headers.getlist("x-forwarded-for")),
}
routes = []
for name, function in KEYS.items():
    def passed(request):
        return PlainTextResponse("passed")
    passed.__name__ = name
    view = limiter.limit("2/minute", key_func=function)(passed)
    routes.append(Route(f"/limited/{name}", view))

def addresses(request):
    return PlainTextResponse(json.dumps({n: function(request) for n, function in KEYS.items()}))

app = Starlette(routes=[*routes, Route("/addresses", addresses)])
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
"""
SITES = {
    "django-gunicorn": ("gunicorn", "site_app:application", DJANGO),
    "django-granian": ("granian", "site_app:application", DJANGO),
    "flask-waitress": ("waitress", "site_app:app", FLASK),
    "flask-gunicorn": ("gunicorn", "site_app:app", FLASK),
    "starlette-uvicorn": ("uvicorn", "site_app:app", STARLETTE),
    "starlette-granian": ("granian", "site_app:app", STARLETTE),
}
LIMITED = {
    DJANGO: ["/limited"],
    FLASK: [
        f"/limited/{name}"
        for name in (
            "remote", "route-first", "route-last", "header", "header-first", "real-ip", "forwarded"
        )
    ],
    STARLETTE: [f"/limited/{name}" for name in ("remote", "ipaddr", "header", "all-lines")],
}  # fmt: skip


def attack(number: int, client: str = CLIENT) -> list[tuple[str, str]]:
    """Return the headers of another request of one client that pretends to be another client."""
    forged = f"198.51.100.{number}"
    return [
        ("Host", "site.azurewebsites.net"),
        ("X-Forwarded-For", forged),
        ("X-Forwarded-For", f"{forged}, {client}:{50_000 + number}"),
        ("X_Forwarded_For", forged),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", f"for={forged}"),
        *((name, forged) for name in ("X-Real-IP", "Client-IP", "X-Client-IP", "X-Forwarded")),
        *((name, forged) for name in ("X-Cluster-Client-Ip", "Forwarded-For", "X-ProxyUser-Ip")),
        *((name, forged) for name in ("CF-Connecting-IP", "True-Client-IP", "X-Azure-ClientIP")),
    ]


@pytest.fixture(scope="module", params=SITES)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, str]]:
    """Serve each site with one worker, as limits are kept in the memory of the process."""
    name, app, source = SITES[request.param]
    folder: Path = tmp_path_factory.mktemp(request.param)
    (folder / "site_app.py").write_text(source)
    command = ("-m", "appsvc_runtime", "serve", app, "--server", name, "--host", "127.0.0.1")
    with ExitStack() as stack:
        server = stack.enter_context(
            serving(*command, "--port", "{port}", cwd=folder, APPSVC_WORKERS="1", **PLATFORM)
        )
        yield server, source


def fetch(server: Server, path: str, headers: list[tuple[str, str]]) -> tuple[int, bytes]:
    """Send a request, with repeated headers."""
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        lines = [f"{name}: {value}" for name, value in (*headers, ("Connection", "close"))]
        connection.sendall("\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode())
        with connection.makefile("rb") as file:
            head, _, body = file.read().partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_every_library_sees_the_decided_address(site: tuple[Server, str]) -> None:
    """Every library sees it without a port, and nothing that the client wrote."""
    server, _ = site
    for number in range(3):
        status, body = fetch(server, "/addresses", attack(number))
        assert status == 200, (body, server.log())
        found: dict[str, Any] = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])
        assert {name: value for name, value in found.items() if value != CLIENT} == {}


def test_a_limit_holds_for_one_client_and_for_no_other(site: tuple[Server, str]) -> None:
    """Two requests of a client pass, three more do not, whatever they claim.

    A second client passes.
    """
    server, source = site
    for path in LIMITED[source]:
        statuses = [fetch(server, path, attack(number, "203.0.113.10"))[0] for number in range(5)]
        assert statuses == [200, 200, 429, 429, 429], (path, server.log())
        assert fetch(server, path, attack(9, "203.0.113.11"))[0] == 200
