"""What an entry point of a role runs with Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.emulator.roles.entry_point import EntryPoint, read_entry_point


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (r"bin\ps.cmd LaunchWorker.ps1 worker.py", ["worker.py"]),
        (r"bin/ps.cmd LaunchWorker.ps1 worker.py", ["worker.py"]),
        (r"BIN\PS.CMD launchworker.PS1 worker.py", ["worker.py"]),
        (
            r"bin\ps.cmd LaunchWorker.ps1 -m appsvc_runtime.worker worker.py ARG",
            ["-m", "appsvc_runtime.worker", "worker.py", "ARG"],
        ),
        (r'bin\ps.cmd LaunchWorker.ps1 "my worker.py" "a b" c', ["my worker.py", "a b", "c"]),
        (r'"bin\ps.cmd" "LaunchWorker.ps1" worker.py', ["worker.py"]),
        (r"bin\ps.cmd .\LaunchWorker.ps1 worker.py", ["worker.py"]),
        (r"bin\ps.cmd LaunchWorker.ps1", []),
        (r"bin\ps.cmd ConfigureCloudService.ps1", None),
        (r"powershell -File bin\LaunchWorker.ps1 worker.py", ["worker.py"]),
        (
            r"powershell.exe -ExecutionPolicy Unrestricted -File LaunchWorker.ps1 w.py x",
            ["w.py", "x"],
        ),
        (r"cmd /c bin\ps.cmd LaunchWorker.ps1 worker.py", ["worker.py"]),
        (r"python worker.py", ["worker.py"]),
        (r"python.exe worker.py", ["worker.py"]),
        (r"python3.12 -u worker.py", ["-u", "worker.py"]),
        (r"%PYTHON_HOME%\python.exe worker.py", ["worker.py"]),
        (r'"D:\Program Files\Python\python.exe" worker.py', ["worker.py"]),
        (r"pythonw.exe worker.py", ["worker.py"]),
        (r"py worker.py", ["worker.py"]),
        (r"py -3 worker.py", ["worker.py"]),
        (r"py -3.11-32 worker.py", ["worker.py"]),
        (r"MyWorker.exe", None),
        (r"node server.js", None),
        (r"pythonista worker.py", None),
        ("", None),
        ("   ", None),
        ('"', None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_command_line(command: str, expected: list[str] | None) -> None:
    """Command lines as the templates and users write them."""
    found = read_entry_point(command)
    assert (None if found is None else list(found.words)) == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (r"bin\ps.cmd LaunchWorker.ps1", EntryPoint((), script=True, from_bin=True)),
        (r"cmd /c bin\ps.cmd LaunchWorker.ps1 w", EntryPoint(("w",), script=True, from_bin=True)),
        (r"powershell -File bin\LaunchWorker.ps1 w", EntryPoint(("w",), script=True)),
        (r"py -3 w", EntryPoint(("w",))),
    ],
    ids=str,
)
def test_way_to_python(command: str, expected: EntryPoint) -> None:
    """Whether LaunchWorker.ps1 is between, and whether ps.cmd has changed the folder."""
    assert read_entry_point(command) == expected


@given(command=st.text(st.sampled_from('py"cmd .\\/LaunchWorkers1-%'), max_size=60))
def test_any_text_is_read(command: str) -> None:
    """No text raises an exception, and no word contains a quotation mark."""
    found = read_entry_point(command)
    assert found is None or all('"' not in word for word in found.words)
