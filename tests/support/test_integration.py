"""A test without the marker `integration` cannot start a server, browser, database or build."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.support.azurite import azurite
from tests.support.browser import browse_plain
from tests.support.emulator import emulating
from tests.support.fastcgi import FastCgiProcess
from tests.support.launching import launching
from tests.support.postgres import postgres
from tests.support.servers import run, serving


async def never(*_: Any) -> None:
    """Fail, because the browser was started."""
    raise AssertionError("a browser was started")


def enter(manager: AbstractContextManager[Any]) -> None:
    """Enter a context manager that starts something."""
    with manager:
        pass


STARTS = [
    pytest.param(lambda folder: enter(serving("-c", "", cwd=folder)), id="server"),
    pytest.param(lambda folder: enter(emulating(folder)), id="emulator"),
    pytest.param(lambda folder: enter(launching(folder)), id="launcher"),
    pytest.param(lambda folder: enter(FastCgiProcess(folder)), id="wfastcgi"),
    pytest.param(lambda _: enter(postgres(tls=False)), id="postgres"),
    pytest.param(lambda _: enter(azurite()), id="azurite"),
    pytest.param(lambda _: browse_plain(never), id="browser"),
    pytest.param(lambda folder: run("-m", "appsvc_runtime", "build", str(folder)), id="build"),
]


@pytest.mark.parametrize("start", STARTS)
def test_it_is_refused(start: Callable[[Path], object], tmp_path: Path) -> None:
    """The error comes before anything starts, and names what was refused and what to do."""
    with pytest.raises(AssertionError, match=r"test_it_is_refused\S+ starts .*: mark it with @"):
        start(tmp_path)
