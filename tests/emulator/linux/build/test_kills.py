"""A copy that is killed at any moment: its state claims no success, and the next copy is right."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.emulator.linux.build import build
from appsvc_runtime.emulator.linux.build.state import FILE, OURS
from appsvc_runtime.system import own_folder
from tests.emulator.linux.build.test_state import deploy
from tests.support.emulator import make_site
from tests.support.trees import snapshot

BEFORE: dict[str, str | bytes] = {
    "app.py": "app = 1\n", "static/a.css": "a", "static/b/c.css": "c", "kind/x": "", "gone/x/y": "",
}  # fmt: skip


class Killed(BaseException):
    """A stand-in for SIGKILL: only the system cleans up after it, and closes files."""


class Kill:
    """Kills at the `at`-th step that changes the disk, before that step or in the middle of it."""

    steps = ("mkdir", "rmdir", "unlink", "symlink", "replace", "chmod", "utime", "write", "open")

    def __init__(self, patch: pytest.MonkeyPatch, at: int) -> None:
        self.at, self.count = at, 0
        for name in self.steps:
            patch.setattr(own_folder.os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if name == "open" and not args[1] & os.O_CREAT:
                return real(*args, **options)
            self.count += 1
            if self.count >= self.at:
                if name == "write" and self.count == self.at:
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                raise Killed
            return real(*args, **options)

        return call


def change(site: Path) -> None:
    """Change, add and remove files, folders and kinds."""
    shutil.rmtree(site / "gone")
    shutil.rmtree(site / "kind")
    (site / "static/a.css").unlink()
    make_site(site, {"app.py": "app = 2, longer\n", "kind": "a file now", "new/deep/x.py": "x"})
    (site / "link").symlink_to("app.py")


STARTS = ["first", "next", "clean", "not-ours", "built"]


@pytest.mark.parametrize("start", STARTS)
def test_killed_at_each_step(start: str, tmp_path: Path) -> None:
    """The next copy is right, whatever changes in the site in between."""
    for at in range(1, 500):
        folder = tmp_path / str(at)
        site, output = make_site(folder / "site", BEFORE), folder / "out"
        if start != "first":
            deploy(site, output)
            change(site)
        if start == "not-ours":
            (output / FILE).write_text('{"copied": 5}')
        if start == "built":  # for which the copy was made before
            told = json.loads((output / FILE).read_text())
            told.update(finished=True, deployed=False, version=[3, 12])
            (output / FILE).write_text(json.dumps(told))
            make_site(output, {"by-the-build": ""})
        was = snapshot(output, *OURS) if output.exists() else {}
        with pytest.MonkeyPatch.context() as patch:
            kill = Kill(patch, at)
            try:
                deploy(site, output, clean=start == "clean")
                killed = False
            except Killed:
                killed = True
        if killed:
            if build.read_built(output).built is not None:  # the new build has not started
                assert snapshot(output, *OURS) == was
            (site / "app.py").unlink(missing_ok=True)
            if (site / "new").exists():
                shutil.rmtree(site / "new")
            deploy(site, output)
        assert snapshot(output, *OURS) == snapshot(site)
        if not killed:
            assert kill.count > 10
            return
    pytest.fail("it never came to its end")
