"""`appsvc emulate --auth`: App Service authentication, by hand and in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support import browser
from tests.support.emulator import emulating, make_site, web_config
from tests.support.postgres import skip_or_fail
from tests.support.pythons import only_on
from tests.support.servers import ROOT, Server

CONFIG = web_config(
    '<handlers><add name="p" path="*" verb="*" modules="httpPlatformHandler" '
    'resourceType="Unspecified"/></handlers>\n<httpPlatform processPath="%PYTHON%" '
    'arguments="-m appsvc_runtime.runserver"/>'
).replace("%PYTHON%", r"D:\python\python.exe")
APP = """
    import json

    def app(environ, start_response):
        who = environ["appsvc.request"].principal
        told = {
            "user": who and who.name, "id": who and who.id,
            "roles": sorted(who.roles) if who else [],
            "remote_user": environ.get("REMOTE_USER"),
            "headers": sorted(name for name in environ if name.startswith("HTTP_X_MS_")),
        }
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(told).encode()]
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return make_site(tmp_path / "site", {"web.config": CONFIG, "app.py": APP})


def sign_in(server: Server, target: str = "/back", **form: str) -> tuple[str, str]:
    """Send the form; return the cookie and the target of the redirect."""
    fields = {"name": "ann@example.com", "post_login_redirect_uri": target, **form}
    body = "&".join(f"{key}={quote(value)}" for key, value in fields.items()).encode()
    status, headers, _ = server.request(
        "/.auth/login/aad",
        {"Content-Type": "application/x-www-form-urlencoded"},
        method="POST",
        body=body,
    )
    assert status == 302
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    return cookie.partition(";")[0], headers["location"]


def test_signing_in_and_out(site: Path) -> None:
    """The pages work, the app gets the headers, and forged ones are removed."""
    forged = {"X-MS-CLIENT-PRINCIPAL-NAME": "admin", "X-MS-TOKEN-AAD-ID-TOKEN": "x"}
    with emulating(site, "--auth") as server:
        assert json.loads(server.request("/", forged)[2]) == {
            "user": None, "id": None, "roles": [], "remote_user": None, "headers": [],
        }  # fmt: skip
        assert server.request("/.auth/me")[0] == 401
        page = server.request("/.auth/login/aad?post_login_redirect_uri=%2Fback")[2].decode()
        assert 'value="/back"' in page
        assert server.request("/.auth/login/nobody")[0] == 404
        cookie, target = sign_in(server, roles="admin, editor", claims="groups=a\ngroups=b")
        assert target == "/back"
        told = json.loads(server.request("/", {"Cookie": cookie, **forged})[2])
        assert (told["user"], told["remote_user"]) == ("ann@example.com", f"aad.{told['id']}")
        assert told["roles"] == ["admin", "editor"]
        assert "HTTP_X_MS_CLIENT_PRINCIPAL" in told["headers"]
        assert "HTTP_X_MS_TOKEN_AAD_ID_TOKEN" not in told["headers"]
        (me,) = json.loads(server.request("/.auth/me", {"Cookie": cookie})[2])
        assert me["provider_name"] == "aad"
        assert {"typ": "groups", "val": "b"} in me["user_claims"]
        again, _ = sign_in(server)
        assert json.loads(server.request("/", {"Cookie": again})[2])["id"] == told["id"]
        status, headers, _ = server.request(
            "/.auth/logout?post_logout_redirect_uri=/bye", {"Cookie": cookie}
        )
        assert (status, headers["location"]) == (302, "/bye")
        assert json.loads(server.request("/", {"Cookie": cookie})[2])["user"] is None
        assert "ann@example.com" not in server.log()


ELSEWHERE = ("https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example",
             "/%5cevil.example", "/\t/evil.example", "javascript:x")  # fmt: skip


def test_nobody_is_sent_elsewhere(site: Path) -> None:
    """Neither after signing in nor out; test_emulator_origins has more forms."""
    with emulating(site, "--auth") as server:
        for target in ELSEWHERE:
            cookie, location = sign_in(server, target)
            assert location == "/.auth/login/done", target
            path = f"/.auth/logout?post_logout_redirect_uri={quote(target, safe='')}"
            status, headers, _ = server.request(path, {"Cookie": cookie})
            assert (status, headers.get("location")) == (200, None), target


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "site.azurewebsites.net"])
def test_the_sites_own_urls_are_targets(site: Path, host: str) -> None:
    """As a page's script or `request.url` has them: only their path is used."""
    with emulating(site, "--auth") as server:
        port = "" if "." in host and host[0] == "s" else f":{server.port}"
        assert sign_in(server, f"http://{host}{port}/back?a=b")[1] == "/back?a=b"
        assert sign_in(server, f"http://{host}{port}//evil.example")[1] == "/.auth/login/done"


@pytest.mark.parametrize("raw", [(), ("--raw",)], ids=["", "raw"])
def test_forms_of_other_sites(site: Path, raw: tuple[str, ...]) -> None:
    """They are refused by the browser's headers about the origin of a form."""
    with emulating(site, "--auth", *raw) as server:
        here = f"http://127.0.0.1:{server.port}"
        for headers, status in (
            ({}, 302),
            ({"Origin": here}, 302),
            ({"Origin": here, "Sec-Fetch-Site": "same-origin"}, 302),
            ({"Origin": "http://127.0.0.1:1"}, 403),
            ({"Origin": "http://site.azurewebsites.net"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": here, "Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "same-site"}, 403),
        ):
            answer = server.request("/.auth/login/aad", headers, "POST", b"name=eve")
            assert answer[0] == status, headers
            assert ("set-cookie" in answer[1]) == (status == 302), headers
        assert "a page of another site tried to sign in" in server.log()


@contextmanager
def another_site(pages: dict[str, str]) -> Iterator[int]:
    """Serve pages on another port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_another_sites_pages_in_a_browser(site: Path) -> None:
    """Forms, links and images of a page on another port; and redirects as a browser reads them."""
    skip_or_fail(browser.missing())
    text = "document.body.innerText"
    heading = "document.querySelector('h1').innerText"

    async def drive(page: browser.Page) -> None:
        here = f"http://127.0.0.1:{server.port}"
        evil.update(
            {
                "/form": f'<form method=post action="{here}/.auth/login/aad"><input name=name '
                "value=eve></form><script>document.forms[0].submit()</script>",
                "/link": f'<a href="{here}/.auth/logout?post_logout_redirect_uri=/bye">x</a>',
                "/image": f'<img src="{here}/.auth/logout" onerror="document.title=1">',
            }
        )
        there = f"http://127.0.0.1:{port}"
        await page.go(f"{here}/.auth/login/aad?post_login_redirect_uri=/")
        await page.run("document.querySelector('#name').value = 'ann'")
        await page.run("document.querySelector('form button').click()")
        await page.wait_for(f'{text}.includes(\'"user": "ann"\')')
        await page.go(f"{there}/form")
        await page.wait_for(f"document.querySelector('h1') && {heading} == 'Refused'")
        await page.go(f"{there}/image")
        await page.wait_for("document.title == '1'")
        await page.go(f"{here}/")
        assert '"user": "ann"' in await page.run(text)
        await page.go(f"{there}/link")
        await page.run("document.querySelector('a').click()")
        await page.wait_for(f"document.querySelector('h1') && {heading} == 'Sign out?'")
        await page.run("document.querySelector('form button').click()")
        await page.wait_for(f"location.href == '{here}/bye' && {text}.includes('\"user\": null')")
        for target in (
            "///evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "https:evil.example",
        ):
            query = quote(target, safe="")
            await page.go(f"{here}/.auth/login/aad?post_login_redirect_uri={query}")
            await page.run("document.querySelector('form button').click()")
            await page.wait_for(f"location.href == '{here}/.auth/login/done'")

    evil: dict[str, str] = {}
    with another_site(evil) as port, emulating(site, "--auth") as server:
        browser.browse_plain(drive)


def test_without_it_nobody_signs_in(site: Path) -> None:
    """Such paths are the app's; forged headers, which the platform passes on, are not trusted."""
    with emulating(site) as server:
        told = json.loads(server.request("/.auth/me", {"X-MS-CLIENT-PRINCIPAL-NAME": "a"})[2])
        assert (told["user"], told["headers"]) == (None, [])


@only_on(14)
@pytest.mark.parametrize("example", ["flask_app", "django_app"])
def test_example_in_a_browser(tmp_path: Path, example: str) -> None:
    """Sign in, see the name, sign out, as a user does."""
    skip_or_fail(browser.missing())
    site = tmp_path / example
    shutil.copytree(ROOT / "examples" / example, site)

    async def drive(page: browser.Page) -> None:
        url = f"https://127.0.0.1:{server.port}"
        title = "Sign in with Microsoft Entra ID"
        await page.go(f"{url}/account")
        assert await page.run("document.querySelector('h1').innerText") == title
        await page.run("document.querySelector('#name').value = 'Zoë <b>'")
        await page.run("document.querySelector('#roles').value = 'admin'")
        await page.run("document.querySelector('form button').click()")
        await page.wait_for("document.querySelector('h1').innerText == 'Signed in as Zoë <b>'")
        assert (await page.run("location.href")) == f"{url}/account"
        assert "admin" in await page.run("document.querySelector('dl').innerText")
        link = "document.querySelector('a[href^=\"/.auth/logout\"]')"
        await page.run(f"{link}.click()")
        await page.wait_for("document.querySelector('h1').innerText == 'Welcome'")
        await page.go(f"{url}/account")
        assert re.match("Sign in", await page.run("document.querySelector('h1').innerText"))

    options = ("--https", "--auth", "--set", "SECRET_KEY=for-tests")
    with emulating(site, "--as", "httpplatform", *options) as server:
        browser.browse(drive, server.port, tmp_path / ".appsvc" / example / "authority.pem")
