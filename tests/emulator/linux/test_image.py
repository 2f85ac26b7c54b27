"""The image's packages: made once, shared, made again if incomplete."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux import image
from appsvc_runtime.emulator.linux.build import made_once
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.system import files

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there"),
]


def prepare(cache: Path, said: list[str] | None = None, **variables: str) -> image.Image:
    lines = [] if said is None else said
    environ = {**os.environ, **variables, "XDG_CACHE_HOME": str(cache)}
    return asyncio.run(
        image.prepare_image(sys.executable, environ, lambda _, text: lines.append(text))
    )


def test_made_once_and_shared(cache: Path, tmp_path: Path) -> None:
    """It has the programs of the image; another environment of the same Python finds it too."""
    made = prepare(cache)
    for name in ("gunicorn", "uvicorn", "python"):
        assert (made.bin / name).is_file()
    assert (made.site_packages / "uvicorn_worker").is_dir()
    assert made.version == sys.version_info[:2]
    said: list[str] = []
    assert prepare(cache, said) == made
    assert said == []
    other = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(other)], check=True)
    again = asyncio.run(
        image.prepare_image(
            str(other / "bin/python"),
            {**os.environ, "XDG_CACHE_HOME": str(cache)},
            lambda _, text: said.append(text),
        )
    )
    assert (again, said) == (made, [])


def test_what_cannot_be_installed(tmp_path: Path) -> None:
    """The error is one sentence with pip's words; an incomplete folder is not marked complete."""
    nowhere = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    with pytest.raises(ConfigError, match=r"cannot be installed \(pip\): No matching distribution"):
        prepare(tmp_path, **nowhere)
    (folder,) = filter(Path.is_dir, (tmp_path / "appsvc-runtime").glob("image-*"))
    assert not (folder / "appsvc-image").exists()


def test_a_python_without_venv(tmp_path: Path) -> None:
    """As on Debian without python3-venv: the hint is to install that, not about pip's index."""
    python = tmp_path / "python3"
    names = ("path", "prefix", "base_prefix", "user_base", "wfastcgi", "runtime")
    told = {**dict.fromkeys(names, str(python)), "version": [3, 11, 2]}
    python.write_text(
        f"#!/bin/sh\n[ $2 = venv ] || {{ echo 'appsvc:{json.dumps(told)}'; exit; }}\n"
        "echo 'The virtual environment was not created: ensurepip is not available.'; exit 1\n"
    )
    python.chmod(0o755)
    environ = {"PATH": os.defpath, "XDG_CACHE_HOME": str(tmp_path)}
    with pytest.raises(ConfigError, match=r"\(venv\): .*ensurepip") as caught:
        asyncio.run(image.prepare_image(str(python), environ, lambda *_: None))
    assert "python3-venv" in caught.value.hint


def test_two_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, and reports that."""
    said: list[str] = []
    monkeypatch.setattr(made_once, "_PATIENCE", 0.5)
    made = tmp_path / "appsvc-runtime"
    made.mkdir()
    name = f"image-{sys.version_info[0]}.{sys.version_info[1]}-"
    locks = []
    real = files.lock_own

    def lock(path: str) -> int | None:
        assert Path(path).name.startswith(name)
        if not locks:
            locks.append(real(path))
        return real(path)

    monkeypatch.setattr(files, "lock_own", lock)
    try:
        with pytest.raises(ConfigError, match="has held"):
            prepare(tmp_path, said)
    finally:
        files.unlock(locks[0])
    assert said == ["Another process is making it: waiting for it."]
