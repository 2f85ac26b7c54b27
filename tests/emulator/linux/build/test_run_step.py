"""How a step's failure is reported."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from appsvc_runtime.emulator.linux.build.run_step import BuildError, refuse_failure, run_step
from appsvc_runtime.emulator.linux.build.steps import Step

STEP = Step("antenv", ("python", "-m", "venv"), "Name another interpreter.")


FULL = [
    # which folders have no space, what the step prints, and which is reported as full
    pytest.param({"site"}, "no room", "site", id="site"),
    pytest.param({"tmp"}, "no room", "tmp", id="temporary-files"),
    pytest.param({"cache"}, "no room", "cache", id="cache"),
    pytest.param({"site", "tmp"}, "no room", "site", id="one-disk"),
    pytest.param(set(), "OSError: [Errno 28] No space left on device", "site", id="space-again"),
    pytest.param(set(), "error: Disk quota exceeded (os error 122)", "site", id="quota"),
    pytest.param(set(), "no room", "", id="space"),
]


@pytest.mark.parametrize(("without", "printed", "full"), FULL)
def test_a_step_on_a_full_disk(
    without: set[str], printed: str, full: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is reported as the cause, in one sentence, and the step's own hint is not shown."""

    def usage(folder: Path) -> SimpleNamespace:
        return SimpleNamespace(free=1000 if Path(folder).name in without else 10**9)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    places = {name: tmp_path / name for name in ("site", "tmp", "cache")}
    for place in places.values():
        place.mkdir()

    async def call(code: str) -> None:
        ended = await run_step(
            "antenv", [sys.executable, "-c", code],
            environ={
                **os.environ,
                "TMPDIR": str(places["tmp"]),
                "XDG_CACHE_HOME": str(places["cache"]),
            },
            cwd=places["site"], say=lambda label, text: None,
        )  # fmt: skip
        refuse_failure(STEP, ended)

    asyncio.run(call("pass"))
    with pytest.raises(BuildError) as caught:
        asyncio.run(call(f"import sys; sys.exit({printed!r})"))
    assert caught.value.exit_code == 1
    if not full:
        assert caught.value.hint == STEP.hint
        return
    assert caught.value.message.startswith(f"The disk of {places[full]} is full: the build's step")
    assert "\n" not in str(caught.value)
    assert STEP.hint not in str(caught.value)
