"""What a user installs: the wheel, built from this checkout and run without it."""

from __future__ import annotations

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
    """Every room, the marker for type checkers, no tests and no examples."""
    names = zipfile.ZipFile(wheel).namelist()
    rooms = {f"appsvc_runtime/{path.name}" for path in (ROOT / "appsvc_runtime").glob("*.py")}
    assert rooms <= set(names)
    assert "appsvc_runtime/py.typed" in names
    tops = {name.partition("/")[0].partition("-")[0] for name in names}
    assert tops == {"appsvc_runtime"}


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
