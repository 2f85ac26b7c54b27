"""Shared fixtures and hooks: bounds for hypothesis, marks of folders, handlers of a log file."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from appsvc_runtime.logs.file import SharedFileHandler
from tests.support import integration

settings.register_profile(
    "tests", deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")


def pytest_configure() -> None:
    """Set what the children of tests inherit.

    pip does not compile what it installs, of which tests import only a small part. Ctrl-C counts: a
    shell ignores it for what it starts in the background, and children would inherit that.
    """
    os.environ.setdefault("PIP_NO_COMPILE", "1")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Collect the tests of the package's folder `build`, a name that pytest ignores."""
    is_ours = collection_path.name == "build" and (collection_path / "__init__.py").is_file()
    return False if is_ours else None


@pytest.hookimpl(tryfirst=True)  # before the tests that -m excludes are removed
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests below a folder named `integration`; other files mark themselves.

    Files with tests that wait for servers run first: the many short tests then fill the gaps, and
    no long file starts when all others are done.
    """
    here = Path(__file__).parent
    waiting = set()
    for item in items:
        path = item.path
        if path.is_relative_to(here) and "integration" in path.relative_to(here).parts[:-1]:
            item.add_marker(pytest.mark.integration)
        if item.get_closest_marker("integration"):
            waiting.add(path)
    items.sort(key=lambda item: item.path not in waiting)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Record which test runs, so that helpers that start a server can check its marker."""
    with integration.running(item):
        return (yield)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the path of a log file that does not exist yet."""
    return tmp_path / "app.log"


@pytest.fixture
def make(log: Path) -> Iterator[Callable[..., SharedFileHandler]]:
    """Return a function that makes handlers for the file; they are closed at the end."""
    made: list[SharedFileHandler] = []

    def make(path: str | Path = log, **options: int) -> SharedFileHandler:
        made.append(SharedFileHandler(path, **options))
        return made[-1]

    yield make
    for handler in made:
        handler.close()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder for all tests: an image is made once, and not in the user's cache.

    The processes of one run share it: the second one waits for the first.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return tmp_path_factory.mktemp("cache")
    shared = tmp_path_factory.getbasetemp().parent / "cache"
    shared.mkdir(exist_ok=True)
    return shared
