"""IIS's part without a front end: the responses before a request reaches a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from multidict import CIMultiDict

from appsvc_runtime.emulator.http.messages import Answer, Request, Tunnel
from appsvc_runtime.emulator.iis.applications import Application
from appsvc_runtime.emulator.iis.pipeline import Iis, Mapped
from appsvc_runtime.emulator.iis.site import Site
from appsvc_runtime.emulator.iis.site_files import exists_as
from tests.support.emulator import HTTPPLATFORM, make_site, web_config

RULE = '<rewrite><rules><rule name="{}"><match url="{}"/>{}</rule></rules></rewrite>'
REWRITE = '<action type="Rewrite" url="/taken"/>'
LOCATED = (
    '<location path="located"><appSettings><add key="A" value="1"/></appSettings></location>'
    "</configuration>"
)

Ask = Callable[..., Answer]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Return a function that requests from a site whose worker responds 299 and notes the path."""
    site = make_site(
        tmp_path,
        {
            "web.config": web_config(
                f'{HTTPPLATFORM}<httpPlatform processPath="p"/>'
                + RULE.format("site", "^old$", REWRITE)
            ).replace("</configuration>", LOCATED),
            "bad/web.config": web_config(RULE.format("bad", "(", REWRITE)),
            "inner/web.config": web_config(RULE.format("inner", "^([\\w-.]+)$", REWRITE)),
            "twice/web.config": web_config(HTTPPLATFORM),
        },
    )

    async def work(_request: Request, mapped: Mapped) -> Answer | Tunnel:
        return Answer(299, note=mapped.path)

    iis = Iis(Site(site, site / "web.config"), work)

    def get(target: str) -> Answer:
        answer = asyncio.run(iis.ask(Request("GET", target, CIMultiDict(Accept="text/plain"))))
        assert isinstance(answer, Answer)
        return answer

    get.rules = iis._rules  # type: ignore[attr-defined]
    return get


@pytest.mark.parametrize("target", ["/../x", "/%zz", "/%00", "*"])
def test_targets_that_http_sys_refuses(ask: Ask, target: str) -> None:
    """http.sys refuses the target before any part of the site sees it."""
    answer = ask(target)
    assert (answer.status, answer.note.partition(":")[0]) == (400, "400")


@pytest.mark.parametrize(
    ("target", "note"),
    [
        pytest.param("/x", "/x", id="no-rule"),
        pytest.param("/old", "/taken", id="rewritten"),
        pytest.param("/inner/a-b.c", "/taken", id="hyphen-behind-a-class"),
        pytest.param("/inner/a/b", "/inner/a/b", id="rule-that-does-not-match"),
    ],
)
def test_paths_that_reach_the_worker(ask: Ask, target: str, note: str) -> None:
    """The worker gets the path as the rules leave it."""
    answer = ask(target)
    assert (answer.status, answer.note) == (299, note)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        pytest.param("/bad/x", ["bad/web.config", "'bad'", "pattern"], id="pattern"),
        pytest.param("/twice/x", ["twice/web.config", "PythonHandler"], id="handler-twice"),
    ],
)
def test_configurations_that_iis_refuses(ask: Ask, target: str, words: list[str]) -> None:
    """The response is 500.19 with the reason; an invalid rule of a folder is not just left out."""
    answer = ask(target)
    assert answer.note.startswith("500.19: ")
    assert isinstance(answer.body, bytes)
    assert all(word in answer.body.decode() for word in words)
    assert ask("/x").status == 299


def test_rules_are_read_once_for_all_paths_of_a_location(ask: Ask) -> None:
    """Clients that invent paths do not cause more compiled rules."""
    for number in range(300):
        assert ask(f"/located/{number}").status == 299
    assert len(ask.rules) == 1  # type: ignore[attr-defined]


@pytest.fixture
def ask_applications(tmp_path: Path) -> Ask:
    """Return a function that requests from a site of files, with applications; as `ask` does."""
    make_site(
        tmp_path,
        {
            "site/web.config": web_config(
                RULE.format("site", "^old/(.*)", '<action type="Rewrite" url="new/{R:1}"/>')
            ),
            "site/shop/a.txt": "hidden",
            "site/b.txt": "of the site",
            "site/new/b.txt": "new",
            "shop/web.config": web_config(""),
            "shop/A.txt": "of the shop",
            "shop/index.htm": "start",
            "api/web.config": web_config(
                f'{HTTPPLATFORM}<httpPlatform processPath="p"/>'
                + RULE.format(
                    "api",
                    "^([0-9]+)$",
                    '<conditions><add input="{APPL_PHYSICAL_PATH}" pattern="api$"/>'
                    '<add input="{REQUEST_FILENAME}" matchType="IsFile" negate="true"/>'
                    '<add input="{ToLower:{REQUEST_FILENAME}}" pattern="api.[0-9]+$"/></conditions>'
                    '<action type="Rewrite" url="item/{R:1}"/>',
                )
                + "<defaultDocument><files><clear/></files></defaultDocument>"
            ),
            "api/7": "a file",
            "api/Upper/web.config": web_config(
                '<handlers><remove name="PythonHandler"/></handlers>'
            ),
            "api/Upper/x.txt": "upper",
        },
    )

    async def work(_request: Request, mapped: Mapped) -> Answer | Tunnel:
        return Answer(299, note=f"{mapped.application.path} {mapped.path}")

    own = tmp_path / "site"
    others = [Application(f"/{name}", tmp_path / name) for name in ("shop", "api")]
    iis = Iis(Site(own, own / "web.config", applications=others), work)

    def get(target: str) -> Answer:
        request = Request("GET", target, CIMultiDict(Accept="text/plain", Host="h"))
        answer = asyncio.run(iis.ask(request))
        assert isinstance(answer, Answer)
        return answer

    return get


async def _read(answer: Answer) -> bytes:
    if isinstance(answer.body, bytes):
        return answer.body
    return b"".join([piece async for piece in answer.body])


@pytest.mark.parametrize(
    ("target", "status", "shown"),
    [
        pytest.param("/b.txt", 200, "of the site", id="site"),
        pytest.param("/SHOP/a.TXT", 200, "of the shop", id="file-in-any-case"),
        pytest.param("/shop/b.txt", 404, "no such file", id="not-a-file-of-the-site"),
        pytest.param("/shop/", 200, "start", id="default-document"),
        pytest.param("/Shop?a=b", 301, "http://h/Shop/?a=b", id="slash"),
        pytest.param("/shop/web.config", 404, "", id="web.config"),
        pytest.param("/shop/../b.txt", 200, "of the site", id="dots"),
        pytest.param("/shop/%2e%2e/shop/A.txt", 200, "of the shop", id="escaped-dots"),
        pytest.param("/api", 299, "/api /api", id="app"),
        pytest.param("/API/x", 299, "/api /API/x", id="app-in-any-case"),
        pytest.param("/api/5", 299, "/api /api/item/5", id="rewritten-below-it"),
        pytest.param("/api/7", 299, "/api /api/7", id="rule-that-looks-at-a-file-of-it"),
        pytest.param("/api/old/x", 299, "/api /api/new/x", id="inherited-rule"),
        pytest.param("/old/b.txt", 200, "new", id="rule-of-the-site"),
        pytest.param("/api/UPPER/X.txt", 200, "upper", id="folder-without-the-handler"),
        pytest.param("/apis/5", 404, "no such file", id="another-name"),
    ],
)
def test_applications(ask_applications: Ask, target: str, status: int, shown: str) -> None:
    """Each URL leads to the files, the rules and the worker of its own application."""
    answer = ask_applications(target)
    body = asyncio.run(_read(answer)).decode()
    assert answer.status == status
    assert shown in f"{body} {answer.note} {answer.headers.get('Location', '')}"


def test_a_path_that_a_rule_has_made_lower_case(tmp_path: Path) -> None:
    """On Windows a file exists under every spelling of its whole path, the site's folder too."""
    folder = make_site(tmp_path / "Upper", {"Static/A.txt": "x"})
    is_file, is_directory = exists_as(folder)
    whole = str(folder / "Static")
    for spelled in (whole, whole.lower(), whole.upper()):
        assert is_directory(spelled)
        assert is_file(f"{spelled}/a.TXT")
        assert not is_file(f"{spelled}/../../x")
