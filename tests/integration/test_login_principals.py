"""Malformed principals on every real server: no user is signed in, and nothing fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_login_paths import SECRET, SERVERS, Send, Server, requests, status
from tests.middleware.test_principal import CLAIMS, NAMEID, NOBODY, OID, encode, headers, principal
from tests.support.signinforms import Form

# Each form replaces one or more of the four headers.
_NAME = "X-MS-CLIENT-PRINCIPAL-NAME"
_ID = "X-MS-CLIENT-PRINCIPAL-ID"
_IDP = "X-MS-CLIENT-PRINCIPAL-IDP"
_WHOLE = "X-MS-CLIENT-PRINCIPAL"


def _value(parameters: Any) -> str:
    text: str = parameters.values[0]
    return text


def _forms() -> Iterator[tuple[str, dict[str, str]]]:
    for case in NOBODY:
        text = _value(case)
        # A value that no header can contain is not sent.
        if text.isascii() and text.isprintable() and len(text) < 60_000:
            yield str(case.id), headers(X_MS_CLIENT_PRINCIPAL=text)
    yield "another-id", headers(X_MS_CLIENT_PRINCIPAL_ID="5678")
    yield "id-twice", headers(X_MS_CLIENT_PRINCIPAL_ID="1234, 1234")
    yield "ids-of-two-types-and-another", {
        **headers(), _WHOLE: principal([{"typ": OID, "val": "1"}, {"typ": NAMEID, "val": "2"}]),
        _ID: "3",
    }  # fmt: skip
    yield "no-id", {**headers(X_MS_CLIENT_PRINCIPAL=principal([])), _ID: ""}
    yield "no-provider", {**headers(X_MS_CLIENT_PRINCIPAL=principal(auth_typ=...)), _IDP: ""}
    yield "no-claims-but-the-rest", {_ID: "1234", _NAME: "ann@example.com", _IDP: "aad"}
    yield "huge", headers(X_MS_CLIENT_PRINCIPAL=encode({"claims": CLAIMS, "x": "x" * 60_000}))


FORMS = dict(_forms())
REMOTE_USER = """\
from appsvc_runtime import AppServiceMiddleware

def site(environ, start_response):
    text = environ.get("REMOTE_USER", "nobody") + " " + environ.get("AUTH_TYPE", "")
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text.encode("latin-1")]

app = AppServiceMiddleware(site)
"""


# The number in docs/security.md; one form is longer than a record of FastCGI.
SUITE_CASES = {"test_no_principal_that_is_not_one": len(FORMS) * len(SERVERS) - 1}


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_no_principal_that_is_not_one(server: Server, tmp_path: Path) -> None:
    """The middleware or the server refuses each, and the app never fails."""
    with requests(server, "require-aad", tmp_path) as send:
        for pairs in (headers(), {**headers(), _ID: "", _NAME: "", _IDP: ""}):
            assert SECRET in send("GET", Form(b"/x", tuple(pairs.items())))
        wrong = []
        for name, pairs in FORMS.items():
            if name == "huge" and server.name == "wfastcgi":  # longer than a record
                continue
            response = send("GET", Form(b"/x", tuple(pairs.items())))
            if SECRET in response or status(response) not in (0, 302, 400, 413, 431):
                wrong.append((name, response[:200]))
        assert wrong == []
        repeated = (*headers().items(), (_WHOLE, principal()))
        assert SECRET not in send("GET", Form(b"/x", repeated))


@pytest.mark.parametrize("server", ["gunicorn", "waitress", "granian", "wfastcgi"])
def test_remote_user(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The admins of two providers are two users; a client's own headers sign in no user."""
    from tests.integration import test_login_paths

    gate: Any = ({}, REMOTE_USER, "")
    monkeypatch.setitem(test_login_paths.GATES, "remote-user", gate)

    def who(send: Send, pairs: dict[str, str]) -> str:
        return send("GET", Form(b"/", tuple(pairs.items()))).partition(b"\r\n\r\n")[2].decode()

    github = {
        _WHOLE: principal([{"typ": NAMEID, "val": "77"}], auth_typ="github"),
        _ID: "77",
        _NAME: "admin",
        _IDP: "github",
    }
    with requests(SERVERS[server], "remote-user", tmp_path) as send:
        assert who(send, headers(X_MS_CLIENT_PRINCIPAL_NAME="admin")) == "aad.1234 aad"
        assert who(send, github) == "github.77 github"
        for name in ("REMOTE_USER", "Remote-User", "X-Remote-User", "AUTH_TYPE"):
            assert who(send, {name: "admin"}) == "nobody "
        bad = json.dumps({"auth_typ": "aad", "claims": [{"typ": OID, "val": "1\ud800"}]})
        assert who(send, {_WHOLE: encode(bad.encode())}) == "nobody "


def test_there_are_many() -> None:
    """The documentation states their number."""
    assert len(FORMS) >= 55
