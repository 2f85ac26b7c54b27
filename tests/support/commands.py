"""`appsvc` run in this process, without the half second that starting an interpreter takes."""

from __future__ import annotations

import io
import os
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from appsvc_runtime.cli.main import main
from tests.support.servers import ROOT, clean_environ

__all__ = ["call"]


def call(
    *arguments: str, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `appsvc ARGUMENTS` with the variables of a clean process; return what it printed."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n") for _ in range(2)]
    before = Path.cwd()
    os.chdir(cwd or ROOT)
    try:
        with (
            mock.patch.dict(os.environ, clean_environ(**variables), clear=True),
            redirect_stdout(streams[0]),
            redirect_stderr(streams[1]),
        ):
            code = main(arguments)
    finally:
        os.chdir(before)
    for stream in streams:
        stream.flush()
    out, err = (stream.buffer.getvalue().decode("utf-8") for stream in streams)  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(arguments, code, out, err)
