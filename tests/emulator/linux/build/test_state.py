"""What a build saves for the next one; a file that is not a state is ignored and reported."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.build import build, state
from appsvc_runtime.emulator.linux.build.output_folder import locked, take_state
from appsvc_runtime.emulator.linux.build.state import FILE, LOCK, State
from appsvc_runtime.errors import ConfigError
from appsvc_runtime.system.own_folder import OwnFolder
from tests.support.emulator import make_site
from tests.support.trees import snapshot

GOOD = {"format": 1, **asdict(State(finished=True, version=[3, 12], python="/python"))}


def deploy(site: Path, output: Path, **options: bool) -> list[str]:
    """Copy a site as a deployment without a build does; return the log."""
    lines: list[str] = []
    made = build.Options(site, output, "", **options)
    asyncio.run(build.copy_site(made, lambda label, text: lines.append(f"{label} {text}")))
    return lines


def json_with(**values: object) -> Callable[[Path], object]:
    return lambda path: path.write_text(json.dumps({**GOOD, **values}))


def a_folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("")


NOT_OURS = [
    pytest.param(lambda path: path.write_text('{"copied": 5}'), "not the state of", id="no-format"),
    pytest.param(json_with(copied=5), "not the state of", id="copied"),
    pytest.param(json_with(copied={"app.py": "x"}), "not the state of", id="key"),
    pytest.param(json_with(copied={"app.py": [1, 2]}), "not the state of", id="key-short"),
    pytest.param(json_with(copied={"app.py": [1, "2", 3]}), "not the state of", id="key-text"),
    pytest.param(json_with(copied={"app.py": [1.5, 2, 3]}), "not the state of", id="key-float"),
    pytest.param(json_with(copied={"a": [True, 2, 3]}), "not the state of", id="key-bool"),
    pytest.param(json_with(copied={"a": [10**40, 2, 3]}), "not the state of", id="key-huge"),
    pytest.param(json_with(copied={"../precious": [1, 2, 3]}), "not the state of", id="outside"),
    pytest.param(json_with(copied={"/etc/passwd": [1, 2, 3]}), "not the state of", id="absolute"),
    pytest.param(json_with(copied={"a/../../b": [1, 2, 3]}), "not the state of", id="upwards"),
    pytest.param(json_with(copied={"a\0b": [1, 2, 3]}), "not the state of", id="nul"),
    pytest.param(json_with(finished="yes"), "not the state of", id="finished"),
    pytest.param(json_with(version=[3]), "not the state of", id="version"),
    pytest.param(json_with(version=["3", 12]), "not the state of", id="version-text"),
    pytest.param(json_with(unknown=1), "not the state of", id="unknown"),
    pytest.param(json_with(format=99), "another version", id="format"),
    pytest.param(json_with(format=[1]), "another version", id="format-list"),
    pytest.param(lambda path: path.write_text("[]"), "not the state of", id="list"),
    pytest.param(lambda path: path.write_text(""), "not JSON", id="empty"),
    pytest.param(lambda path: path.write_bytes(b"\xff\xfe\0"), "not JSON", id="bytes"),
    pytest.param(lambda path: path.write_text("[" * 200_000), "not JSON", id="deep"),
    pytest.param(a_folder, "cannot be read", id="folder"),
    pytest.param(lambda path: path.symlink_to("/etc/hostname"), "it is a link", id="link"),
    pytest.param(lambda path: path.symlink_to("nowhere"), "it is a link", id="dangling"),
    pytest.param(lambda path: os.mkfifo(path), "cannot be read", id="pipe"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "told"), NOT_OURS)
def test_a_state_that_is_none(tmp_path: Path, make: Callable[[Path], object], told: str) -> None:
    """The reason is logged, all is copied again, nothing outside is touched, no old file stays."""
    site, output = make_site(tmp_path / "site", {"app.py": "1"}), tmp_path / "out"
    make_site(tmp_path, {"precious": "x"})
    deploy(site, output)
    make_site(output, {"of-the-site-once.py": ""})
    (output / FILE).unlink()
    make(output / FILE)
    assert build.read_built(output).built is None
    lines = deploy(site, output)
    assert f"{output / FILE} is ignored" in lines[0]
    assert told in lines[0]
    assert snapshot(output, FILE, LOCK) == snapshot(site)
    assert (tmp_path / "precious").read_text() == "x"
    assert deploy(site, output)[0].startswith("copy Nothing has changed")


def test_a_state_that_is_huge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read."""
    monkeypatch.setattr(state, "_MAX_BYTES", 100)
    (tmp_path / FILE).write_text(json.dumps(GOOD))
    assert "File too large" in build.read_built(tmp_path).problem


def test_files_of_unknown_origin(tmp_path: Path) -> None:
    """Without a state it is unknown what may be removed: refuse, or remove all with --clean."""
    site = make_site(tmp_path / "site", {"app.py": ""})
    output = make_site(tmp_path / "out", {LOCK: "", "precious": "x"})
    with pytest.raises(ConfigError, match="state of the build that made them") as caught:
        deploy(site, output)
    assert "--clean" in caught.value.hint
    assert (output / "precious").read_text() == "x"
    deploy(site, output, clean=True)
    assert not (output / "precious").exists()
    other = make_site(tmp_path / "other", {FILE: '{"copied": 5}', "precious": "x"})
    with pytest.raises(ConfigError, match="was not made by a build"):
        deploy(site, other, clean=True)
    assert (other / "precious").read_text() == "x"


def test_nothing_of_a_build_is_written_through_a_link(tmp_path: Path) -> None:
    """Neither the state, nor the file that becomes it, nor the lock is written through a link."""
    site, output = make_site(tmp_path / "site", {"app.py": ""}), tmp_path / "out"
    make_site(tmp_path, {"precious": "x"})
    deploy(site, output)
    for name in (FILE, f"{FILE}.new"):
        (output / name).unlink(missing_ok=True)
        (output / name).symlink_to(tmp_path / "precious")
        deploy(site, output)
        assert (tmp_path / "precious").read_text() == "x"
    (output / LOCK).unlink()
    (output / LOCK).symlink_to(tmp_path / "new")
    with pytest.raises(ConfigError, match="it is a link"):
        deploy(site, output)
    assert not (tmp_path / "new").exists()


def test_what_a_build_without_end_leaves(tmp_path: Path) -> None:
    """An unfinished build is recognized; if it was emptying the folder, that is continued."""
    assert build.read_built(tmp_path) == build.Left()
    with OwnFolder.open(tmp_path) as folder:
        state.write_state(folder, State(finished=True, version=[3, 12]))
        assert build.read_built(tmp_path).built is not None
        state.write_state(folder, State(version=[3, 12]))
        assert build.read_built(tmp_path).unfinished
        state.write_state(folder, State(deployed=True))
        assert not build.read_built(tmp_path).unfinished
        state.write_state(folder, State(emptying=True))
        assert build.read_built(tmp_path).unfinished
        taken, note = take_state(folder, clean=False)
    assert taken is None
    assert "copied again" in note


def test_the_output_is_its_owners_alone(tmp_path: Path) -> None:
    """A new output is its owner's alone; an existing one gets no wider access than the site."""
    site = make_site(tmp_path / "site", {"app.py": "", "keys/key.pem": "secret"})
    (site / "keys").chmod(0o700)
    (site / "keys/key.pem").chmod(0o600)
    before = os.umask(0)
    try:
        deploy(site, tmp_path / "deep" / "out")
    finally:
        os.umask(before)
    made = tmp_path / "deep" / "out"
    modes = {name: (made / name).stat().st_mode & 0o777 for name in ("", "keys", "keys/key.pem")}
    assert modes == {"": 0o700, "keys": 0o700, "keys/key.pem": 0o600}
    assert {(made / name).stat().st_mode & 0o777 for name in (FILE, LOCK)} == {0o600}
    for mode, wanted in ((0o755, 0o755), (0o700, 0o700)):
        own = tmp_path / f"own-{mode:o}"
        own.mkdir()
        own.chmod(0o755)
        site.chmod(mode)
        deploy(site, own)
        assert own.stat().st_mode & 0o777 == wanted


def test_two_builds_at_once(tmp_path: Path) -> None:
    """The second build is refused."""
    site, output = make_site(tmp_path / "site", {"app.py": ""}), tmp_path / "out"
    with (
        locked(site, output),
        pytest.raises(ConfigError, match="Another build"),
        locked(site, output),
    ):
        pass
