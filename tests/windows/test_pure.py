"""`python -m tests.windows.pure`: a sample of the tests that start no server, on Windows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.windows.machine import REPOSITORY, WindowsPython

FILES = (
    "tests/azure",
    "tests/emulator/iis/test_windows_names.py",
    "tests/settings/test_app_settings.py",
)


def pure(*arguments: str, python: WindowsPython | None = None) -> tuple[int, str]:
    """Run the command; return its exit code and its output."""
    environ = dict(os.environ)
    if python is not None:
        environ["APPSVC_WINDOWS_PYTHON"] = str(python.folder)
    done = subprocess.run(
        [sys.executable, "-m", "tests.windows.pure", *arguments],
        cwd=REPOSITORY,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=600,
    )
    return done.returncode, done.stdout.decode("utf-8", "backslashreplace")


def test_a_sample_passes(windows: WindowsPython) -> None:
    """But for the deviations of the table."""
    code, output = pure("--sample", *FILES, python=windows)
    assert code == 0, output
    assert " passed" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--part", "3/2"], "--part '3/2' is not N/M with N from 1 to M"),
        (["--part", "0/2"], "--part '0/2' is not"),
        (["--part", "x"], "--part 'x' is not"),
        (["tests/nothing"], "tests/nothing does not exist below"),
        (["--version", "2.7"], "invalid choice: '2.7'"),
    ],
)
def test_a_wrong_argument(arguments: list[str], said: str) -> None:
    """It is one sentence, before anything is made."""
    code, output = pure(*arguments)
    assert code == 2
    assert said in output
    assert "Traceback" not in output


def test_an_entry_fails_when_its_test_passes(windows: WindowsPython, folder: Path) -> None:
    """So that the table does not grow old."""
    (folder / "tests" / "azure").mkdir(parents=True)
    test = folder / "tests" / "azure" / "test_ports.py"
    test.write_text("def test_one(): pass\ndef test_two(): assert 0\n")
    (test.parent / "nothing.ini").touch()
    (folder / "plugin.py").write_text(
        "from tests.windows import deviations as d\n"
        "d.DEVIATIONS = (d.Deviation(('*::test_one', '*::test_two'), d.WINE, 'of the test'),)\n"
        "from tests.windows.deviations import *\n"
        "pytest_addoption = d.pytest_addoption\n"
        "pytest_collection_modifyitems = d.pytest_collection_modifyitems\n"
    )
    done = windows.run(
        "-m", "pytest", "-p", "plugin", "-q", "-rfX", "test_ports.py", "--rootdir", ".",
        "-p", "no:cacheprovider", "-c", "nothing.ini", cwd=test.parent,
        PYTHONPATH=rf"{windows.path(folder)};D:\repo",
    )  # fmt: skip
    output = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 1, output
    assert "[XPASS(strict)] Wine's: of the test" in output
    assert "1 failed, 1 xfailed" in output
