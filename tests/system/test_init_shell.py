"""Shells between a process and process 1: which command lines are shells, and real namespaces."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from appsvc_runtime.system import init_shell, procfs
from tests.support.pidspace import needs_pid_namespace, prefix
from tests.support.servers import clean_environ


@pytest.mark.parametrize(
    ("words", "script"),
    [
        pytest.param(["sh", "start.sh"], "start.sh", id="script"),
        pytest.param(
            ["/bin/sh", "/opt/startup/startup.sh", "x"], "/opt/startup/startup.sh", id="1"
        ),
        pytest.param(["/bin/bash", "-e", "./start.sh"], "./start.sh", id="option"),
        pytest.param(["bash", "-o", "pipefail", "x"], "x", id="option-with-a-value"),
        pytest.param(["bash", "--norc", "x"], "x", id="long-option"),
        pytest.param(["/bin/busybox", "ash", "x"], "x", id="busybox"),
        pytest.param(["sh", "-c", "a && b"], "", id="command"),
        pytest.param(["bash", "-lc", "a && b"], "", id="command-and-another-option"),
        pytest.param(["bash"], None, id="typed-into"),
        pytest.param(["-bash"], None, id="login"),
        pytest.param(["bash", "-l"], None, id="login-by-an-option"),
        pytest.param(["bash", "--rcfile", "x"], None, id="rcfile"),
        pytest.param(["/sbin/docker-init", "--", "sh", "x"], None, id="docker-init"),
        pytest.param(["tini", "--", "sh", "x"], None, id="tini"),
        pytest.param(["/lib/systemd/systemd"], None, id="systemd"),
        pytest.param(["fish", "x"], None, id="another-program"),
        pytest.param(["/bin/busybox"], None, id="busybox-alone"),
        pytest.param([], None, id="kernel-thread"),
    ],
)
def test_command_lines(words: list[str], script: str | None) -> None:
    """A shell counts if it runs a script or a command, not if a user types into it."""
    shell = init_shell.read_shell(words)
    assert (shell.script if shell else None) == script


def test_without_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is found, as on macOS and Windows."""
    monkeypatch.setattr(procfs, "PROC", str(tmp_path))
    assert init_shell.shells_above() == []


PRINT = (
    "from appsvc_runtime.system import init_shell;"
    "print([[s.name, s.script] for s in init_shell.shells_above()])"
)


@pytest.mark.integration
@needs_pid_namespace()
@pytest.mark.parametrize(
    ("command", "found"),
    [
        pytest.param(["sh", "{one}"], "[['sh', '{one}']]", id="platform"),
        pytest.param(["sh", "{exec}"], "[]", id="exec"),
        pytest.param(["sh", "{two}"], "[['sh', '{one}'], ['sh', '{two}']]", id="two-shells"),
        pytest.param(["sh", "-c", "{print}; true"], "[['sh', '']]", id="command"),
        pytest.param(["{python}", "{init}"], "[]", id="another-process-1"),
        pytest.param(["sh", "{between}"], "[]", id="another-program-between"),
    ],
)
def test_real_processes(command: list[str], found: str, tmp_path: Path) -> None:
    """Only shells from the parent up to process 1 count."""
    program = f'{sys.executable} -c "{PRINT}"'
    init = "import subprocess, sys; subprocess.run(['sh', sys.argv[1]])"
    scripts = {
        "one": f"{program}\ntrue\n",
        "exec": f"true && exec {program}\n",
        "two": f"sh {tmp_path / 'one'}\ntrue\n",
        "init": init.replace("sys.argv[1]", repr(str(tmp_path / "one"))),
        "between": f"{sys.executable} {tmp_path / 'init'}\ntrue\n",
    }
    for name, text in scripts.items():
        (tmp_path / name).write_text(text)
    places = {name: str(tmp_path / name) for name in scripts}
    places |= {"python": sys.executable, "print": program}
    done = subprocess.run(
        [*prefix(), *(word.format(**places) for word in command)],
        capture_output=True, text=True, check=False, timeout=30, env=clean_environ(),
    )  # fmt: skip
    assert done.stdout.strip() == found.format(**places), done.stderr
