"""The page of a container that does not start, as a browser shows it."""

from __future__ import annotations

from pathlib import Path

from appsvc_runtime.emulator.http.error_pages import html_page
from tests.support import browser
from tests.support.postgres import skip_or_fail
from tests.support.servers import serving


def test_it_opens_at_the_end_of_the_output(tmp_path: Path) -> None:
    """It shows the reason; the whole page fits into a narrow window."""
    skip_or_fail(browser.missing())
    lines = "\n".join(f"{number} {'word ' * 60}" for number in range(300))
    page = html_page(503, 0, "Application Error", "It ended.", output=lines, command="x" * 300)
    (tmp_path / "index.html").write_text(page, "utf-8")

    async def drive(tab: browser.Page) -> None:
        await tab.go(f"http://127.0.0.1:{server.port}/")
        box = "document.querySelector('pre.output')"
        assert await tab.run(f"{box}.scrollHeight > 3 * {box}.clientHeight")
        last = f"{box}.firstChild.getBoundingClientRect().bottom"
        assert await tab.run(f"{last} <= {box}.getBoundingClientRect().bottom")
        root = "document.documentElement"
        assert await tab.run(f"{root}.scrollWidth <= {root}.clientWidth")
        assert await tab.run("document.querySelector('pre code').innerText.length") == 300

    command = ("-m", "http.server", "--bind", "127.0.0.1", "{port}")
    with serving(*command, cwd=tmp_path) as server:
        browser.browse_plain(drive)
