"""The web.config files of a site: which apply to a path, and how many configurations exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from appsvc_runtime.emulator.iis.site import Site
from appsvc_runtime.emulator.iis.webconfig.model import Config
from tests.support.emulator import make_site, web_config

LOCATED = (
    '<location path="static"><system.webServer><handlers><clear/></handlers></system.webServer>'
    "</location></configuration>"
)
REMOVED = web_config('<handlers><remove name="StaticFile"/></handlers>')


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site with a location, a folder with its own web.config, and other folders."""
    make_site(
        tmp_path,
        {
            "web.config": web_config("").replace("</configuration>", LOCATED),
            "Sub/web.config": REMOVED,
            "Sub/deep/x.txt": "x",
            "plain/x.txt": "x",
            "broken/web.config": "<configuration>",
        },
    )
    return Site(tmp_path, tmp_path / "web.config")


def config(site: Site, path: str) -> Config:
    found, findings = site.config(path)
    assert findings == ()
    return found


def test_paths_that_nobody_can_count_share_few_configurations(site: Site) -> None:
    """There is one per set of scopes that apply: clients that invent paths cost no memory."""
    paths = [f"/{folder}/{number}/x" for number in range(500) for folder in ("static", "no", "sub")]
    assert len({id(config(site, path)) for path in paths}) == 3
    assert len(site._merged) == 3
    assert config(site, "/Static/1") is config(site, "/static/2")
    assert config(site, "/SUB/deep/x.txt") is config(site, "/sub/")
    assert config(site, "/plain/x.txt") is config(site, "/")


@pytest.mark.parametrize(
    ("path", "handlers"),
    [
        pytest.param("/", 3, id="root"),
        pytest.param("/static", 0, id="located"),
        pytest.param("/STATIC/a/b", 0, id="below-and-case"),
        pytest.param("/statics", 3, id="other-name"),
        pytest.param("/sub/x", 2, id="folder"),
        pytest.param("/sub/deep/none/x", 2, id="below-the-folder"),
        pytest.param("//sub//x", 2, id="slashes"),
        pytest.param("/none/sub/x", 3, id="not-the-folder"),
        pytest.param("/sub/deep/x.txt/static", 2, id="behind-a-file"),
    ],
)
def test_what_holds_for_a_path(site: Site, path: str, handlers: int) -> None:
    """The location removes all handlers, the folder one of three."""
    assert len(config(site, path).handlers) == handlers


def test_files_of_other_folders_are_not_heard(site: Site) -> None:
    """A web.config that cannot be read breaks its own folder only."""
    _, findings = site.config("/broken/x")
    assert [each.code for each in findings] == ["malformed"]
    assert site.config("/none/broken/x")[1] == ()
    assert site.config("/plain/broken")[1] == ()


def test_forgetting(site: Site) -> None:
    """Changed files are read again."""
    before = config(site, "/sub/x")
    (site.folder / "Sub" / "web.config").write_text(web_config(""), "utf-8")
    assert config(site, "/sub/x") is before
    site.forget()
    assert len(config(site, "/sub/x").handlers) == 3


@pytest.mark.parametrize("inside", [False, True])
def test_a_link_out_of_the_site(tmp_path: Path, *, inside: bool) -> None:
    """No web.config behind such a link is read; one behind a link within the site is."""
    site = make_site(tmp_path / "site", {"web.config": web_config("")})
    place = site / "real" if inside else tmp_path / "elsewhere"
    make_site(place, {"web.config": web_config("<handlers><clear/></handlers><no-such/>")})
    (site / "link").symlink_to(place, target_is_directory=True)
    found = Site(site, site / "web.config").config("/link/x")
    assert (found[0].handlers == ()) is inside
