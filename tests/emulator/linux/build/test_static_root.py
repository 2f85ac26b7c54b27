"""collectstatic writes into the copy only: it replaces files, and would follow a link."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.build.static_root import leads_out, read_static_root
from tests.support.emulator import make_site
from tests.support.servers import run
from tests.support.trees import snapshot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sh, and symbolic links")

# A stand-in for a Python whose virtual environments are made at once and have this one's Django. It
# reports its own path: otherwise the build would use the real interpreter, and its real pip.
PYTHON = f"""\
#!/bin/sh
case "$1 $2" in
"-m venv") mkdir -p antenv/bin && cp "$0" antenv/bin/python ;;
"-m pip") ;;
manage.py*) exec {sys.executable} "$@" ;;
*)
    echo "appsvc:{{\\"path\\": \\"$0\\", \\"version\\": [3, 11, 0], \\"prefix\\": \\"/x\\"," \
        "\\"base_prefix\\": \\"/x\\", \\"user_base\\": \\"\\", \\"wfastcgi\\": \\"\\"," \
        "\\"runtime\\": \\"\\"}}"
    ;;
esac
"""
MANAGE = """\
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "mysettings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
SETTINGS = """\
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = "not-to-be-shown"
INSTALLED_APPS = ["django.contrib.staticfiles"]
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "assets"]
"""

Build = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def build(tmp_path: Path, cache: Path) -> Build:
    """Return a function that builds a site with the fast interpreter."""
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)

    def call(site: Path) -> subprocess.CompletedProcess[str]:
        return run(
            "-m", "appsvc_runtime", "build", str(site), "--python", str(python),
            cwd=site.parent, timeout=120, XDG_CACHE_HOME=str(cache),
        )  # fmt: skip

    return call


def make_django(folder: Path, static_root: str) -> Path:
    files: dict[str, str | bytes] = {
        "requirements.txt": "django\n",
        "manage.py": MANAGE,
        "mysettings.py": f"{SETTINGS}STATIC_ROOT = {static_root}\n",
        "assets/css/base.css": "the site's",
    }
    return make_site(folder / "site", files)


ELSEWHERE = [
    ("a link", 'BASE_DIR / "collected"', "collected"),
    ("a link below it", '"collected"', "collected/css"),
    ("another folder", "BASE_DIR.parents[3] / 'mine'", ""),
    ("an absolute path", "'{mine}'", ""),
]


@pytest.mark.integration
@pytest.mark.parametrize(("static_root", "link"), [row[1:] for row in ELSEWHERE],
                         ids=[row[0] for row in ELSEWHERE])  # fmt: skip
def test_files_elsewhere_stay(static_root: str, link: str, tmp_path: Path, build: Build) -> None:
    """If files would be collected outside of the copy, none are, and each build reports why."""
    mine = make_site(tmp_path / "mine", {"base.css": "mine", "css/base.css": "mine too"})
    site = make_django(tmp_path, static_root.replace("{mine}", str(mine)))
    if link:
        (site / link).parent.mkdir(exist_ok=True)
        (site / link).symlink_to(mine)
    before = snapshot(mine)
    for _ in range(2):
        made = build(site)
        assert made.returncode == 0, made.stdout + made.stderr
        assert "Warning: collectstatic is not run: " in made.stdout
        assert f"leads out of the copy, to {mine}" in made.stdout
        assert "not-to-be-shown" not in made.stdout + made.stderr
        assert snapshot(mine) == before


@pytest.mark.integration
def test_files_in_the_copy_are_collected(tmp_path: Path, build: Build) -> None:
    """A folder of the site is used, also through a link inside it; the next build keeps it."""
    site = make_django(tmp_path, '"through/collected"')
    (site / "real").mkdir()
    (site / "through").symlink_to("real")
    first = build(site)
    copy = tmp_path / ".appsvc/site/linux/built"
    assert (copy / "real/collected/css/base.css").read_text() == "the site's", first.stdout
    assert not (site / "real/collected").exists()
    assert "Its files are kept" in build(site).stdout


@pytest.mark.integration
def test_a_failure_is_repeated(tmp_path: Path, build: Build) -> None:
    """A failed step is not kept: the next build runs it, and reports it, again."""
    site = make_django(tmp_path, "None")
    for _ in range(2):
        assert "ended with exit code 1" in build(site).stdout


@pytest.mark.parametrize(
    ("line", "folder"),
    [
        ("STATIC_ROOT = '/a/b'", "/a/b"),
        ("STATIC_ROOT = PosixPath('/a/b')", "/a/b"),
        ("STATIC_ROOT = '/a/b'  ###", "/a/b"),
        ("### STATIC_ROOT = 'a'", "a"),
        ('STATIC_ROOT = "it\'s"', "it's"),
        ("STATIC_ROOT = None", ""),
        ("STATIC_ROOT = ''", ""),
        ("MY_STATIC_ROOT = '/a'", ""),
        ("STATIC_ROOT = 'a' + 'b'", ""),
        ("STATIC_ROOT = '\\x'", ""),
    ],
)
def test_lines_of_diffsettings(line: str, folder: str) -> None:
    assert read_static_root(line) == folder


def test_a_link_in_a_circle_leads_nowhere(tmp_path: Path) -> None:
    """No files are written through broken or circular links."""
    os.symlink("loop", tmp_path / "loop")
    os.symlink("/nowhere/at/all", tmp_path / "gone")
    assert leads_out(tmp_path, ".") == ""
    assert leads_out(tmp_path, "gone/static") != ""
