"""What a user installs: the wheel, built from this checkout and run without it."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.servers import ROOT, clean_environ
from tests.support.wheels import build_wheel

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Every module, the marker for type checkers, no tests and no examples."""
    names = zipfile.ZipFile(wheel).namelist()
    modules = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("appsvc_runtime/**/*.py")}
    assert modules <= set(names)
    assert "appsvc_runtime/py.typed" in names
    tops = {name.partition("/")[0].partition("-")[0] for name in names}
    assert tops == {"appsvc_runtime"}


def test_the_metadata_says_what_it_is(wheel: Path) -> None:
    """The summary names both interfaces, the classifiers each framework that has an example."""
    metadata = importlib.metadata.PathDistribution(zipfile.Path(wheel, _info(wheel))).metadata
    assert {"WSGI", "ASGI"} <= set(metadata["Summary"].split())
    assert metadata["License-Expression"] == "MIT"
    frameworks = {f"Framework :: {name}" for name in ("Django", "FastAPI", "Flask")}
    assert frameworks <= set(metadata.get_all("Classifier", []))


def _info(wheel: Path) -> str:
    """Return the name of the folder of a wheel's metadata, with a slash."""
    names = zipfile.ZipFile(wheel).namelist()
    return next(name.partition("/")[0] for name in names if ".dist-info/" in name) + "/"


def test_the_wheel_runs_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, it explains a site."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "lib")
    (tmp_path / "app.py").write_text("app = object()\n")
    code = (
        "import appsvc_runtime.cli.main as c; assert c.__file__.startswith(sys.path[0]); "
        "sys.exit(c.main(['explain', '--json']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[0] = {str(tmp_path / 'lib')!r}; {code}"],
        cwd=tmp_path, env={**clean_environ(), "PYTHONPATH": ""}, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert '"app": "app:app"' in result.stdout
