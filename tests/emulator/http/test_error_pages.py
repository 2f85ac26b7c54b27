"""The pages that explain an error: escaped, complete, and as text for programs."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from appsvc_runtime.emulator.http import error_pages
from appsvc_runtime.emulator.http.error_pages import answer, html_page, text_page
from appsvc_runtime.emulator.http.messages import Answer, Request

NASTY = "</pre><script>alert('&\"')</script>\x00"


def ask(method: str = "GET", output: str = "", **headers: str) -> Answer:
    request = Request(method, "/", CIMultiDict(headers))
    return answer(request, 404, 8, "Not found", "It is\n hidden.", details="Do.", output=output)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        pytest.param(None, "text/html", id="silent"),
        pytest.param("text/html,application/xhtml+xml,*/*;q=0.8", "text/html", id="browser"),
        pytest.param("*/*", "text/plain", id="curl"),
        pytest.param("application/json", "text/plain", id="json"),
        pytest.param("text/plain", "text/plain", id="text"),
        pytest.param("text/html;q=0, */*", "text/plain", id="anything-but-html"),
        pytest.param("text/html;q=0.5, text/plain", "text/html", id="html-named"),
        pytest.param(";;;,,,q=", "text/plain", id="garbage"),
    ],
)
def test_html_or_text(accept: str | None, kind: str) -> None:
    """A browser gets HTML, a program text."""
    given_headers = {} if accept is None else {"Accept": accept}
    made = ask(**given_headers)
    assert made.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert made.body


def test_an_answer() -> None:
    """Status, length, no caching, and the note for the log on one line."""
    made = ask()
    assert isinstance(made.body, bytes)
    assert (made.status, made.note) == (404, "404.8: It is hidden.")
    assert made.headers["Content-Length"] == str(len(made.body))
    assert made.headers["Cache-Control"] == "no-store"


def test_more_headers() -> None:
    """The caller's own headers are added."""
    made = answer(Request("GET", "/", CIMultiDict()), 405, 0, "No", "No.", headers={"Allow": "GET"})
    assert made.headers["Allow"] == "GET"
    assert made.note == "405: No."


def test_head_has_no_body() -> None:
    """The length is that of the response to GET."""
    assert ask("HEAD").body == b""
    assert ask("HEAD").headers == ask().headers


@pytest.mark.parametrize("make", [html_page, text_page], ids=["html", "text"])
def test_a_page_says_everything(make: Callable[..., str]) -> None:
    """Status and substatus, the reason, what to do, the command, its output, the page's origin."""
    page = make(
        502, 3, "Bad gateway", "The child went.", "Look at its log.", "Traceback", command="run it"
    )
    for words in (
        "502.3 Bad gateway",
        "The child went.",
        "Look at its log.",
        "Traceback",
        "run it",
        "appsvc emulate",
    ):
        assert words in page


def test_a_status_of_ones_own() -> None:
    """A rule may respond with any number."""
    assert text_page(799, 1, "Odd", "A rule says so.").startswith("799.1 Odd\n")


class Tags(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text += data


def test_what_comes_from_outside_is_escaped() -> None:
    """It stays text in every part of the page."""
    tags = Tags(html_page(500, 0, NASTY, NASTY, NASTY, NASTY, command=NASTY))
    plain = Tags(html_page(500, 0, "t", "w", "d", "o", command="c"))
    assert tags.tags == plain.tags
    assert tags.text.count("<script>alert('&\"')</script>") == 6  # the title appears twice
    assert "code" in tags.tags


def test_a_page_loads_nothing_and_fits_a_narrow_window() -> None:
    """No URL, no width in pixels; light and dark; the output can be reached by keyboard."""
    page = html_page(500, 0, "t", "w", "d", "o")
    attributes = dict(Tags(page).attributes)
    assert not {"src", "href", "onclick", "style"} & set(attributes)
    assert "url(" not in page
    assert "://" not in page
    assert not re.search(r"\d{2,}px", page)
    assert "width=device-width" in page
    assert "color-scheme: light dark" in page
    assert attributes["tabindex"] == "0"
    assert attributes["lang"] == "en"


def test_long_output_is_cut_at_its_beginning() -> None:
    """The end has the reason of the failure."""
    output = "first" + "x" * error_pages.MAX_OUTPUT + "last"
    for page in (html_page(500, 0, "t", "w", "", output), text_page(500, 0, "t", "w", "", output)):
        assert "first" not in page
        assert "last" in page
        assert len(page) < error_pages.MAX_OUTPUT + 4000


@given(st.text(max_size=50), st.text(max_size=50), st.text(max_size=50))
def test_any_text_makes_a_page(title: str, why: str, output: str) -> None:
    """This includes surrogates and control characters.

    Tags are the same, and the note is one line.
    """
    made = answer(
        Request("GET", "/", CIMultiDict()), 500, 0, title, why or "w", output=output or "o"
    )
    assert isinstance(made.body, bytes)
    page = made.body.decode("utf-8")
    assert [tag for tag in Tags(page).tags if tag != "br"] == Tags(
        html_page(500, 0, "t", "w", "", "o")
    ).tags
    assert "\n" not in made.note
