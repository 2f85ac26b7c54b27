"""What keeps Linux from running a job's shell script, and what is said about it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from appsvc_runtime.emulator.webjobs.shell_script import find_problems

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")

GOOD = b"#!/bin/sh\necho ran\n"
SCRIPTS = [
    # content, mode, what is said of it
    pytest.param(GOOD, 0o755, [], id="good"),
    pytest.param(b"#!/usr/bin/env sh\necho ran\n", 0o700, [], id="env"),
    pytest.param(b"#! /bin/sh -e\necho ran", 0o755, [], id="argument"),
    pytest.param(GOOD, 0o644, ["is not executable"], id="not-executable"),
    pytest.param(b"#\necho ran\n", 0o755, ["has no shebang"], id="no-shebang"),
    pytest.param(b"", 0o755, ["has no shebang"], id="empty"),
    pytest.param(GOOD.replace(b"\n", b"\r\n"), 0o755, ["line ends of Windows"], id="crlf"),
    pytest.param(b"\xef\xbb\xbf" + GOOD, 0o755, ["byte order mark"], id="mark"),
    pytest.param(GOOD.decode().encode("utf-16"), 0o755, ["byte order mark"], id="utf-16"),
    pytest.param(b"#!/no/such/shell\n", 0o755, ["/no/such/shell in its first line"], id="missing"),
    pytest.param(
        b"echo ran\r\n",
        0o600,
        ["has no shebang", "line ends of Windows", "is not executable"],
        id="all",
    ),
]


@pytest.mark.parametrize(("content", "mode", "said"), SCRIPTS)
def test_problems(tmp_path: Path, content: bytes, mode: int, said: list[str]) -> None:
    """Each problem is a sentence with its fix; a script without one is what the kernel runs."""
    script = tmp_path / "run.sh"
    script.write_bytes(content)
    script.chmod(mode)
    found = find_problems(script)
    assert len(found) == len(said)
    for (message, hint), part in zip(found, said, strict=True):
        assert message.startswith("run.sh ")
        assert part in message
        assert hint
    if not said:
        assert subprocess.check_output([script], text=True) == "ran\n"


@pytest.mark.parametrize(
    "content",
    [case.values[0] for case in SCRIPTS if case.id in ("crlf", "missing", "utf-16", "no-shebang")],
)
def test_the_kernel_refuses_them_too(tmp_path: Path, content: bytes) -> None:
    """What is refused does not run."""
    script = tmp_path / "run.sh"
    script.write_bytes(content)
    script.chmod(0o755)
    with pytest.raises(OSError, match=r"Exec format error|No such file"):
        subprocess.run([script], check=False)
