"""Known vulnerabilities of servers: one line names the release with the fix; the server starts."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from pathlib import Path

import pytest

from appsvc_runtime.serving import advisories
from appsvc_runtime.serving.servers import SERVERS
from tests.support.serverapps import ROWS, Row, asked, rows
from tests.support.servers import serving


def install(monkeypatch: pytest.MonkeyPatch, **installed: str) -> None:
    def version(name: str) -> str:
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.mark.parametrize(
    ("package", "version", "fixed", "names"),
    [
        pytest.param("gunicorn", "20.1.0", "23.0.0", ["CVE-2024-1135", "CVE-2024-6827"], id="20.1"),
        pytest.param("gunicorn", "21.2.0", "23.0.0", ["CVE-2024-1135"], id="21.2"),
        pytest.param("gunicorn", "22.0.0", "23.0.0", [], id="22"),
        pytest.param("gunicorn", "23.0.0", None, [], id="23"),
        pytest.param("gunicorn", "23", None, [], id="23-in-short"),
        pytest.param("gunicorn", "27.0.1", None, [], id="27"),
        pytest.param("gunicorn", "21.2.0+local", "23.0.0", [], id="local"),
        pytest.param("gunicorn", "not-a-version", "23.0.0", [], id="no-version"),
        pytest.param("waitress", "3.0.0", "3.0.1", ["CVE-2024-49768", "CVE-2024-49769"], id="w"),
        pytest.param("waitress", "3.0.1", None, [], id="waitress-fixed"),
        pytest.param("granian", "2.7.3", "2.7.4", ["CVE-2026-42544"], id="granian"),
        pytest.param("granian", "2.10.0", None, [], id="granian-2.10"),
        pytest.param("h11", "0.14.0", "0.16.0", ["CVE-2025-43859"], id="h11"),
        pytest.param("h11", "0.16.0", None, [], id="h11-fixed"),
    ],
)
def test_what_is_known_of_a_release(
    package: str,
    version: str,
    fixed: str | None,
    names: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is one sentence for all of them, with the release that fixes the last."""
    install(monkeypatch, **{package: version})
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    found = advisories.find(package)
    assert len(found) == (fixed is not None)
    for sentence in found:
        assert sentence.startswith(f"{package} {version} has known security holes: ")
        assert f'{fixed} has the fixes: run `pip install "{package}>={fixed}"`' in sentence
        assert "\n" not in sentence
        assert all(name in sentence for name in names)


def test_what_is_not_installed_has_no_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same holds for a module that is replaced by another one."""
    install(monkeypatch)
    assert advisories.find("gunicorn", "h11") == []
    install(monkeypatch, h11="0.14.0")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "httptools" or None)
    assert advisories.find("h11") == []


def test_every_advisory_belongs_to_a_server() -> None:
    """Its package is checked when that server is started."""
    packages = {package for row in SERVERS.values() for package in row.packages}
    assert {one.package for one in advisories.ADVISORIES} <= packages


@pytest.mark.integration
@rows()
def test_an_old_release_is_served_with(row: Row, tmp_path: Path) -> None:
    """Every server prints one warning before the start; the site is served all the same."""
    package = SERVERS[row.server].packages[-1]
    older = tmp_path / "older" / f"{package}-0.1.dist-info"
    older.mkdir(parents=True)
    (older / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n")
    site = row.site(tmp_path)
    with serving(*row.serve, cwd=site, PYTHONPATH=str(older.parent)) as server:
        assert asked(server)["path"] == "/"
        log = server.log()
    assert log.count(f"Warning: {package} 0.1 has known security holes") == 1, log
    assert log.count("has known security holes") == 1


@pytest.mark.integration
def test_gunicorn_by_hand_says_so_in_its_log(tmp_path: Path) -> None:
    """The first of its workers logs it, once."""
    older = tmp_path / "older" / "gunicorn-0.1.dist-info"
    older.mkdir(parents=True)
    (older / "METADATA").write_text("Metadata-Version: 2.1\nName: gunicorn\nVersion: 0.1\n")
    words = ("-m", "gunicorn", "-c", "python:appsvc_runtime.gunicorn_conf", "app:app")
    variables = {"PORT": "{port}", "APPSVC_WORKERS": "3", "PYTHONPATH": str(older.parent)}
    with serving(*words, cwd=ROWS["gunicorn"].site(tmp_path), **variables) as server:
        assert asked(server)["path"] == "/"
        found = server.wait_for_match(re.compile(r"\[WARNING\] gunicorn 0\.1 has known.*"))[0]
        assert "23.0.0 has the fixes" in found
        assert server.log().count("has known security holes") == 1
