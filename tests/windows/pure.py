"""Run the tests that start no server with pytest in a Windows Python, under Wine.

    python -m tests.windows.pure [--part N/M | --sample] [--version 3.11] [FILE ...]

FILE: files, folders or single tests, as for pytest; all by default. The tests run in a copy of the
repository on the drive D:, so that it may be edited meanwhile. Those that fail there for a known
reason are in the table of `deviation_table.py`; the exit code is pytest's.

`APPSVC_WINDOWS_PYTHON` names the folder of the Windows Python; without it one is made, and removed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.windows.machine import REPOSITORY, WindowsPython, session
from tests.windows.make_python import VERSIONS, MakeError, make

__all__ = ["copy_repository", "pytest_arguments"]

# A part of each file, for where the whole takes too long.
SAMPLE = "1/8"
_PART = re.compile(r"([1-9]\d*)/([1-9]\d*)", re.ASCII)
_PROCESSES = 2
_SUMMARY = re.compile(rb"\d (passed|failed|skipped|deselected|errors?)\b.* in [\d.]+s")


def copy_repository(to: Path) -> None:
    """Copy the files that git tracks, or would, and remove others that an earlier copy left.

    Python's caches stay: the paths in them are those of Windows, so Linux must not have the same.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    names = {Path(name) for name in os.fsdecode(listed).split("\0") if name}
    for path in [*to.rglob("*")]:
        if path.is_file() and path.suffix != ".pyc" and path.relative_to(to) not in names:
            path.unlink()
    for name in names:
        source, target = REPOSITORY / name, to / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def pytest_arguments(files: Sequence[str], part: str) -> list[str]:
    """Return the arguments of pytest."""
    return [
        "-p", "tests.windows.deviations", "-p", "no:cacheprovider", "-q", "-rfEX",
        "-m", "not integration", "--part", part, "--timeout", "300", "--tb", "short",
        "-n", str(_PROCESSES), "--dist", "loadfile", *(files or ["tests"]),
    ]  # fmt: skip


def _run(python: WindowsPython, arguments: Sequence[str]) -> int:
    """Run pytest in the copy, and pass its output on; standard streams must not be files there."""
    copy = python.drive / "pure"
    copy_repository(copy)
    process = subprocess.Popen(
        python.command("-m", "pytest", *arguments),
        cwd=copy,
        env=python.environ(PYTHONUTF8="0"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    tail = b""
    with process:
        stream = process.stdout
        assert stream is not None
        try:
            for data in iter(lambda: os.read(stream.fileno(), 65536), b""):
                sys.stdout.buffer.write(data)
                sys.stdout.flush()
                tail = (tail + data)[-1000:]
        finally:
            if process.poll() is None:
                process.terminate()
    if _SUMMARY.search(tail) is None:  # what Wine's server ends has the code 0
        print("\npytest was ended before its summary.", file=sys.stderr)
        return process.returncode or 1
    return process.returncode


@contextmanager
def _folder() -> Iterator[Path]:
    named = os.environ.get("APPSVC_WINDOWS_PYTHON")
    if named:
        yield Path(named).absolute()
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        yield Path(made)


def main() -> int:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.windows.pure")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--part", default="1/1", metavar="N/M", help="every M-th test of each file")
    which.add_argument("--sample", action="store_const", dest="part", const=SAMPLE)
    parser.add_argument("--version", default="3.11", choices=VERSIONS)
    parser.add_argument("files", nargs="*", metavar="FILE")
    given = parser.parse_args()
    part = _PART.fullmatch(given.part)
    if part is None or int(part[1]) > int(part[2]):
        parser.error(f"--part {given.part!r} is not N/M with N from 1 to M, such as 1/8.")
    for name in given.files:
        path = REPOSITORY / name.partition("::")[0]
        if not path.exists():
            parser.error(f"{name} does not exist below {REPOSITORY}.")
    with _folder() as folder:
        try:
            [python] = make(folder, (given.version,))
        except MakeError as error:
            print(error, file=sys.stderr)
            return 2
        with session(folder):
            return _run(python, pytest_arguments(given.files, given.part))


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    raise SystemExit(main())
