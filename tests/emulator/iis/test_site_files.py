"""The file of a site at a path; no path leads out of the site or to web.config."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appsvc_runtime.emulator.http.url_paths import BadPathError, decode_path
from appsvc_runtime.emulator.iis.site_files import exists_as, find, physical_path
from appsvc_runtime.emulator.iis.webconfig.model import StaticContent
from tests.support.staticsite import CONFIG, HIDDEN, SECRET, ask, make_site, number


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a site with files."""
    return make_site(tmp_path_factory.mktemp("static"))


@pytest.fixture
def links(site: Path) -> Iterator[Path]:
    """Yield the site with links of each kind."""
    made = {
        "in.txt": site / "a.txt",
        "out.txt": site.parent / "outside.txt",
        "beside.txt": site.parent / "my sité2" / "outside.txt",
        "config.txt": site / "Web.config",
        "loop.txt": site / "loop.txt",
        "dangling.txt": site / "nothing",
        "outfolder": site.parent,
        "infolder": site / "sub",
    }
    try:
        for name, goal in made.items():
            (site / name).symlink_to(goal)
    except OSError:  # on Windows not every user may create links
        pytest.skip("links cannot be made here")
    yield site
    for name in made:
        (site / name).unlink()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/in.txt", "200", id="inside"),
        pytest.param("/infolder/B b.txt", "200", id="folder-inside"),
        pytest.param("/out.txt", "404", id="outside"),
        pytest.param("/beside.txt", "404", id="folder-of-a-longer-name"),
        pytest.param("/outfolder/outside.txt", "404", id="folder-outside"),
        pytest.param("/outfolder/", "404", id="the-folder-outside"),
        pytest.param("/config.txt", "404", id="to-web-config"),
        pytest.param("/loop.txt", "404", id="loop"),
        pytest.param("/dangling.txt", "404", id="to-nothing"),
    ],
)
def test_links(links: Path, path: str, expected: str) -> None:
    """Links may lead to any place within the site, but not out of it."""
    answer, body = ask(links, path)
    assert number(answer) == expected
    assert SECRET not in body
    assert HIDDEN not in body


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are not on Windows")
def test_a_pipe_is_no_file(site: Path) -> None:
    """A pipe is not opened, so that no request waits for ever."""
    os.mkfifo(site / "pipe.txt")
    assert number(ask(site, "/pipe.txt")[0]) == "404"
    (site / "pipe.txt").unlink()


@pytest.mark.parametrize(
    ("path", "file", "folder"),
    [
        pytest.param("/a.txt", True, False, id="file"),
        pytest.param("/A.TXT", True, False, id="other-case"),
        pytest.param("/sub", False, True, id="folder"),
        pytest.param("/sub/", False, True, id="folder-with-slash"),
        pytest.param("/", False, True, id="root"),
        pytest.param("/none", False, False, id="nothing"),
        pytest.param("/web.config", True, False, id="web-config-is-there"),
        pytest.param("/empty/web.config", False, False, id="web-config-is-not"),
    ],
)
def test_questions_of_rules(site: Path, path: str, file: bool, folder: bool) -> None:
    """IsFile and IsDirectory accept the path of a URL, with slashes of either kind."""
    is_file, is_directory = exists_as(site)
    physical = physical_path(site, path)
    for spelled in (physical, physical.replace("/", "\\"), physical.replace("\\", "/")):
        assert (is_file(spelled), is_directory(spelled)) == (file, folder)


def test_questions_of_rules_stay_in_the_site(site: Path) -> None:
    """Files outside the site do not exist for rules."""
    is_file, is_directory = exists_as(site)
    for path in ("", "a.txt", str(site.parent / "outside.txt"), f"{site}/../outside.txt", "/"):
        assert not is_file(path)
        assert not is_directory(path)


SEGMENTS = st.sampled_from(
    """.. . a.txt sub SUB web.config Web.config WEB~1.CON outside.txt ..%2f %2e%2e %5c..%5c .%2e/ \\
    %252e%252e web.config. web.config%20 web.config::$DATA web%2econfig %77eb.config %u0077eb.config
    web.conﬁg CON NUL nul.txt .... ..;/ %c0%ae%c0%ae %ff %00 ~ outfolder my%20sit%C3%A92 %2F \\\\
    """.split()
) | st.text(max_size=4)


@example(["..", "outside.txt"])
@example(["%2e%2e%5coutside.txt"])
@example(["sub", "..", "web%2econfig"])
@given(st.lists(SEGMENTS, max_size=8))
def test_no_target_leads_out_or_to_web_config(site: Path, segments: list[str]) -> None:
    """Any target is refused, or returns no byte of files that are hidden or outside the site."""
    target = "/" + "/".join(segments)
    try:
        path = decode_path(target)
    except BadPathError:
        return
    everything = replace(
        CONFIG, static_content=StaticContent(MappingProxyType({".*": "text/plain"}))
    )
    answer, body = ask(site, path, config=everything, target=target)
    assert answer.status in (200, 301, 403, 404)
    assert SECRET not in body
    assert HIDDEN not in body


@given(st.text(max_size=30).map(lambda text: "/" + text))
def test_no_path_at_all_leads_out(site: Path, path: str) -> None:
    """This holds even for paths that no request target decodes to."""
    found = find(site, path)
    assert found is None or Path(found.path).is_relative_to(os.path.realpath(site))


@given(st.lists(st.sampled_from(["..", ".", "", "sub", "outside.txt", "C:", "\\", "web.config"])))
def test_no_undecoded_path_leads_out(site: Path, segments: list[str]) -> None:
    """Unresolved dots in a path lead nowhere."""
    found = find(site, "/" + "/".join(segments))
    assert found is None or Path(found.path).is_relative_to(os.path.realpath(site))
    assert found is None or found.name.lower() != "web.config"
