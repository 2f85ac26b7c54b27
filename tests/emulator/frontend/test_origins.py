"""Which requests come from another site's page, and which redirect targets stay on this site."""

from __future__ import annotations

from typing import Any

import pytest
from multidict import CIMultiDict

from appsvc_runtime.emulator.frontend.origins import is_cross_site, local_target
from tests.support import browser
from tests.support.postgres import skip_or_fail

HOST = "127.0.0.1:8000"
OWN = f"http://{HOST}"
# Headers, whether the request came over https, and whether it is from another site.
SENT: list[tuple[list[tuple[str, str]], bool, bool]] = [
    ([], False, False),
    ([("Sec-Fetch-Site", "same-origin")], False, False),
    ([("Sec-Fetch-Site", "none")], False, False),
    ([("Sec-Fetch-Site", "same-site")], False, True),
    ([("Sec-Fetch-Site", "cross-site")], False, True),
    ([("Sec-Fetch-Site", "")], False, True),
    ([("Sec-Fetch-Site", "SAME-ORIGIN ")], False, False),
    ([("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")], False, True),
    # Sec-Fetch-Site counts before Origin, whose scheme differs behind a tunnel that ends TLS.
    ([("Sec-Fetch-Site", "same-origin"), ("Origin", f"https://{HOST}")], False, False),
    ([("Sec-Fetch-Site", "cross-site"), ("Origin", OWN)], False, True),
    ([("Origin", OWN)], False, False),
    ([("Origin", f"https://{HOST}")], True, False),
    ([("Origin", f"https://{HOST}")], False, True),
    ([("Origin", "http://127.0.0.1:8001")], False, True),
    ([("Origin", "http://localhost:8000")], False, True),
    ([("Origin", "null")], False, True),
    ([("Origin", "")], False, True),
    ([("Origin", "http://127.0.0.1:8000.evil.example")], False, True),
    ([("Origin", "http://127.0.0.1:8000@evil.example")], False, True),
    ([("Origin", OWN), ("Origin", "http://evil.example")], False, True),
    ([("Origin", "http://evil.example"), ("Referer", OWN)], False, True),
    ([("Referer", f"{OWN}/page?x")], False, False),
    ([("Referer", "http://evil.example/http://127.0.0.1:8000")], False, True),
    ([("Referer", "about:blank")], False, True),
]


@pytest.mark.parametrize(("headers", "secure", "foreign"), SENT)
def test_who_has_sent_a_request(
    headers: list[tuple[str, str]], *, secure: bool, foreign: bool
) -> None:
    """The header is Sec-Fetch-Site, else Origin, else Referer."""
    assert is_cross_site(CIMultiDict(headers), HOST, secure=secure) is foreign


def test_the_ports_of_schemes() -> None:
    """A browser leaves default ports out."""
    for host in ("site.example", "site.example:80", "SITE.example"):
        headers = CIMultiDict({"Origin": "http://site.example"})
        assert not is_cross_site(headers, host, secure=False)
        assert is_cross_site(headers, host, secure=True)


# A target, and the result; "" means that it is refused.
STAYS = [
    ("/", "/"),
    ("/back", "/back"),
    ("/a/b?c=d&e=%2Ff#g", "/a/b?c=d&e=%2Ff#g"),
    ("/a b", "/a%20b"),
    ("/ä", "/%C3%A4"),
    ("/50%", "/50%25"),
    ("/x?next=//evil.example", "/x?next=//evil.example"),
    ("/x?path=C:\\a", "/x?path=C:%5Ca"),
    ("/@evil.example", "/@evil.example"),
    ("/:@evil.example", "/:@evil.example"),
    ("/https://evil.example", "/https://evil.example"),
    ("/a//evil.example", "/a//evil.example"),
    ("/a/..//evil.example", "/a/..//evil.example"),
    ("/.evil.example", "/.evil.example"),
    ("/./evil.example", "/./evil.example"),
    ("/?//evil.example", "/?//evil.example"),
    ("/#//evil.example", "/#//evil.example"),
    ("/\uff0fevil.example", "/%EF%BC%8Fevil.example"),
    ("/\u2215evil.example", "/%E2%88%95evil.example"),
    ("/\u29f5evil.example", "/%E2%A7%B5evil.example"),
    ("/\u3000/evil.example", "/%E3%80%80/evil.example"),
    ("/\ud800x", "/?x"),
    (f"http://{HOST}", "/"),
    (f"http://{HOST}/back?a", "/back?a"),
    (f"HTTPS://{HOST}?a", "/?a"),
    (f"http://{HOST}#a", "/#a"),
]
NOWHERE = (
    "", "back", "?a", "#a", ".", "..", "evil.example", " /back", "\t/back",
    "//evil.example", "///evil.example", "////evil.example", "/\\evil.example", "/\\/evil.example",
    "\\/evil.example", "\\\\evil.example", "\\evil.example", "/ /evil.example", "/ \\evil.example",
    "/\t/evil.example", "/\n/evil.example", "/\r\n/evil.example", "/\x00/evil.example",
    "/\x0b/evil.example", "/back\r\nX-Evil: 1", "/back\nX-Evil: 1", "/back\x85", "/a\u2028b",
    "/\x7f/evil.example", "/%5cevil.example", "/%5C%5Cevil.example", "/%2fevil.example",
    "/%2F%2Fevil.example", "/%09/evil.example", "/%0d%0a/evil.example", "/%20/evil.example",
    "/%00/evil.example", "/%255cevil.example", "/%252fevil.example", "/%2509/evil.example",
    "//%65vil.example", "https://evil.example", "HTTPS://evil.example", "https:evil.example",
    "https:/evil.example", "https:///evil.example", "http:\\\\evil.example", "ht\ntps://evil.example",
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc",
    "ftp://evil.example", "//user:pass@evil.example", f"http://{HOST}@evil.example",
    f"http://user@{HOST}/", f"http://{HOST}.evil.example", f"http://{HOST}\\@evil.example",
    f"http://evil.example\\@{HOST}", f"http://evil.example#@{HOST}", f"http://{HOST}//evil.example",
    f"http://{HOST}/\\evil.example", f"http://{HOST}/%5cevil.example", f"http:{HOST}/",
    f"//{HOST}/back", "http://127.0.0.1:80010/", "http://127.0.0.1/", "\uff0f\uff0fevil.example",
    "\u2215/evil.example", "/\x1b[31m", "x" * 10_000,
)  # fmt: skip


@pytest.mark.parametrize(("text", "target"), STAYS)
def test_targets_on_the_site(text: str, target: str) -> None:
    """They stay. Invalid characters are escaped; of the site's own URL only the path remains."""
    assert local_target(text, HOST.__eq__) == target
    assert target.isascii()


@pytest.mark.parametrize("text", NOWHERE, ids=ascii)
def test_targets_that_might_leave_the_site(text: str) -> None:
    """They are refused, also if only a server behind the site would misread them."""
    assert local_target(text, HOST.__eq__) == ""


@pytest.mark.integration
def test_a_browser_agrees() -> None:
    """Chromium stays on the site with allowed targets; targets with which it leaves are refused."""
    skip_or_fail(browser.missing())
    found: dict[str, Any] = {}
    kept = [target for _, target in STAYS]
    raw = [text for text in (*NOWHERE, *(text for text, _ in STAYS)) if "\ud800" not in text]

    async def drive(page: browser.Page) -> None:
        for name, texts in (("kept", kept), ("raw", raw)):
            code = (
                f"{texts!a}.map(t => {{ try {{ return new URL(t, '{OWN}/.auth/x').origin }} "
                "catch { return '' } })"
            ).replace("\\U", "\\u")
            found[name] = await page.run(code)

    browser.browse_plain(drive)
    assert set(found["kept"]) == {OWN}
    leaves = {text for text, origin in zip(raw, found["raw"], strict=True) if origin != OWN}
    assert leaves <= {*NOWHERE, f"HTTPS://{HOST}?a"}  # of which only the path is kept
    # The table must contain targets that browsers do follow.
    assert {
        "///evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "https:evil.example",
    } <= leaves
