"""The web.config files of a site: which apply to a path, and how many configurations exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from appsvc_runtime.emulator.iis.applications import Application
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


def test_each_spelling_has_one_configuration_on_a_disk_that_ignores_case(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows every spelling of a folder exists; its web.config is read once."""
    monkeypatch.setattr(Path, "exists", lambda _path, **_: True)
    assert config(site, "/SUB/deep/x.txt") is config(site, "/sub/") is config(site, "/Sub")


def test_a_root_file_in_another_spelling(tmp_path: Path) -> None:
    """Renamed to another case, it is the same file on Windows, and is found again."""
    folder = make_site(tmp_path, {"Web.config": REMOVED})
    site = Site(folder, folder / "Web.config")
    assert len(config(site, "/").handlers) == 2
    (folder / "Web.config").rename(folder / "web.config")
    site.forget()
    assert len(config(site, "/").handlers) == 2


def settings_of(value: str) -> str:
    """Return a file that adds an app setting, and one that is not inherited by applications."""
    return web_config("", f'<add key="{value}" value="1"/>').replace(
        "</configuration>",
        f'<location path="." inheritInChildApplications="FALSE"><appSettings>'
        f'<add key="own-{value}" value="1"/></appSettings></location></configuration>',
    )


@pytest.fixture
def applied(tmp_path: Path) -> Site:
    """Return a site with applications: one of the same name as a folder, one in it, one below."""
    make_site(
        tmp_path,
        {
            "site/web.config": settings_of("root").replace(
                "</configuration>",
                '<location path="shop" inheritInChildApplications="false"><appSettings>'
                '<add key="located" value="1"/></appSettings></location></configuration>',
            ),
            "site/shop/web.config": settings_of("hidden"),
            "site/sub/web.config": settings_of("sub"),
            "shop/web.config": settings_of("shop"),
            "shop/inner/web.config": settings_of("inner"),
            "admin/x.txt": "",
            "deep/web.config": settings_of("deep"),
        },
    )
    return Site(
        tmp_path / "site",
        tmp_path / "site" / "web.config",
        applications=[
            Application("/shop/admin", tmp_path / "admin"),
            Application("/Shop", tmp_path / "shop"),
            Application("/sub/none/deep", tmp_path / "deep"),
        ],
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "root own-root"),
        ("/sub/x", "root own-root sub own-sub"),
        ("/shop", "root located shop own-shop"),
        ("/SHOP/x", "root located shop own-shop"),
        ("/shop/inner/x", "root located shop own-shop inner own-inner"),
        ("/shop/admin/x", "root shop"),
        ("/sub/none/x", "root own-root sub own-sub"),
        ("/sub/NONE/deep/x", "root sub deep own-deep"),
        ("/admin", "root own-root"),
    ],
)
def test_what_an_application_inherits(applied: Site, path: str, expected: str) -> None:
    """Everything of the URL paths above it, except where inheritInChildApplications is false.

    The folder of the site at an application's path is never read. A setting of a location for the
    application's own path is for it, and is not inherited by applications below.
    """
    assert list(config(applied, path).app_settings) == expected.split()


def test_what_an_application_sets_itself(applied: Site) -> None:
    """wfastcgi reads that file alone, whatever is inherited."""
    applications = {each.path: each for each in applied.applications.all}
    own = {path: list(applied.own_config(each).app_settings) for path, each in applications.items()}
    assert own == {
        "": ["root", "own-root"],
        "/Shop": ["shop", "own-shop"],
        "/shop/admin": [],
        "/sub/none/deep": ["deep", "own-deep"],
    }


def test_applications_share_few_configurations(applied: Site) -> None:
    """Spellings of an application and of folders in it make no further ones."""
    for path in ("/shop/{}", "/SHOP/{}", "/Shop/INNER/{}", "/shop/Admin/{}", "/sub/None/Deep/{}"):
        assert len({id(config(applied, path.format(number))) for number in range(50)}) == 1
    assert config(applied, "/shop/x") is config(applied, "/SHOP/y")
    assert config(applied, "/sub/none/deep") is config(applied, "/SUB/None/Deep/")


def test_findings_name_the_file_as_the_user_has_named_its_folder(tmp_path: Path) -> None:
    """The file of an application begins with the folder of --application."""
    make_site(tmp_path, {"site/web.config": web_config(""), "shop/web.config": "<x>"})
    shop = Application("/shop", tmp_path / "shop", shown="../shop/")
    site = Site(tmp_path / "site", tmp_path / "site" / "web.config", applications=[shop])
    (found,) = site.config("/shop/x")[1]
    assert found.where.startswith("../shop/web.config")
