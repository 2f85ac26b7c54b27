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


@pytest.mark.parametrize(
    ("free", "hint"), [(1000, "Its disk is full: free space there."), (10**9, STEP.hint)]
)
def test_a_step_on_a_full_disk(
    free: int, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is reported as the cause, and the step's own hint is not shown."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))

    async def call(code: str) -> None:
        ended = await run_step(
            "antenv", [sys.executable, "-c", code],
            environ=dict(os.environ), cwd=tmp_path, say=lambda label, text: None,
        )  # fmt: skip
        refuse_failure(STEP, ended)

    asyncio.run(call("pass"))
    with pytest.raises(BuildError) as caught:
        asyncio.run(call("import sys; sys.exit('no room')"))
    assert (caught.value.exit_code, caught.value.hint) == (1, hint)
