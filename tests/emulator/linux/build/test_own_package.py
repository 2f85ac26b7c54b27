"""Where a build's pip gets this very package: the checkout, or the wheel it was installed from."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.build import own_package

NAME = "appsvc_runtime-0.1.0-py3-none-any.whl"


class Told:
    """A distribution whose direct_url.json names a file."""

    def __init__(self, url: str) -> None:
        self.url = url

    def read_text(self, _name: str) -> str:
        """Return the file's text."""
        return json.dumps({"url": self.url})


def installed_from(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path | None:
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _name: Told(path.as_uri()))
    monkeypatch.setattr(own_package, "__file__", str(folder / "lib/x/appsvc_runtime/builder/o.py"))
    return own_package.find_source()


def test_a_wheel_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool installed from a wheel has no checkout; another content has another folder."""
    wheel = tmp_path / "dist folder" / NAME
    wheel.parent.mkdir()
    for content in (b"one", b"two"):
        wheel.write_bytes(content)
        assert installed_from(wheel, tmp_path, monkeypatch) == wheel
        environ = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        made = asyncio.run(own_package.make_wheel(wheel, "", environ, lambda *_: None))
        assert made is not None
        assert [file.name for file in made.iterdir()] == [NAME]
        assert (made / NAME).read_bytes() == content


@pytest.mark.parametrize("name", [NAME, "checkout", "package.tar.gz"])
def test_what_has_gone_is_not_taken(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout or wheel that was removed is not used: pip then searches for a release."""
    assert installed_from(tmp_path / name, tmp_path, monkeypatch) is None
