"""App Service authentication as the emulator implements it, and attacks of other sites on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote, urlencode

import pytest
from multidict import CIMultiDict

from appsvc_runtime.emulator.frontend.easy_auth import COOKIE, EasyAuth
from appsvc_runtime.emulator.http.messages import Answer, Request
from tests.emulator.frontend.test_origins import NOWHERE, STAYS

HOST = "127.0.0.1:8000"


class Site:
    """EasyAuth in front of an app that keeps the requests that it gets."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.auth = EasyAuth(self._app)

    async def _app(self, request: Request) -> Answer:
        self.seen.append(request)
        return Answer(200, body=b"app")

    def call(
        self,
        method: str,
        target: str,
        *,
        body: bytes = b"",
        cookie: str = "",
        foreign: bool = False,
    ) -> Answer:
        """Send a request; `foreign` means that a page of another site sent it."""

        async def parts() -> AsyncIterator[bytes]:
            yield body

        headers = CIMultiDict({"Host": HOST, "Cookie": cookie})
        asked = Request(method, target, headers, parts(), len(body), cross_site=foreign)
        answer = asyncio.run(self.auth.ask(asked))
        assert isinstance(answer, Answer)
        return answer

    def sign_in(self, *, foreign: bool = False, **form: str) -> Answer:
        """Submit the sign-in form."""
        body = urlencode(form, errors="surrogatepass").encode()
        return self.call("POST", "/.auth/login/aad", body=body, foreign=foreign)

    def user(self, cookie: str) -> str:
        """Return the user name that the app gets."""
        self.call("GET", "/", cookie=cookie)
        return self.seen[-1].headers.get("X-MS-CLIENT-PRINCIPAL-NAME", "")


def cookie_of(answer: Answer) -> str:
    return answer.headers["Set-Cookie"].partition(";")[0]


def test_a_form_of_another_site_signs_nobody_in() -> None:
    """It is refused, without a cookie."""
    site = Site()
    answer = site.sign_in(name="eve", foreign=True)
    assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)
    assert "another site" in answer.note
    assert site.user(cookie_of(site.sign_in(name="ann"))) == "ann"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_of_another_site_signs_nobody_out(method: str) -> None:
    """It leads to a page that asks for confirmation, and keeps the target."""
    site = Site()
    cookie = cookie_of(site.sign_in(name="ann"))
    path = "/.auth/logout?post_logout_redirect_uri=%2Fbye"
    answer = site.call(method, path, cookie=cookie, foreign=True)
    assert (answer.status, "Set-Cookie" in answer.headers) == (200, False)
    assert b'value="/bye"' in bytes(answer.body)
    assert site.user(cookie) == "ann"
    assert site.call("POST", path, cookie=cookie, foreign=True).status == 403
    assert site.user(cookie) == "ann"
    form = b"post_logout_redirect_uri=%2Fbye"
    answer = site.call("POST", "/.auth/logout", body=form, cookie=cookie)
    assert (answer.status, answer.headers["Location"]) == (302, "/bye")
    assert site.user(cookie) == ""


OTHERS = [
    'x={"a": 1}',
    "a[b]=1",
    "x=\u00e9",
    'x="',
    "novalue",
    "a@b=1",
    "path=/",
    "=x",
    f"{COOKIE}=old",
]


@pytest.mark.parametrize("other", OTHERS)
def test_cookies_of_other_sites_on_this_machine(other: str) -> None:
    """All ports of localhost share them: whatever they contain, the user stays the same."""
    site = Site()
    own = cookie_of(site.sign_in(name="ann"))
    for cookie in (f"{other}; {own}", f"{own};{other}"):
        assert site.user(cookie) == "ann"
    # Signing out ends the session, and does not only delete its cookie.
    site.call("GET", "/.auth/logout", cookie=f"{other}; {own}")
    assert site.user(own) == ""


def test_signing_out_by_the_sites_own_link() -> None:
    """The user is signed out at once. A HEAD request changes nothing, other methods are refused."""
    site = Site()
    cookie = cookie_of(site.sign_in(name="ann"))
    assert site.call("HEAD", "/.auth/logout", cookie=cookie).status == 200
    assert site.call("DELETE", "/.auth/logout", cookie=cookie).status == 405
    assert site.user(cookie) == "ann"
    answer = site.call("GET", "/.auth/logout", cookie=cookie)
    assert (answer.status, cookie_of(answer)) == (200, f"{COOKIE}=")
    assert site.user(cookie) == ""


@pytest.mark.parametrize("text", NOWHERE, ids=ascii)
def test_redirects_that_would_leave(text: str) -> None:
    """They are ignored after sign-in and sign-out, and in the form's hidden field."""
    site = Site()
    assert site.sign_in(post_login_redirect_uri=text).headers["Location"] == "/.auth/login/done"
    query = quote(text, safe="", errors="surrogatepass")
    answer = site.call("GET", f"/.auth/logout?post_logout_redirect_uri={query}")
    assert (answer.status, "Location" in answer.headers) == (200, False)
    form = site.call("GET", f"/.auth/login/aad?post_login_redirect_uri={query}")
    assert b'name="post_login_redirect_uri" value=""' in bytes(form.body)


@pytest.mark.parametrize(("text", "target"), [pair for pair in STAYS if "\ud800" not in pair[0]])
def test_redirects_that_stay(text: str, target: str) -> None:
    """They are followed."""
    site = Site()
    assert site.sign_in(post_login_redirect_uri=text).headers["Location"] == target
    query = quote(text, safe="")
    answer = site.call("GET", f"/.auth/logout?post_logout_redirect_uri={query}")
    assert (answer.status, answer.headers["Location"]) == (302, target)


# Paths that the platform's server reads as one below /.auth/, or that are written like one.
INSIDE = (
    "/.auth/me", "/.AUTH/me", "/%2eauth/me", "/%2Eauth/me", "//.auth/me", "/./.auth/me",
    "/x/../.auth/me", "/x/%2e%2e/.auth/me", "/.auth%2fme", "/.auth\\me", "/\\.auth/me",
    "/.auth/x/../me", "/%u002eauth/me", "/.auth//me",
)  # fmt: skip
UNKNOWN = ("/.auth/", "/.auth/x", "/.auth/../secret", "/.auth/%2e%2e/secret", "/.auth/login/evil",
           "/.auth/..%5csecret", "/.auth/login/aad/../../../secret")  # fmt: skip


@pytest.mark.parametrize("path", INSIDE)
def test_its_pages_however_their_path_is_written(path: str) -> None:
    """No spelling reaches the app, which could take it for one of its own paths."""
    site = Site()
    assert site.call("GET", path).status in (401, 404)
    assert site.seen == []


@pytest.mark.parametrize("path", UNKNOWN)
def test_other_paths_below_it(path: str) -> None:
    """The response is 404, and the app does not get them."""
    site = Site()
    assert site.call("GET", path).status == 404
    assert site.seen == []


@pytest.mark.parametrize("path", ["/auth/me", "/.authx/me", "/x/.auth/me", "/a?/.auth/me"])
def test_paths_of_the_app(path: str) -> None:
    """The app gets them."""
    site = Site()
    assert site.call("GET", path).body == b"app"


@pytest.mark.parametrize("name", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "a\x1b[31mb", "a\x85b"])
def test_names_that_are_no_header(name: str) -> None:
    """The name becomes a header of each request: it is refused, not passed on."""
    site = Site()
    answer = site.sign_in(name=name)
    assert (answer.status, "Set-Cookie" in answer.headers) == (400, False)


def test_forms_that_are_none() -> None:
    """Too many fields, too long, invalid text: a page, and never an exception."""
    site = Site()
    many = b"&".join(b"a=%d" % number for number in range(200))
    assert site.call("POST", "/.auth/login/aad", body=many).status == 302
    assert site.call("POST", "/.auth/login/aad", body=b"a" * 100_000).status == 413
    assert site.call("POST", "/.auth/login/aad", body=b"name=\xff%ff%ED%A0%80").status == 302
    assert site.call("GET", "/.auth/login/aad?post_login_redirect_uri=/\udcff").status == 200
    assert site.call("GET", f"/.auth/login/aad?{many.decode()}").status == 200


@pytest.mark.parametrize(
    ("provider", "name"),
    [("aad", "Microsoft Entra ID"), ("google", "Google"), ("facebook", "Facebook"),
     ("github", "GitHub"), ("apple", "Apple"), ("x", "X")],
)  # fmt: skip
def test_the_form_has_the_providers_name(provider: str, name: str) -> None:
    """It is the product name, not the one in the URL."""
    body = Site().call("GET", f"/.auth/login/{provider}").body
    assert isinstance(body, bytes)
    assert f"<h1>Sign in with {name}</h1>".encode() in body


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/.auth/login/evil", "/.auth/login/ and one of: aad, google, facebook, github, apple, x."),
        ("/.auth/", "/.auth/login/ and one of: aad, google, facebook, github, apple, x."),
        ("/.auth/me", "Sign in at /.auth/login/aad."),
    ],
)
def test_errors_say_where_to_sign_in(path: str, words: str) -> None:
    """A browser shows a page, and not its own text for an empty response."""
    body = Site().call("GET", path).body
    assert isinstance(body, bytes)
    assert words in body.decode()


PAGES = ("/.auth/login/aad", "/.auth/login/done", "/.auth/logout", "/.auth/me", "/.auth/login/evil")


@pytest.mark.parametrize("path", PAGES)
def test_pages_cannot_be_framed_nor_run_scripts(path: str) -> None:
    """Another site could put its own buttons over a frame."""
    evil = quote('/"><script>alert(1)</script>')
    answer = Site().call(
        "GET", f"{path}?post_login_redirect_uri={evil}&post_logout_redirect_uri={evil}",
        foreign=True,
    )  # fmt: skip
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert b"<script" not in bytes(answer.body)
