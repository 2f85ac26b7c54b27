"""FastCGI does not distinguish `_` and `-` in names: what is refused, and what is ignored."""

from __future__ import annotations

import base64
import itertools
import json
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.middleware import notices
from tests.middleware.test_principal import SIGN_IN
from tests.middleware.test_principal import headers as identity
from tests.support.emulator import FASTCGI, emulating, make_site, web_config
from tests.support.servers import ROOT, Server
from tests.support.wsgi import APP_SERVICE, call, make_environ

EXAMPLES = ["flask_app", "django_app"]
# Headers on which the middleware decides if IIS is trusted.
NAMES = (
    "X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host X-ARR-SSL X-Original-URL X-Original-Host "
    "X-Azure-FDID X-MS-CLIENT-PRINCIPAL X-MS-CLIENT-PRINCIPAL-ID X-MS-CLIENT-PRINCIPAL-NAME "
    "X-MS-CLIENT-PRINCIPAL-IDP"
).split()
WFASTCGI: dict[str, Any] = {"wsgi.path_info": b"/"}


def spellings(name: str) -> list[str]:
    """Return all other names that CGI maps to the same variable as this one."""
    words = name.split("-")
    found = []
    for marks in itertools.product("-_", repeat=len(words) - 1):
        found.append("".join(a + b for a, b in zip(words, (*marks, ""), strict=True)))
    return [one for one in found if one != name]


FORGED = [one for name in NAMES for one in spellings(name)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_refuse_every_spelling(example: str) -> None:
    """They refuse each spelling with an underscore, and none without one."""
    text = (ROOT / "examples" / example / "web.fastcgi.config").read_text("utf-8")
    listed = re.findall(r'<add header="([^"]+)" sizeLimit="0"/>', text)
    assert sorted(listed) == sorted(FORGED)
    assert len(listed) == len({name.lower() for name in listed}) == 73


@pytest.fixture(scope="module", params=EXAMPLES)
def example(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Emulate an example in its FastCGI form."""
    site = tmp_path_factory.mktemp("fastcgi") / request.param
    shutil.copytree(ROOT / "examples" / request.param, site)
    (site / "web.config").unlink()
    (site / "web.fastcgi.config").rename(site / "web.config")
    with emulating(site, "--set", "SECRET_KEY=for-tests") as server:
        yield server


def test_iis_refuses_them_over_the_wire(example: Server) -> None:
    """The response is 431 in any case and with any value; the same names with hyphens pass."""
    assert example.request("/visitor.json")[0] == 200
    for name in FORGED:
        for spelled, value in ((name, "https"), (name.swapcase(), "")):
            assert example.request("/visitor.json", [(spelled, value)])[0] == 431, spelled
    for name in NAMES:
        assert example.request("/visitor.json", [(name, "https")])[0] == 200, name
    seen = json.loads(example.request("/visitor.json", [("X-ARR-SSL", "x")])[2])
    assert seen["scheme"] == "http"  # the front end has removed it


APP = """
    import json

    def app(environ, start_response):
        who = environ["appsvc.request"].principal
        told = {
            "user": who and who.name,
            "remote_user": environ.get("REMOTE_USER") or None,
            "headers": sorted(name for name in environ if name.startswith("HTTP_X_MS_")),
        }
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(told).encode()]
"""
SETTINGS = (
    '<add key="WSGI_HANDLER" value="appsvc_runtime.wsgi.application"/>'
    r'<add key="PYTHONPATH" value="D:\home\site\wwwroot"/>'
)


def forged_principal() -> list[tuple[str, str]]:
    """Return the headers with which a client claims to be a user."""
    claims = [{"typ": "sub", "val": "1"}, {"typ": "name", "val": "admin"}]
    told = {"auth_typ": "aad", "claims": claims, "name_typ": "name", "role_typ": "roles"}
    encoded = base64.b64encode(json.dumps(told).encode()).decode()
    return [("X_MS_CLIENT_PRINCIPAL", encoded), ("X_MS_CLIENT_PRINCIPAL_NAME", "admin")]


def test_nobody_is_signed_in_by_underscores_over_the_wire(tmp_path: Path) -> None:
    """Without those lines in web.config as well: only an option enables the identity."""
    files = {"web.config": web_config(FASTCGI, SETTINGS), "app.py": APP}
    site = make_site(tmp_path / "site", files)
    with emulating(site, "--auth") as server:
        assert json.loads(server.request("/", forged_principal())[2]) == {
            "user": None, "remote_user": None, "headers": [],
        }  # fmt: skip
    with emulating(site, "--auth", "--set", "APPSVC_FASTCGI_IDENTITY=1") as server:
        seen = json.loads(server.request("/", forged_principal())[2])
        # The option's help warns of this case: here web.config does not refuse the headers.
        assert seen["user"] == "admin"


def test_identity_under_wfastcgi_needs_the_option(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it all identity headers are removed, and one line names it.

    Other servers need no option.
    """
    monkeypatch.setattr(notices, "_logged", set())
    for _ in range(3):
        seen = call(make_environ(identity(), **WFASTCGI), SIGN_IN).seen
        assert seen["appsvc.request"].principal is None
        assert "REMOTE_USER" not in seen
        assert not [name for name in seen if name.startswith("HTTP_X_MS_")]
        assert seen["appsvc.original"]["HTTP_X_MS_CLIENT_PRINCIPAL_ID"] == "1234"
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "APPSVC_FASTCGI_IDENTITY" in warnings[0]
    seen = call(make_environ(identity(), **WFASTCGI), SIGN_IN, fastcgi_identity=True).seen
    assert seen["appsvc.request"].principal.id == "1234"
    assert call(make_environ(identity()), SIGN_IN).seen["appsvc.request"].principal.id == "1234"


@pytest.mark.parametrize("option", [True, False])
def test_the_option_alone_signs_nobody_in(option: bool) -> None:
    """The platform's own switch must be on too."""
    environ = make_environ(identity(), **WFASTCGI)
    seen = call(environ, APP_SERVICE, fastcgi_identity=option).seen
    assert seen["appsvc.request"].principal is None
    assert not [name for name in seen if name.startswith("HTTP_X_MS_")]


@pytest.mark.parametrize(
    ("https", "headers", "scheme"),
    [
        ("on", {"X-Forwarded-Proto": "http"}, "https"),
        ("ON", {"X-Forwarded-Proto": "http, http"}, "https"),
        ("on", {}, "https"),
        ("off", {"X-Forwarded-Proto": "https"}, "https"),
        ("off", {"X-ARR-SSL": "x"}, "https"),
        ("off", {}, "http"),
        ("", {"X-Forwarded-Proto": "http"}, "http"),
    ],
)
def test_the_server_variable_decides_where_it_is_on(
    https: str, headers: dict[str, str], scheme: str
) -> None:
    """IIS sets the variable itself, and no header can change it."""
    seen = call(make_environ(headers, HTTPS=https, **WFASTCGI)).seen
    assert seen["wsgi.url_scheme"] == seen["appsvc.request"].scheme == scheme
    assert seen["HTTPS"] == ("on" if scheme == "https" else "off")
