"""What requirements name on this disk, in any way, is compared by its content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.build import contents, packages
from appsvc_runtime.emulator.linux.build.local_sources import in_lines
from tests.support.emulator import make_site

WHEEL = "x-1.0-py3-none-any.whl"

# A line, and the result: files, places, folders; paths are relative to the folder of pip.
LINES = [
    pytest.param(f"./wheels/{WHEEL}", [f"wheels/{WHEEL}"], [], [], id="dot"),
    pytest.param(f"wheels/{WHEEL}", [f"wheels/{WHEEL}"], [], [], id="no-dot"),
    pytest.param(WHEEL, [WHEEL], [], [], id="beside"),
    pytest.param(f"wheels/{WHEEL}[extra]", [f"wheels/{WHEEL}"], [], [], id="extra"),
    pytest.param(f"wheels/{WHEEL} ; python_version>'3'", [f"wheels/{WHEEL}"], [], [], id="marker"),
    pytest.param(f"wheels/{WHEEL} --hash=sha256:00", [f"wheels/{WHEEL}"], [], [], id="hash"),
    pytest.param(f"wheels/{WHEEL} # why", [f"wheels/{WHEEL}"], [], [], id="comment"),
    pytest.param(f"wheels/\\\n{WHEEL}", [f"wheels/{WHEEL}"], [], [], id="continued"),
    pytest.param(f"${{WHEELS}}/{WHEEL}", [f"wheels/{WHEEL}"], [], [], id="variable"),
    pytest.param(f"x @ file:wheels/{WHEEL}", [f"wheels/{WHEEL}"], [], [], id="named-relative"),
    pytest.param(f"x[e] @ file://{{folder}}/{WHEEL}", [WHEEL], [], [], id="named"),
    pytest.param(f"file://{{folder}}/wheels/{WHEEL}#egg=x", [f"wheels/{WHEEL}"], [], [], id="url"),
    pytest.param(f"file:wheels/%78{WHEEL[1:]}", [f"wheels/{WHEEL}"], [], [], id="quoted"),
    pytest.param("{folder}/x-1.0.tar.gz", ["x-1.0.tar.gz"], [], [], id="archive"),
    pytest.param("--find-links wheels", [], ["wheels"], [], id="find-links"),
    pytest.param("--find-links=wheels", [], ["wheels"], [], id="find-links-equals"),
    pytest.param("-f wheels", [], ["wheels"], [], id="find-links-short"),
    pytest.param("-fwheels", [], ["wheels"], [], id="find-links-joined"),
    pytest.param("--no-index --find-links 'wheels'", [], ["wheels"], [], id="find-links-quoted"),
    pytest.param("--find-links file://{folder}/wheels", [], ["wheels"], [], id="find-links-url"),
    pytest.param("--extra-index-url file://{folder}/wheels", [], ["wheels"], [], id="index"),
    pytest.param(".", [], [], ["."], id="itself"),
    pytest.param("-e .", [], [], ["."], id="editable"),
    pytest.param("--editable=./lib[test]", [], [], ["lib"], id="editable-long"),
    pytest.param("-e file://{folder}/lib", [], [], ["lib"], id="editable-url"),
    pytest.param("./lib", [], [], ["lib"], id="folder"),
    pytest.param("x @ file://{folder}/lib", [], [], ["lib"], id="folder-url"),
    pytest.param("lib", [], [], [], id="a-name"),
    pytest.param("flask>=3 ; python_version > '3'", [], [], [], id="name"),
    pytest.param("x @ https://example.com/x-1.0.whl", [], [], [], id="elsewhere"),
    pytest.param("git+https://example.com/x.git", [], [], [], id="commit"),
    pytest.param("-r missing.txt", [], [], [], id="included"),
    pytest.param("--find-links https://example.com/wheels", [], [], [], id="page-elsewhere"),
    pytest.param("-e", [], [], [], id="nothing"),
    pytest.param("'", [], [], [], id="quote"),
    pytest.param("\0", [], [], [], id="nul"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "files", "places", "folders"), LINES)
def test_lines(
    tmp_path: Path, line: str, files: list[str], places: list[str], folders: list[str]
) -> None:
    """Lines are parsed as pip does; results are removed from the lines that may change unseen."""
    make_site(tmp_path, {f"wheels/{WHEEL}": "", "lib/setup.py": "", "deep/requirements.txt": ""})
    text = line.replace("{folder}", str(tmp_path))
    file = tmp_path / "deep/requirements.txt"
    found, rest = in_lines(text, file, tmp_path, {"WHEELS": "wheels"})
    wanted = [
        {os.path.normpath(tmp_path / name) for name in part} for part in (files, places, folders)
    ]
    assert [
        {os.path.normpath(path) for path in part}
        for part in (found.files, found.places, found.folders)
    ] == wanted
    assert bool(rest) is not bool(files or folders)


def digests(site: Path, **settings: str) -> tuple[str, str]:
    made = packages.choose_packages(site, settings)
    return made.digest, made.sources


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


W, REQUIREMENTS, PROJECT = f"w/{WHEEL}", "requirements.txt", "pyproject.toml"
# Files with their content, a file of the site that is changed, and whether that must be noticed.
SEEN = [
    pytest.param({REQUIREMENTS: f"./{W}"}, W, True, id="wheel"),
    pytest.param({REQUIREMENTS: "-f w\nx"}, W, True, id="links"),
    pytest.param({REQUIREMENTS: "-f w\nx"}, "w/notes.txt", False, id="notes"),
    pytest.param({REQUIREMENTS: "-f w/a", "w/a": f"<a href='{WHEEL}'>"}, W, True, id="page"),
    pytest.param({REQUIREMENTS: "-r d/x.txt", "d/x.txt": f"./{W}"}, W, True, id="included"),
    pytest.param({REQUIREMENTS: "-r d/x.txt", "d/x.txt": "-f w"}, f"d/{W}", True, id="beside"),
    pytest.param({REQUIREMENTS: "x\n-c c", "c": f"x @ file:{W}"}, W, True, id="constraint"),
    pytest.param({REQUIREMENTS: "x"}, WHEEL, False, id="unnamed"),
    pytest.param({PROJECT: "", "uv.lock": f'= {{ path = "{W}" }}'}, W, True, id="uv-path"),
    pytest.param({PROJECT: 'find-links = ["./w"]', "uv.lock": ""}, W, True, id="uv-links"),
    pytest.param({PROJECT: ""}, "uv.lock", True, id="uv-lock"),
    pytest.param({PROJECT: f'x = {{ path = "{W}" }}'}, W, True, id="poetry-path"),
    pytest.param({PROJECT: "", "poetry.lock": f'url = "{W}"'}, W, True, id="poetry-lock"),
    pytest.param({"setup.py": f"['x @ file:{W}']"}, W, True, id="setup"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "changed", "seen"), SEEN)
def test_content_counts(tmp_path: Path, files: dict[str, str], changed: str, seen: bool) -> None:
    """The same name with another content is another package."""
    make_site(tmp_path, {**files, changed: ""})
    before = digests(tmp_path)
    assert digests(tmp_path) == before
    grow(tmp_path / changed)
    assert (digests(tmp_path) != before) is seen


# Ways to name a folder of sources outside the site.
OUTSIDE = [
    pytest.param({"requirements.txt": "{lib}"}, id="path"),
    pytest.param({"requirements.txt": "-e {lib}"}, id="editable"),
    pytest.param({"requirements.txt": "x @ file://{lib}"}, id="url"),
    pytest.param({"pyproject.toml": 'x = {{ path = "{lib}" }}'}, id="poetry"),
    pytest.param({"pyproject.toml": "", "uv.lock": 'source = {{ directory = "{lib}" }}'}, id="uv"),
]


@pytest.mark.parametrize("files", OUTSIDE)
def test_sources_elsewhere(tmp_path: Path, files: dict[str, str]) -> None:
    """Their content counts, but not what a build leaves in them."""
    lib = make_site(tmp_path / "lib", {"setup.py": "", "x/__init__.py": "1"})
    site = make_site(
        tmp_path / "site", {name: text.format(lib=lib) for name, text in files.items()}
    )
    before = digests(site)
    make_site(lib, {"build/lib/x.py": "", "x.egg-info/PKG-INFO": "", "x/__pycache__/x.pyc": ""})
    assert digests(site) == before
    grow(lib / "x/__init__.py")
    assert digests(site)[1] != before[1]


def test_too_much_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many sources never compare as equal; archives then count by their times."""
    lib = make_site(tmp_path / "lib", {"setup.py": "x" * 100})
    site = make_site(tmp_path / "site", {"requirements.txt": f"{lib}\n./{WHEEL}", WHEEL: "x" * 99})
    monkeypatch.setattr(contents, "_MAX_BYTES", 50)
    first, second = digests(site), digests(site)
    assert first[0] == second[0]
    assert first[1] != second[1]
    (site / WHEEL).write_text("y" * 99)
    os.utime(site / WHEEL, ns=(1, 1))
    assert digests(site)[0] != first[0]


def test_settings_that_name_places(tmp_path: Path) -> None:
    """App settings of pip count as its options do; cycles and missing files do no harm."""
    site = make_site(
        tmp_path, {"requirements.txt": "x\n-r requirements.txt\n-r no\n-f no", f"w/{WHEEL}": ""}
    )
    before = digests(site, PIP_FIND_LINKS="w")
    grow(site / W)
    assert digests(site, PIP_FIND_LINKS="w") != before


CACHED = [
    pytest.param("./x-1.0.tar.gz", True, id="archive"),
    pytest.param(f"./{WHEEL}", False, id="wheel"),
    pytest.param("x", False, id="name"),
]


@pytest.mark.parametrize(("line", "uncached"), CACHED)
def test_pips_cache(tmp_path: Path, line: str, uncached: bool) -> None:
    """pip caches a wheel of an archive under the archive's name, whatever its content."""
    site = make_site(tmp_path, {"requirements.txt": line, "x-1.0.tar.gz": "", WHEEL: ""})
    assert packages.choose_packages(site, {}).uncached is uncached
