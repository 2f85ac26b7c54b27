"""IIS's part without a front end: the responses before a request reaches a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from multidict import CIMultiDict

from appsvc_runtime.emulator.http.messages import Answer, Request, Tunnel
from appsvc_runtime.emulator.iis.pipeline import Iis, Mapped
from appsvc_runtime.emulator.iis.site import Site
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
