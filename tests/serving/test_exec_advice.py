"""The advice to write `exec`: its sentence, and when the entry points print it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from appsvc_runtime.serving.exec_advice import describe
from appsvc_runtime.system.init_shell import Shell
from tests.support.pidspace import needs_pid_namespace, prefix
from tests.support.serverapps import WSGI
from tests.support.servers import clean_environ

PLATFORM = Shell("sh", "/opt/startup/startup.sh")
APPSVC = ["/antenv/bin/python", "/antenv/bin/appsvc", "serve"]
SITE = "/home/site/wwwroot"


@pytest.mark.parametrize(
    ("shells", "argv", "advice"),
    [
        pytest.param(
            [PLATFORM], APPSVC, "set the startup command to `exec appsvc serve` (", id="platform"
        ),
        pytest.param(
            [Shell("sh", "/opt/startup/startup.sh"), Shell("bash", "/opt/startup/init.sh")],
            APPSVC,
            "set the startup command to `exec appsvc serve` (",
            id="two-scripts-of-the-image",
        ),
        pytest.param(
            [PLATFORM],
            ["python", "-m", "appsvc_runtime", "serve", "a b:c()"],
            "to `exec python -m appsvc_runtime serve 'a b:c()'` (behind others: `... && exec py",
            id="python",
        ),
        pytest.param(
            [Shell("bash", f"{SITE}/start.sh"), PLATFORM],
            [*APPSVC, "--server", "granian"],
            "write `exec appsvc serve --server granian` in start.sh, and set the startup command "
            "to `exec bash start.sh`.",
            id="script",
        ),
        pytest.param(
            [Shell("sh", "./bin/start.sh"), Shell("sh", "")],
            ["python", "/antenv/bin/gunicorn", "app:app"],
            "write `exec gunicorn app:app` in bin/start.sh, and set the startup command to "
            "`exec sh bin/start.sh`.",
            id="script-in-a-folder",
        ),
        pytest.param(
            [Shell("sh", "/home/start it.sh"), PLATFORM],
            APPSVC,
            "`exec sh '/home/start it.sh'`.",
            id="script-elsewhere",
        ),
        pytest.param(
            [Shell("sh", "start.sh")],
            APPSVC,
            "finish them, write `exec appsvc serve` in start.sh.",
            id="script-in-the-place-of-process-1",
        ),
        pytest.param(
            [Shell("bash", "serve.sh"), Shell("sh", f"{SITE}/start.sh")],
            APPSVC,
            "write `exec appsvc serve` in serve.sh, and `exec bash serve.sh` in start.sh.",
            id="script-below-it",
        ),
    ],
)
def test_sentence(shells: list[Shell], argv: list[str], advice: str) -> None:
    """It is one line, with the exact command to set."""
    sentence = describe(shells, argv, SITE)
    assert advice in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_a_secret_is_not_shown() -> None:
    """A user may have written one into the command."""
    sentence = describe([PLATFORM], [*APPSVC, "app:make(password='s3cret-W0rd')"], SITE)
    assert "s3cret" not in sentence


LISTEN = "--host 127.0.0.1 --port 0 --server waitress nothing:app"
GUNICORN = "-m gunicorn -c python:appsvc_runtime.gunicorn_conf -b 127.0.0.1:0 -w 1 app:app"
# The app of the first two does not exist, and the third ends with its first worker.
HOOK = """\
import os, signal

def post_worker_init(worker):
    os.kill(os.getppid(), signal.SIGTERM)
"""


@pytest.mark.integration
@needs_pid_namespace()
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(f"-m appsvc_runtime serve {LISTEN}", id="serve"),
        pytest.param(f"-m appsvc_runtime.runserver {LISTEN}", id="runserver"),
        pytest.param(GUNICORN, id="gunicorn_conf"),
    ],
)
@pytest.mark.parametrize("replaces", [False, True], ids=["below", "exec"])
def test_entry_points(command: str, replaces: bool, tmp_path: Path) -> None:
    """They print it below process 1, once, and not in the place of process 1."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "app.py").write_text(WSGI)
    (site / "hook.py").write_text(HOOK)
    script = tmp_path / "startup.sh"
    script.write_text(f"true{' && exec' if replaces else ';'} {sys.executable} {command}\ntrue\n")
    done = subprocess.run(
        [*prefix(), "sh", str(script)], capture_output=True, text=True, check=False, timeout=40,
        env=clean_environ(PYTHON_USE_GUNICORN_CONFIG_FROM_PATH="hook.py"), cwd=site,
    )  # fmt: skip
    said = done.stdout + done.stderr
    lines = [line for line in said.splitlines() if "does not pass SIGTERM on" in line]
    assert len(lines) == (0 if replaces else 1), said
    for line in lines:
        assert f"set the startup command to `exec python {command}`" in line
        assert "a shell (sh) that is process 1" in line
