"""A changed file restarts only the applications that it concerns."""

from __future__ import annotations

from pathlib import Path

import pytest

from appsvc_runtime.emulator.iis.applications import Application
from appsvc_runtime.emulator.iis.changes import changed_for, watched_folders
from appsvc_runtime.emulator.iis.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Return a site with one application inside its folder, one in that, and others outside."""
    own = tmp_path / "site"
    return Site(
        own,
        own / "web.config",
        applications=[
            Application("/shop", own / "shop"),
            Application("/shop/admin", tmp_path / "admin"),
            Application("/static/x", tmp_path / "x", tmp_path / "else" / "web.fastcgi.config"),
        ],
    )


def test_what_is_watched(site: Site, tmp_path: Path) -> None:
    """Each folder once: those outside others, and that of a file which is nowhere in them."""
    assert watched_folders(site) == [
        (tmp_path / "admin", True),
        (tmp_path / "site", True),
        (tmp_path / "x", True),
        (tmp_path / "else", False),
    ]


@pytest.mark.parametrize(
    ("folder", "name", "configured", "has_file"),
    [
        ("site", "web.config", {"", "/shop", "/shop/admin", "/static/x"}, {""}),
        ("site", "WEB.Config", {"", "/shop", "/shop/admin", "/static/x"}, {""}),
        ("site", "static/web.config", {"", "/static/x"}, {""}),
        ("site", "other/web.config", {""}, {""}),
        ("site", "app.py", set(), {""}),
        ("site", "shop/web.config", {"/shop", "/shop/admin"}, {"", "/shop"}),
        ("site", "shop/sub/web.config", {"/shop"}, {"", "/shop"}),
        ("site", "shop/admin/web.config", {"/shop", "/shop/admin"}, {"", "/shop"}),
        ("site", "shop/app.py", set(), {"", "/shop"}),
        ("admin", "web.config", {"/shop/admin"}, {"/shop/admin"}),
        ("x", "app.py", set(), {"/static/x"}),
        ("else", "web.fastcgi.config", {"/static/x"}, set()),
        ("else", "other", set(), set()),
    ],
)
def test_whom_a_file_concerns(
    site: Site, tmp_path: Path, folder: str, name: str, configured: set[str], has_file: set[str]
) -> None:
    """Settings are inherited by URL; all applications whose folder holds a file watch it."""
    changes = changed_for(site, tmp_path / folder, [name])
    assert {path for path, change in changes.items() if change.configs} == configured
    assert {path for path, change in changes.items() if change.files} == has_file
