"""What tests share: hypothesis within bounds, without a time limit; handlers of a log file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from appsvc_runtime.logs.file import SharedFileHandler

settings.register_profile(
    "tests", deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Give the path of a log file that is not there yet."""
    return tmp_path / "app.log"


@pytest.fixture
def make(log: Path) -> Iterator[Callable[..., SharedFileHandler]]:
    """Make handlers for the file, closed at the end."""
    made: list[SharedFileHandler] = []

    def make(path: str | Path = log, **options: int) -> SharedFileHandler:
        made.append(SharedFileHandler(path, **options))
        return made[-1]

    yield make
    for handler in made:
        handler.close()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a cache folder for all tests, so that an image is made once and nobody's own is used."""
    return tmp_path_factory.mktemp("cache")
