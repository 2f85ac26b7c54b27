"""Applications below the root of a site: Flask, Django and FastAPI in every mode of IIS."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.emulator import FASTCGI, HTTPPLATFORM, emulating, make_site, web_config
from tests.support.pythons import only_on
from tests.support.servers import Server, run

FLASK = """
    import os
    from flask import Flask, redirect, request, url_for

    app = Flask(__name__)

    @app.get("/")
    def index():
        return f"{os.environ.get('WHICH', 'flask')} {os.getpid()} {url_for('cart', x=1)}"

    @app.get("/cart")
    def cart():
        return redirect(url_for("index"))

    @app.get("/folder/")
    def folder():
        return f"{request.script_root} {request.path} {request.base_url}"
"""
DJANGO = """
    import os
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.shortcuts import redirect
    from django.urls import path, reverse

    settings.configure(
        ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", APPEND_SLASH=True,
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    )

    def index(request):
        return HttpResponse(f"{os.environ.get('WHICH', 'django')} {os.getpid()} {reverse('cart')}")

    def folder(request):
        return HttpResponse(f"{request.META['SCRIPT_NAME']} {request.path_info} {request.path}")

    urlpatterns = [
        path("", index, name="index"),
        path("cart", lambda request: redirect("index"), name="cart"),
        path("folder/", folder),
    ]
    app = get_wsgi_application()
"""
FASTAPI = """
    import os
    from fastapi import FastAPI, Request
    from fastapi.responses import PlainTextResponse, RedirectResponse

    app = FastAPI()

    @app.get("/", name="index", response_class=PlainTextResponse)
    def index(request: Request):
        return f"fastapi {os.getpid()} {request.url_for('cart').path}"

    @app.get("/cart", name="cart")
    def cart(request: Request):
        return RedirectResponse(request.url_for("index").path, 302)

    @app.get("/folder/", response_class=PlainTextResponse)
    def folder(request: Request):
        return f"{request.scope['root_path']} {request.scope['path']} {request.url.path}"
"""
HTTP = (
    r'<httpPlatform processPath="D:\home\Python\python.exe" startupTimeLimit="60" '
    r'arguments="-m appsvc_runtime.runserver app:app --port %HTTP_PLATFORM_PORT%{more}">'
    # A name that is inherited must not be added again.
    "<environmentVariables><clear/>{variables}</environmentVariables></httpPlatform>"
)


def config(kind: str, path: str = "", more: str = "", **variables: str) -> str:
    """Return the web.config of an application, which replaces the handler that it inherits."""
    if kind == "fastcgi":
        handlers = FASTCGI.replace("wfastcgi.py", f"wfastcgi.py {path}".strip())
        settings = {"WSGI_HANDLER": "appsvc_runtime.wsgi.application", **variables}
        body, given = "", "".join(f'<add key="{k}" value="{v}"/>' for k, v in settings.items())
    else:
        handlers, given = HTTPPLATFORM, ""
        if kind == "version-1" and path:
            variables["APPSVC_APPLICATION_PATH"] = path
        body = HTTP.format(
            more=more,
            variables="".join(
                f'<environmentVariable name="{name}" value="{value}"/>'
                for name, value in variables.items()
            ),
        )
    if path:
        handlers = handlers.replace("<handlers>", '<handlers><remove name="PythonHandler"/>')
    return web_config(handlers + body, given)


def make(folder: Path, kind: str, *, asgi: bool = False) -> list[str]:
    """Make a site with its applications; return the options with which it is emulated."""
    apps = {"site": ("", FLASK), "shop": ("/shop", FLASK), "admin": ("/Shop/Admin", DJANGO)}
    files: dict[str, str | bytes] = {}
    for name, (path, app) in apps.items():
        files |= {f"{name}/web.config": config(kind, path), f"{name}/app.py": app}
    # An inner handler is inherited by the static files of the application, unless it is removed.
    files["shop/static/web.config"] = web_config(
        '<handlers><remove name="PythonHandler"/></handlers>'
    )
    files["shop/static/a.txt"] = "a file of the shop"
    options = [] if kind == "fastcgi" else ["--httpplatform-version", kind[-1]]
    named = {"/shop": "shop", "/Shop/Admin": "admin"}
    if asgi:
        files["api/web.config"] = config(kind, "/api", " --server uvicorn")
        files["api/app.py"] = FASTAPI
        named["/api"] = "api"
    make_site(folder, files)
    for path, name in named.items():
        options += ["--application", f"{path}={folder / name}"]
    return options


KINDS = ["fastcgi", pytest.param("version-1", marks=only_on(12)), "version-2"]


@pytest.mark.parametrize("kind", KINDS)
def test_links_and_redirects(tmp_path: Path, kind: str) -> None:
    """In every mode the apps know their path; each has processes of its own."""
    asgi = kind != "fastcgi"  # wfastcgi runs no ASGI apps
    options = make(tmp_path, kind, asgi=asgi)
    with emulating(tmp_path / "site", *options) as server:
        pids = set()
        apps = {"": "flask", "/shop": "flask", "/Shop/Admin": "django"}
        if asgi:
            apps["/api"] = "fastapi"
        for path, framework in apps.items():
            asked = path.upper() if path else ""  # IIS ignores case
            status, _, body = server.request(f"{asked}/")
            assert status == 200, server.log()
            which, pid, link = body.decode().split()
            assert which == framework
            pids.add(pid)
            assert link == f"{path}/cart" + ("?x=1" if framework == "flask" else "")
            status, headers, _ = server.request(f"{asked}/cart")
            assert (status, location(headers)) == (302, f"{path}/")
            status, headers, _ = server.request(f"{asked}/folder")
            assert status in (301, 307, 308)
            assert location(headers) == f"{path}/folder/"
            status, _, body = server.request(f"{asked}/folder/")
            script, info, whole = body.decode().split() if path else ("", *body.decode().split())
            assert (status, script) == (200, path)
            assert info == (f"{path}/folder/" if framework == "fastapi" else "/folder/")
            assert whole.endswith(f"{path}/folder/")
        assert len(pids) == len(apps)
        assert server.request("/SHOP/Static/A.txt")[::2] == (200, b"a file of the shop")
        assert server.request("/static/a.txt")[0] == 404
        log = server.log()
        assert "shop-1" in log
        warnings = [line for line in log.splitlines() if line.startswith("Warning")]
        assert [line for line in warnings if "WSGI_LOG" not in line] == []


def location(headers: dict[str, str]) -> str:
    """Return the path of a Location header, which some frameworks write without a host."""
    text = {name.lower(): value for name, value in headers.items()}["location"]
    return "/" + text.split("//", 1)[-1].partition("/")[2] if "//" in text else text


def wait_for(true: Callable[[], bool], server: Server, seconds: float = 60) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.05)


@only_on(12)
@pytest.mark.parametrize("kind", ["fastcgi", "version-2"])
def test_a_changed_file_restarts_what_it_concerns(tmp_path: Path, kind: str) -> None:
    """That of /shop restarts it and the application below it, that of the site all of them."""
    options = make(tmp_path, kind)

    def seen(path: str) -> list[str]:
        status, _, body = server.request(f"{path}/")
        return body.decode().split()[:2] if status == 200 else [str(status), ""]

    with emulating(tmp_path / "site", *options) as server:
        site, shop, admin = before = [seen(path) for path in ("", "/shop", "/shop/admin")]
        (tmp_path / "shop" / "web.config").write_text(config(kind, "/shop", WHICH="new"), "utf-8")
        wait_for(lambda: seen("/shop")[0] == "new", server)
        # Settings of a process come from its own file under FastCGI, and are inherited otherwise.
        wait_for(lambda: seen("/shop/admin")[1] not in ("", admin[1]), server)
        assert seen("") == site
        shop = seen("/shop")
        (tmp_path / "admin" / "web.config").write_text(
            config(kind, "/Shop/Admin", WHICH="other"), "utf-8"
        )
        wait_for(lambda: seen("/shop/admin")[0] == "other", server)
        assert [seen(""), seen("/shop")] == [site, shop]
        (tmp_path / "site" / "web.config").write_text(config(kind, WHICH="all"), "utf-8")
        wait_for(lambda: seen("")[0] == "all", server)
        wait_for(lambda: seen("/shop")[1] not in ("", shop[1]), server)
        assert "Restarting /shop: " in server.log()
        assert before
        if kind == "fastcgi":  # wfastcgi watches the files of its application, in all folders
            site, shop = seen(""), seen("/shop")
            (tmp_path / "shop" / "static" / "new.py").write_text("x = 1\n", "utf-8")
            wait_for(lambda: seen("/shop")[1] not in ("", shop[1]), server)
            assert seen("") == site
            assert "as static/new.py has changed" in server.log()


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    """Each ends with exit code 2, before anything is started."""
    make(tmp_path, "version-2")
    for option, words in [
        ("/shop=none", "that does not exist"),
        ("shop=shop", "does not begin with a slash"),
    ]:
        command = ("-m", "appsvc_runtime", "emulate", "site", "--application", option)
        ended = run(*command, "--check", cwd=tmp_path)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert words in ended.stderr
        assert "Traceback" not in ended.stderr
    ended = run(*command[:-1], "/shop=shop", "--as", "linux", cwd=tmp_path)
    assert ended.returncode == 2
    assert "--application means nothing to the Linux container" in ended.stderr
