"""The quick start pages are correct: their startup commands serve the apps of their files."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from appsvc_runtime import __version__
from tests.support.servers import ROOT, clean_environ, run, serving

PAGES = sorted(path for path in (ROOT / "docs" / "quickstart").glob("*.md") if path.stem != "index")
BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
# Where a part of a file goes, in the words of the page; it stands below a line, or in place of it.
PLACE = re.compile(r"(in place of|below)\s`([^`]+)`[^`]*$")
# The lines of a new Django project that the page has removed.
REMOVED = re.compile(r"^(SECRET_KEY = '.*'|DEBUG = True)$", re.M)
PLATFORM = {
    "SECRET_KEY": "any",
    "WEBSITE_SITE_NAME": "shop",
    "WEBSITE_INSTANCE_ID": "0a1b2c3d",
    "WEBSITE_HOSTNAME": "shop.azurewebsites.net",
}
FRONT_END = {
    "Host": "shop.azurewebsites.net",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "203.0.113.7:51234",
}


def make_site(page: Path, site: Path) -> str:
    """Make the files of a page in a folder; return its startup command."""
    site.mkdir()
    commands = []
    if page.stem == "django":
        subprocess.run(
            [sys.executable, "-m", "django", "startproject", "mysite", str(site)],
            check=True, env=clean_environ(), timeout=60,
        )  # fmt: skip
    prose = page.read_text("utf-8")
    for block in BLOCK.finditer(prose):
        verb, _, name = (block["mark"] or "").partition(": ")
        target = site / name
        if verb == "file":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block["text"], "utf-8")
        elif verb == "in":
            place = PLACE.search(prose, 0, block.start())
            assert place, f"Where in {name} is this?\n{block['text']}"
            text, line = target.read_text("utf-8"), place[2]
            assert text.count(line) == 1
            kept = f"{line}\n" if place[1] == "below" else ""
            text = REMOVED.sub("", text.replace(line, kept + block["text"]))
            target.write_text(text, "utf-8")
        elif block["text"].startswith("exec "):
            commands.append(block["text"].strip())
    assert len(commands) == 1
    return commands[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_app_of_the_page_is_served(page: Path, tmp_path: Path) -> None:
    """The startup command serves it behind the front end.

    It sees the client and the public address.
    """
    site = tmp_path / "site"
    words = shlex.split(make_site(page, site))
    assert words[:3] == ["exec", "appsvc", "serve"]
    path = os.pathsep.join([str(ROOT), str(site / "src")])
    if page.stem == "django":
        assert not REMOVED.search((site / "mysite" / "settings.py").read_text("utf-8"))
        subprocess.run(
            [sys.executable, "manage.py", "collectstatic", "--noinput"], cwd=site,
            check=True, env=clean_environ(PYTHONPATH=path, **PLATFORM), timeout=60,
        )  # fmt: skip
    command = ("-m", "appsvc_runtime", *words[2:], "--host", "127.0.0.1")
    with serving(*command, cwd=site, PORT="{port}", PYTHONPATH=path, **PLATFORM) as server:
        if page.stem == "django":  # whose new project has the admin site only
            for address in ("/admin/login/", "/static/admin/css/base.css"):
                status, _, body = server.request(address, FRONT_END)
                assert status == 200, server.log()
            return
        status, _, body = server.request("/", FRONT_END)
        assert status == 200, server.log()
        assert json.loads(body) == {
            "url": "https://shop.azurewebsites.net/",
            "client": "203.0.113.7",
        }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_explain_prints_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    """Its output for the page's own files; an ellipsis in a line stands for a part that varies."""
    site = tmp_path / "site"
    make_site(page, site)
    text = page.read_text("utf-8")
    block = next(
        b["text"] for b in BLOCK.finditer(text) if b["text"].startswith("$ appsvc explain")
    )
    first, *shown = block.splitlines()
    printed = run("-m", "appsvc_runtime", *shlex.split(first)[2:], cwd=site).stdout.splitlines()
    lines = iter(printed)
    for line in shown:
        if line != "…":
            pattern = ".*".join(map(re.escape, line.split("…")))
            assert any(re.fullmatch(pattern, other) for other in lines), (line, printed)


def test_the_wheel_that_pages_name_is_the_one_that_is_built() -> None:
    """The file name has the version in it, in the README and on every page."""
    found = {
        name
        for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for name in re.findall(r"appsvc_runtime-[\w.]+-py3-none-any\.whl", path.read_text("utf-8"))
    }
    assert found == {f"appsvc_runtime-{__version__}-py3-none-any.whl"}
