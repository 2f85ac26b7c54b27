"""The signed-in user: App Service authentication's headers, and values that are almost valid."""

from __future__ import annotations

import base64
import json
import logging
import re
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime import AppServiceMiddleware
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.middleware import request_info
from appsvc_runtime.middleware.principal import (
    MAX_LENGTH,
    Claim,
    Principal,
    PrincipalHeaders,
    read_principal,
)
from tests.support.wsgi import APP_SERVICE, FRONT_END, make_environ

OID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
NAMEID = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"
ROLE = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
SIGN_IN = {**APP_SERVICE, "WEBSITE_AUTH_ENABLED": "True"}
CLAIMS = [
    {"typ": OID, "val": "1234"},
    {"typ": "name", "val": "Ann Example"},
    {"typ": "preferred_username", "val": "ann@example.com"},
    {"typ": "roles", "val": "admin"},
    {"typ": "roles", "val": "editor"},
    {"typ": "groups", "val": "a"},
    {"typ": "groups", "val": "b"},
]


def encode(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.b64encode(text).decode()


def principal(claims: Any = CLAIMS, **more: Any) -> str:
    whole = {"auth_typ": "aad", "name_typ": "name", "role_typ": "roles", "claims": claims, **more}
    return encode({key: value for key, value in whole.items() if value is not ...})


def test_a_principal() -> None:
    """Id, name, provider, claims with several values, roles."""
    found, problem = read_principal(PrincipalHeaders(principal(), "1234", "ann@example.com", "aad"))
    assert problem == ""
    assert found is not None
    assert (found.id, found.name, found.provider) == ("1234", "ann@example.com", "aad")
    assert found.claims[0] == Claim(OID, "1234")
    assert found.values("groups") == ("a", "b")
    assert found.values("none") == ()
    assert found.value("groups") == "a"
    assert found.value("none") is None
    assert found.value("none", "x") == "x"
    assert found.roles == {"admin", "editor"}
    assert found.has_role("admin")
    assert not found.has_role("Admin")
    assert "Ann" not in repr(found)


GOOD = PrincipalHeaders(principal(), "1234", "ann@example.com", "aad")
TWO_IDS = principal([{"typ": NAMEID, "val": "s"}, {"typ": OID, "val": "o"}])


def good(case: str, name_read: str = "ann@example.com", **changed: str | None) -> Any:
    """Return a case with the headers as the platform sends them, and one changed."""
    provider = changed.get("provider") or "aad"
    expected = ("1234", name_read, provider)
    return pytest.param(GOOD._replace(**changed), expected, id=case)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        good("all-four"),
        good("id-by-claims", id=None),
        good("id-empty", id=""),
        good("name-by-name_typ", "Ann Example", name=None),
        good("provider-by-auth_typ", provider=None),
        good("provider-of-the-header", provider="google"),
        good("name-in-utf-8", "J\xfcrgen", name="J\xc3\xbcrgen"),
        good("name-in-latin-1", "J\xfcrgen", name="J\xfcrgen"),
        pytest.param(
            PrincipalHeaders(principal([{"typ": "sub", "val": "9"}]), None, None, "x"),
            ("9", "9", "x"), id="id-is-the-name-where-there-is-no-other",
        ),
        pytest.param(
            PrincipalHeaders(principal([]), "7", "bob", "github"), ("7", "bob", "github"),
            id="no-claims-but-an-id",
        ),
        pytest.param(
            PrincipalHeaders(TWO_IDS, "s"), ("s", "s", "aad"), id="id-is-one-of-two",
        ),
        pytest.param(
            PrincipalHeaders(TWO_IDS), ("o", "o", "aad"), id="object-id-first",
        ),
        pytest.param(
            PrincipalHeaders(principal(name_typ=None, role_typ=None), "1234"),
            ("1234", "ann@example.com", "aad"), id="types-null",
        ),
        pytest.param(
            PrincipalHeaders(principal(name_typ=..., role_typ=...), "1234"),
            ("1234", "ann@example.com", "aad"), id="types-missing",
        ),
    ],
)  # fmt: skip
def test_who_it_is(headers: PrincipalHeaders, expected: tuple[str, str, str]) -> None:
    """The claims are the source; the other headers must agree with them or complete them."""
    found, problem = read_principal(headers)
    assert problem == ""
    assert found is not None
    assert (found.id, found.name, found.provider) == expected


TOO_DEEP = "nested too deep" if sys.version_info < (3, 14) else "not a JSON object"
NOBODY = [
    pytest.param("!!!!e30=", "not Base64", id="characters-before"),
    pytest.param("e30", "not Base64", id="padding-missing"),
    pytest.param("e30==", "not Base64", id="padding-too-long"),
    pytest.param("=e30", "not Base64", id="padding-first"),
    pytest.param(principal() + ",", "not Base64", id="comma-after"),
    pytest.param(f"{principal()},{principal()}", "not Base64", id="sent-twice"),
    pytest.param(f"{principal()}, {principal()}", "not Base64", id="sent-twice-with-a-blank"),
    pytest.param(principal()[:-8] + "\n" + principal()[-8:], "not Base64", id="newline-inside"),
    pytest.param(principal().replace("A", "\xc4", 1), "not Base64", id="latin-1"),
    pytest.param(principal().replace("A", "\u4e2d", 1), "not Base64", id="no-latin-1"),
    pytest.param("e3-_", "not Base64", id="urlsafe-alphabet"),
    pytest.param(encode(b""), "", id="nothing"),
    pytest.param(encode(b"\xff\xfe{}"), "not JSON", id="invalid-utf-8"),
    pytest.param(encode(b'{"claims": ['), "not JSON", id="cut-off"),
    # From Python 3.14 on nothing is nested too deep for its parser: a list is no object.
    pytest.param(encode(b"[" * 24_000 + b"]" * 24_000), TOO_DEEP, id="nested-24000-deep"),
    pytest.param(encode([]), "not a JSON object", id="list"),
    pytest.param(encode("text"), "not a JSON object", id="string"),
    pytest.param(encode(None), "not a JSON object", id="null"),
    pytest.param(encode(5), "not a JSON object", id="number"),
    pytest.param(encode({}), "no list of claims", id="empty-object"),
    pytest.param(principal(None), "no list of claims", id="claims-null"),
    pytest.param(principal(...), "no list of claims", id="claims-missing"),
    pytest.param(principal({}), "no list of claims", id="claims-object"),
    pytest.param(principal("text"), "no list of claims", id="claims-string"),
    pytest.param(principal([None]), "no typ or no val", id="claim-null"),
    pytest.param(principal([[]]), "no typ or no val", id="claim-list"),
    pytest.param(principal(["text"]), "no typ or no val", id="claim-string"),
    pytest.param(principal([5]), "no typ or no val", id="claim-number"),
    pytest.param(principal([*CLAIMS, {}]), "no typ or no val", id="claim-empty"),
    pytest.param(principal([*CLAIMS, {"val": "x"}]), "no typ or no val", id="typ-missing"),
    pytest.param(principal([*CLAIMS, {"typ": "x"}]), "no typ or no val", id="val-missing"),
    pytest.param(principal([*CLAIMS, {"typ": None, "val": "x"}]), "is not text", id="typ-null"),
    pytest.param(principal([*CLAIMS, {"typ": "x", "val": None}]), "is not text", id="val-null"),
    pytest.param(principal([*CLAIMS, {"typ": "x", "val": 1}]), "is not text", id="val-number"),
    pytest.param(principal([*CLAIMS, {"typ": ["x"], "val": "1"}]), "is not text", id="typ-list"),
    pytest.param("A" * (MAX_LENGTH + 4), "is longer than", id="over-64-kib"),
    pytest.param(
        principal([*CLAIMS, {"typ": OID, "val": "5678"}]),
        "two ids of one type",
        id="two-object-ids",
    ),
    pytest.param(
        encode(b'{"claims": ' + b"[" * 900 + b"]" * 900 + b"}"), "no typ", id="nested-900-deep"
    ),
    pytest.param(
        encode(b'{"claims": ' + b"1" * 5000 + b"}"), "not JSON", id="number-of-5000-digits"
    ),
    pytest.param(encode(b'{"claims": NaN}'), "no list of claims", id="nan"),
    pytest.param(encode(b"\xef\xbb\xbf{}"), "not JSON", id="byte-order-mark"),
    pytest.param(encode(json.dumps({"claims": []}).encode("utf-16")), "not JSON", id="utf-16"),
    *(
        pytest.param(
            principal([*CLAIMS, {"typ": "x", "val": "x", part: f"a{bad}b"}]),
            "line break",
            id=f"{name}-in-{part}",
        )
        for part in ("typ", "val")
        for name, bad in {
            "cr": "\r",
            "lf": "\n",
            "crlf": "\r\n",
            "nul": "\0",
            "half": "\ud800",
            "other-half": "\udfff",
            "halves-in-the-wrong-order": "\udc00\ud800",
        }.items()
    ),
]


@pytest.mark.parametrize(("encoded", "said"), NOBODY)
def test_what_is_nobody(encoded: str, said: str) -> None:
    """There is no exception and no user; the reason is reported without the value."""
    found, problem = read_principal(PrincipalHeaders(encoded, "1234", "ann@example.com", "aad"))
    assert found is None
    assert said in problem
    assert len(problem) < 100


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        pytest.param(GOOD._replace(principal=None), "", id="no-principal-but-an-id"),
        pytest.param(GOOD._replace(principal=""), "", id="empty-principal-but-an-id"),
        pytest.param(GOOD._replace(id="other"), "its id differs from", id="another-id"),
        pytest.param(GOOD._replace(id="1234,1234"), "its id differs from", id="id-twice"),
        pytest.param(
            PrincipalHeaders(principal([{"typ": "name", "val": "Ann"}]), None, "ann", "aad"),
            "it has no id", id="no-id-anywhere",
        ),
        pytest.param(
            PrincipalHeaders(principal([{"typ": OID, "val": ""}]), "", "ann", "aad"),
            "it has no id", id="empty-id",
        ),
        pytest.param(
            PrincipalHeaders(principal(auth_typ=...), "1234"), "names no provider", id="no-provider"
        ),
        pytest.param(
            PrincipalHeaders(principal(auth_typ=5), "1234"), "names no provider", id="provider-5"
        ),
        pytest.param(
            PrincipalHeaders(principal(auth_typ=" "), "1234"), "no provider", id="provider-blank"
        ),
        pytest.param(
            PrincipalHeaders(principal(auth_typ="a\nb"), "1234"), "line break", id="provider-lf"
        ),
        pytest.param(GOOD._replace(name="a\0b"), "line break", id="nul-in-the-name"),
        pytest.param(GOOD._replace(provider="a\rb"), "line break", id="cr-in-the-provider"),
        pytest.param(GOOD._replace(provider="\ud800"), "line break", id="half-in-the-provider"),
        pytest.param(
            PrincipalHeaders(principal([]), "a\nb", "ann", "aad"), "line break", id="lf-in-the-id"
        ),
        pytest.param(
            PrincipalHeaders(principal([{"typ": OID, "val": "  "}]), None, "ann", "aad"),
            "it has no id", id="blank-id",
        ),
    ],
)  # fmt: skip
def test_headers_that_do_not_agree(headers: PrincipalHeaders, said: str) -> None:
    """There is no user."""
    found, problem = read_principal(headers)
    assert found is None
    assert said in problem


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["auth_typ", "claims", "typ", "val", "name_typ", "role_typ", "x"]),
            inner,
        )
    ),
    max_leaves=20,
)


@given(value=JSON, identity=st.none() | st.text(max_size=10), name=st.none() | st.text(max_size=9))
def test_any_json(value: Any, identity: str | None, name: str | None) -> None:
    """There is no exception; a user always has an id and a provider."""
    found, problem = read_principal(PrincipalHeaders(encode(value), identity, name, None))
    assert (found is None) == bool(problem)
    if found is not None:
        assert found.id
        assert found.provider


ANY_TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from("\r\n\0\ud800\\"))


@given(kind=ANY_TEXT, value=ANY_TEXT, name=ANY_TEXT, ascii_only=st.booleans())
def test_any_claim(kind: str, value: str, name: str, ascii_only: bool) -> None:
    """A line break, NUL or half a surrogate pair invalidates it, however the JSON spells it."""
    claims = [*CLAIMS, {"typ": kind, "val": value}]
    text = json.dumps({"auth_typ": "aad", "claims": claims}, ensure_ascii=ascii_only)
    data = text.encode("utf-8", "surrogatepass")
    found, _ = read_principal(PrincipalHeaders(encode(data), "1234", name))
    is_bad = re.search("[\0\r\n\ud800-\udfff]", kind + value) is not None
    if is_bad:
        assert found is None
    if found is not None:
        whole = "".join([found.id, found.name, found.provider, *map("".join, found.claims)])
        assert re.search("[\0\r\n\ud800-\udfff]", whole) is None
        assert found.username == "aad.1234"


@given(text=st.text(max_size=200))
def test_any_text(text: str) -> None:
    """There is no exception and no user."""
    found, _ = read_principal(PrincipalHeaders(text, text, text, text))
    assert found is None


def headers(**changed: str | None) -> dict[str, str]:
    whole = {
        "X-MS-CLIENT-PRINCIPAL": principal(),
        "X-MS-CLIENT-PRINCIPAL-ID": "1234",
        "X-MS-CLIENT-PRINCIPAL-NAME": "ann@example.com",
        "X-MS-CLIENT-PRINCIPAL-IDP": "aad",
        "X-MS-TOKEN-AAD-ID-TOKEN": "secret",
        "X-MS-CLIENT-OTHER": "x",
    }
    for name, value in changed.items():
        whole[name.replace("_", "-")] = value or ""
    return whole


def seen(environ: dict[str, Any], variables: dict[str, str], **options: Any) -> dict[str, Any]:
    """Return the environ that an app sees behind the middleware."""
    found: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        found.update(environ)
        start_response("200 OK", [])
        return []

    middleware = AppServiceMiddleware(app, environ=variables, **options)
    middleware(environ, lambda *_: None)  # type: ignore[arg-type, return-value]
    return found


def test_signed_in_through_the_front_end() -> None:
    """The app gets the principal, and the variables that frameworks read."""
    found = seen(make_environ(headers()), SIGN_IN)
    who = found["appsvc.request"].principal
    assert isinstance(who, Principal)
    assert who.id == "1234"
    assert who is found["appsvc.request"].principal  # read once
    assert (found["REMOTE_USER"], found["AUTH_TYPE"]) == ("aad.1234", "aad")
    assert found["HTTP_X_MS_TOKEN_AAD_ID_TOKEN"] == "secret"


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (None, "aad.1234"), (True, "aad.1234"), ("id", "aad.1234"), ("ID", "aad.1234"),
        ("name", "ann@example.com"), ("true", "aad.1234"), (False, None), ("false", None),
        ("off", None), ("0", None), (0, None), (1, "aad.1234"),
    ],
)  # fmt: skip
def test_what_remote_user_is(option: Any, expected: str | None) -> None:
    """Provider and id, the name or nothing, by argument and by variable."""
    found = seen(make_environ(headers()), SIGN_IN, remote_user=option)
    assert found.get("REMOTE_USER") == expected
    text = "" if option is None else str(option)
    found = seen(make_environ(headers()), {**SIGN_IN, "APPSVC_REMOTE_USER": text})
    assert found.get("REMOTE_USER") == expected
    assert ("AUTH_TYPE" in found) == (expected is not None)


@pytest.mark.parametrize("option", ["email", "2", "id,name", "nam\u00e9"])
def test_remote_user_of_something_else(option: str) -> None:
    """Any other value is an error."""
    with pytest.raises(ConfigError, match="true, false, id or name"):
        seen(make_environ(), {**SIGN_IN, "APPSVC_REMOTE_USER": option})


USERNAMES = [
    ("aad", "8b1c7d6e-0000-4000-8000-123456789abc", "aad.8b1c7d6e-0000-4000-8000-123456789abc"),
    ("google", "108204268033311374519", "google.108204268033311374519"),
    ("apple", "000123.0a1b.0456", "apple.000123.0a1b.0456"),
    ("oidc", "auth0|5f7c8ec7", "oidc.auth0+7C5f7c8ec7"),
    ("oidc", "a+b@example.com", "oidc.a+2Bb@example.com"),
    ("oidc", "\u674e", "oidc.+E6+9D+8E"),
    ("my.idp", "b", "my+2Eidp.b"),
    ("my", "idp.b", "my.idp.b"),
    ("aad", "+7C", "aad.+2B7C"),
]


@pytest.mark.parametrize(("provider", "identity", "expected"), USERNAMES)
def test_username(provider: str, identity: str, expected: str) -> None:
    """Provider and id are unchanged, except for characters that a user name cannot have."""
    assert Principal(identity, "admin", provider).username == expected


@given(pairs=st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=2, unique=True))
def test_usernames_are_all_different(pairs: list[tuple[str, str]]) -> None:
    """They contain only characters that Django's user names allow."""
    names = [Principal(identity, "admin", provider).username for provider, identity in pairs]
    assert len(set(names)) == len(pairs)
    for name in names:
        assert re.fullmatch(r"[\w.@+-]{1,150}", name, re.ASCII)


@pytest.mark.parametrize("provider", ["aad", "p" * 200, "\xfc" * 100])
def test_usernames_of_long_ids(provider: str) -> None:
    """They are cut, and a digest keeps them distinct."""
    ids = ["x" * 200 + end for end in ("", "a", "b")] + ["\u674e" * 100, "x" * 140, "x" * 150]
    names = [Principal(identity, "admin", provider).username for identity in ids]
    assert len(set(names)) == len(ids)
    assert max(map(len, names)) <= 150


def test_remote_user_can_be_left_alone() -> None:
    """The principal is still there, read on first access."""
    for found in (
        seen(make_environ(headers()), SIGN_IN, remote_user=False),
        seen(make_environ(headers()), {**SIGN_IN, "APPSVC_REMOTE_USER": "0"}),
    ):
        assert "REMOTE_USER" not in found
        assert type(found["appsvc.request"]._principal) is tuple
        assert found["appsvc.request"].principal.id == "1234"


def test_name_that_is_no_latin_1() -> None:
    """REMOTE_USER is encoded as WSGI requires, the principal's name is readable."""
    name = "\u674e".encode().decode("latin-1")
    found = seen(
        make_environ(headers(X_MS_CLIENT_PRINCIPAL_NAME=name)), SIGN_IN, remote_user="name"
    )
    assert found["appsvc.request"].principal.name == "\u674e"
    assert found["REMOTE_USER"].encode("latin-1").decode() == "\u674e"


@pytest.mark.parametrize(
    ("variables", "peer"),
    [
        pytest.param(SIGN_IN, "198.51.100.1", id="untrusted-peer"),
        pytest.param(SIGN_IN, "", id="no-peer"),
        pytest.param(APP_SERVICE, FRONT_END, id="not-switched-on"),
        pytest.param(
            {**APP_SERVICE, "WEBSITE_AUTH_ENABLED": "False"}, FRONT_END, id="switched-off"
        ),
        pytest.param({**SIGN_IN, "WEBSITE_AUTH_ENABLED": "maybe"}, FRONT_END, id="unclear"),
        pytest.param({"WEBSITE_AUTH_ENABLED": "True"}, FRONT_END, id="off-the-platform"),
        pytest.param({}, "127.0.0.1", id="on-a-laptop"),
    ],
)
def test_nobody_may_say_it(variables: dict[str, str], peer: str) -> None:
    """All such headers are removed before the app sees the request, and no user is signed in."""
    found = seen(make_environ(headers(), REMOTE_ADDR=peer), variables)
    assert found["appsvc.request"].principal is None
    assert not [name for name in found if name.startswith("HTTP_X_MS_")]
    assert "REMOTE_USER" not in found
    assert found["appsvc.original"]["HTTP_X_MS_CLIENT_PRINCIPAL_ID"] == "1234"


def test_bad_principal_is_logged_once_without_its_value(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No user is signed in, and the log is not flooded."""
    monkeypatch.setattr(request_info, "_said", set())
    for _ in range(3):
        found = seen(make_environ(headers(X_MS_CLIENT_PRINCIPAL="!!!!e30=")), SIGN_IN)
        assert found["appsvc.request"].principal is None
        assert "REMOTE_USER" not in found
    said = [r for r in caplog.records if r.name == "appsvc_runtime.identity"]
    assert [record.levelno for record in said] == [logging.WARNING]
    assert "e30" not in said[0].getMessage()


NAMES = st.sampled_from(
    "X-MS-CLIENT-PRINCIPAL X-MS-CLIENT-PRINCIPAL-ID X-MS-CLIENT-PRINCIPAL-NAME X-MS-CLIENT-X "
    "X-MS-CLIENT-PRINCIPAL-IDP X-MS-TOKEN-AAD-ACCESS-TOKEN X-Forwarded-For X-Forwarded-Proto "
    "X-ARR-LOG-ID Host Cookie".split()
)
VALUES = st.sampled_from([principal(), "1234", "ann", "aad", "", "169.254.130.1"]) | st.text(
    st.characters(max_codepoint=255), max_size=30
)
STRANGERS = st.sampled_from(
    ["198.51.100.1", "8.8.8.8", "2001:db8::1", "", "unix:", "x", "11.0.0.1"]
)


@given(sent=st.dictionaries(NAMES, VALUES), peer=STRANGERS)
def test_no_principal_from_a_stranger_ever(sent: dict[str, str], peer: str) -> None:
    """This holds for any headers that an untrusted peer sends."""
    found = seen(make_environ(sent, REMOTE_ADDR=peer), SIGN_IN)
    assert found["appsvc.request"].principal is None
    assert "REMOTE_USER" not in found
    assert not [name for name in found if name.startswith(("HTTP_X_MS_CLIENT", "HTTP_X_MS_TOKEN"))]


@given(sent=st.dictionaries(NAMES, VALUES))
def test_never_an_exception_from_the_front_end(sent: dict[str, str]) -> None:
    """There is no user without an id, either."""
    who = seen(make_environ(sent), SIGN_IN)["appsvc.request"].principal
    assert who is None or who.id
