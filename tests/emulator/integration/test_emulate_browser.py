"""Both examples in a real browser, with `--https`, in both forms of web.config."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support import browser
from tests.support.emulator import emulating
from tests.support.postgres import skip_or_fail
from tests.support.servers import ROOT


@pytest.mark.parametrize("kind", ["httpplatform", "fastcgi"])
@pytest.mark.parametrize("example", ["flask_app", "django_app"])
def test_a_form_is_sent_as_deployed(tmp_path: Path, example: str, kind: str) -> None:
    """The page, its style and the greeting come over HTTPS; CSRF checks and redirects work."""
    skip_or_fail(browser.missing())
    site = tmp_path / example
    shutil.copytree(ROOT / "examples" / example, site)

    async def drive(page: browser.Page) -> None:
        url = f"https://127.0.0.1:{server.port}"
        await page.go(f"{url}/")
        assert await page.run("document.querySelector('h1').innerText") == "Welcome"
        sheets = "Array.from(document.styleSheets).map(s => s.cssRules.length).join()"
        assert int(await page.run(sheets)) > 5
        await page.run("document.querySelector('#name').value = 'Zoë'")
        await page.run("document.querySelector('form button').click()")
        await page.wait_for("document.querySelector('h1').innerText == 'Hello, Zoë!'")
        assert (await page.run("location.href")).startswith(f"{url}/hello?name=Zo")
        await page.go(f"{url}/visitor")
        text = await page.run("document.body.innerText")
        assert f"https://{example.replace('_', '-')}.azurewebsites.net/visitor" in text

    with emulating(site, "--as", kind, "--https", "--set", "SECRET_KEY=for-tests") as server:
        browser.browse(drive, server.port, tmp_path / ".appsvc" / example / "authority.pem")
        assert "GET /static/style.css 200" in server.log()
