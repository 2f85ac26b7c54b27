"""`--application /shop=DIR`: what it means, what is refused, and which URL leads where."""

from __future__ import annotations

from pathlib import Path

import pytest

from appsvc_runtime.emulator.iis.applications import (
    Application,
    Applications,
    parse_application,
    read_applications,
)
from appsvc_runtime.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/shop=../shop", ("/shop", "../shop")),
        ("/shop/=x", ("/shop", "x")),
        ("/Shop/admin=a=b", ("/Shop/admin", "a=b")),
        ("/my shop=x", ("/my shop", "x")),
        ("/caf\u00e9=x", ("/caf\u00e9", "x")),
    ],
)
def test_paths_that_can_be_one(text: str, expected: tuple[str, str]) -> None:
    """A slash at the end does not count; the folder may hold an equals sign."""
    assert parse_application(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/shop", "equals sign"),
        ("/shop=", "equals sign"),
        ("/shop= ", "equals sign"),
        ("=x", "slash"),
        ("shop=x", "slash"),
        ("shop/admin=x", "slash"),
        ("\\shop=x", "slash"),
        ("C:\\shop=x", "slash"),
        ("/=x", "SITE itself"),
        ("//=x", "SITE itself"),
        *[(f"{path}=x", "no URL") for path in (
            "//shop", "/a//b", "/..", "/a/../b", "/a/.", "/a.", "/a ", "/con", "/a\\b", "/a?b",
            "/a%20b", "/a:b", "/a*", "/a\tb", "/a;b", "/" + "x" * 300,
        )],
        ("/.auth=x", "/.auth"),
        ("/.AUTH/x=x", "/.auth"),
    ],
)  # fmt: skip
def test_texts_that_are_none(text: str, words: str) -> None:
    """One sentence says what is wrong with it, and a hint how it is written."""
    with pytest.raises(ConfigError) as caught:
        parse_application(text)
    assert words in caught.value.message
    assert "--application" in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_folders_that_are_none(tmp_path: Path) -> None:
    """Missing folders, files, disks and home folders are refused; so is a path given twice."""
    (tmp_path / "file").touch()
    (tmp_path / "dir").mkdir()
    folder = str(tmp_path / "dir")
    environ = {"HOME": str(tmp_path)}
    for named, words in [
        ([("/a", str(tmp_path / "none"))], "does not exist"),
        ([("/a", str(tmp_path / "file"))], "is a file"),
        ([("/a", str(tmp_path))], "is your home folder"),
        ([("/a", Path(tmp_path.anchor).as_posix())], "is the root of a disk"),
        ([("/a", folder), ("/a", folder)], "'/a' twice"),
        ([("/a", folder), ("/A", folder)], "once as '/A', and IIS ignores case"),
    ]:
        with pytest.raises(ConfigError) as caught:
            read_applications(named, environ)
        assert words in caught.value.message, named
        assert caught.value.hint
    (found,) = read_applications([("/a", folder)], environ)
    assert found == Application("/a", tmp_path / "dir")


@pytest.fixture
def applications(tmp_path: Path) -> Applications:
    """Return a site with applications of which one is nested, and one has nothing above it."""
    paths = ["/Shop/admin", "/Shop", "/a/b", "/caf\u00e9"]
    others = [Application(path, tmp_path / f"dir{path}") for path in paths]
    return Applications(Application("", tmp_path / "site"), others)


@pytest.mark.parametrize(
    ("path", "application", "below"),
    [
        ("/", "", "/"),
        ("/x/y/", "", "/x/y/"),
        ("/shop", "/Shop", ""),
        ("/SHOP/", "/Shop", "/"),
        ("/Shop/x", "/Shop", "/x"),
        ("/shopping/x", "", "/shopping/x"),
        ("/x/shop", "", "/x/shop"),
        ("/shop/ADMIN/x", "/Shop/admin", "/x"),
        ("/shop/administrator", "/Shop", "/administrator"),
        ("/admin", "", "/admin"),
        ("/a", "", "/a"),
        ("/a/c", "", "/a/c"),
        ("/A/b/c", "/a/b", "/c"),
        ("/CAF\u00c9/x", "/caf\u00e9", "/x"),
        ("/cafe\u0301/x", "/caf\u00e9", "/x"),
    ],
)
def test_which_application_a_path_leads_to(
    applications: Applications, path: str, application: str, below: str
) -> None:
    """The innermost one counts, by whole segments and without regard to case."""
    located = applications.locate(path)
    assert (located.application.path, located.below) == (application, below)


def test_who_holds_a_file(tmp_path: Path) -> None:
    """The deepest folder counts, wherever its URL is; none holds a file elsewhere."""
    own, inner = tmp_path / "site", tmp_path / "site" / "apps" / "shop"
    applications = Applications(Application("", own), [Application("/shop", inner)])
    for file, path in [(own / "x", ""), (own / "apps" / "x", ""), (inner / "y" / "x", "/shop")]:
        owner = applications.owner(file)
        assert owner is not None
        assert owner.path == path
    assert applications.owner(tmp_path / "x") is None
