"""`appsvc emulate --auth`: App Service authentication, by hand and in a real browser."""

from __future__ import annotations

import json
import re
import shutil
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
    """Send the form; give the cookie and where it leads."""
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
    """The pages, the headers that the app gets, and that forged ones are gone."""
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
        assert (told["user"], told["remote_user"]) == ("ann@example.com", "ann@example.com")
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


ELSEWHERE = (
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil",
    "javascript:x",
)


def test_nobody_is_sent_elsewhere(site: Path) -> None:
    """After signing in or out."""
    with emulating(site, "--auth") as server:
        for target in ELSEWHERE:
            cookie, location = sign_in(server, target)
            assert location == "/.auth/login/done", target
            path = f"/.auth/logout?post_logout_redirect_uri={quote(target, safe='')}"
            status, headers, _ = server.request(path, {"Cookie": cookie})
            assert (status, headers.get("location")) == (200, None), target


def test_without_it_nobody_signs_in(site: Path) -> None:
    """Such paths are the app's; forged headers, which the platform passes on, are not believed."""
    with emulating(site) as server:
        told = json.loads(server.request("/.auth/me", {"X-MS-CLIENT-PRINCIPAL-NAME": "a"})[2])
        assert (told["user"], told["headers"]) == (None, [])


@only_on(11, 13)
@pytest.mark.parametrize("example", ["flask_app", "django_app"])
def test_example_in_a_browser(tmp_path: Path, example: str) -> None:
    """Sign in, see the name, sign out: as a visitor does."""
    skip_or_fail(browser.missing())
    site = tmp_path / example
    shutil.copytree(ROOT / "examples" / example, site)

    async def drive(page: browser.Page) -> None:
        url = f"https://127.0.0.1:{server.port}"
        await page.go(f"{url}/account")
        assert await page.run("document.querySelector('h1').innerText") == "Sign in with aad"
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
