"""Fixtures of the tests on Windows: the Python, and a folder on its drive."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

HERE = Path(__file__).parent

if sys.platform == "linux":
    from tests.windows.machine import WindowsPython, session
    from tests.windows.make_python import MakeError, make
else:  # the tests are driven from Linux
    collect_ignore_glob = ["test_*.py"]


@pytest.hookimpl(tryfirst=True)  # before the tests that -m excludes are removed
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.windows)
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def windows_version(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], WindowsPython]]:
    """Return a function that returns a Windows Python such as "3.13", which it makes if needed.

    They are made in the folder `APPSVC_WINDOWS_PYTHON`, where the next run finds them, else in one
    of this run.
    """
    if not shutil.which("wine"):
        missing = "needs Wine: install Debian's package wine, as .ci/run does"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # all processes of this run share it
    folder = Path(os.environ.get("APPSVC_WINDOWS_PYTHON") or base / "windows").absolute()
    with ExitStack() as stack:
        made: dict[str, WindowsPython] = {}

        def version(name: str) -> WindowsPython:
            if name not in made:
                try:
                    [python] = make(folder, (name,))
                except MakeError as error:
                    pytest.fail(str(error))
                if not made:
                    stack.enter_context(session(folder))
                made[name] = python
            return made[name]

        yield version


@pytest.fixture(scope="session")
def windows(windows_version: Callable[[str], WindowsPython]) -> WindowsPython:
    """Return the Windows Python 3.11."""
    return windows_version("3.11")


@pytest.fixture
def folder(windows: WindowsPython) -> Iterator[Path]:
    r"""Return an empty folder on the drive D:, as a path of Linux; it is removed afterwards."""
    tests = windows.drive / "t"
    tests.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=tests, prefix=""))
    yield made
    shutil.rmtree(made, ignore_errors=True)
