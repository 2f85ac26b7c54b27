"""The other commands on Windows, by `appsvc.exe`; typical mistakes; a log file of processes."""

from __future__ import annotations

import json
import re
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.windows.machine import WindowsPython
from tests.windows.process import Process
from tests.windows.sites import SECONDS, copy_example, request, write_files

SERVED = "Serving app:app"


def run(
    windows: WindowsPython, folder: Path, *words: str, **variables: str
) -> tuple[int, str, str]:
    """Run `appsvc.exe` in a folder; return exit code, standard output and standard error."""
    done = windows.run_command(windows.appsvc(*words), cwd=folder, timeout=SECONDS, **variables)
    texts = [text.decode().replace("\r\n", "\n") for text in (done.stdout, done.stderr)]
    return done.returncode, texts[0], texts[1]


def test_settings(windows: WindowsPython, folder: Path) -> None:
    """It reads a `.env` as Windows' editors write it; names of variables have no case there."""
    text = "SHOP_NAME=Jörg's\r\nCACHE_SECONDS=5\r\nDB_PASSWORD=hidden-one\r\n"
    write_files(folder / "my shop", {".env": b"\xef\xbb\xbf" + text.encode()})
    words = ("settings", "--site", "my shop", "--json")
    code, out, err = run(windows, folder, *words, Cache_Seconds="7")
    assert (code, err) == (0, "")
    shown = json.loads(out)
    assert shown["host"] == "local"
    assert shown["dotenv"] == windows.path(folder / "my shop" / ".env")
    values = {one["name"]: (one["value"], one["origin"]) for one in shown["settings"]}
    assert values["SHOP_NAME"][0] == "Jörg's"
    assert values["CACHE_SECONDS"] == ("7", "environment")
    assert "hidden-one" not in out


def test_explain(windows: WindowsPython, folder: Path) -> None:
    """It shows what the container would run, whatever the drive's separators and line ends."""
    site = copy_example("django_app", folder / "shop")
    (site / "startup.txt").write_bytes(b"exec appsvc serve\r\n")
    code, out, err = run(
        windows, folder, "explain", r".\SHOP\\", "--startup-command", "startup.txt"
    )
    assert (code, err) == (0, "")
    assert "Command:    exec appsvc serve" in out
    code, out, err = run(windows, site, "explain")
    assert (code, err) == (0, "")
    assert "mysite.wsgi" in out
    assert "\\" not in out.partition("Command:")[2].partition("\n")[0]


# The words of a command line, and what its error shows.
MISTAKES = {
    "build": (
        ("build", "shop"),
        "Error: The container's site cannot be built on Windows, where pip installs the packages "
        "of Windows. Run this in WSL, or let the platform build it: set "
        "SCM_DO_BUILD_DURING_DEPLOYMENT=true as an app setting.\n",
    ),
    "container": (
        ("emulate", "shop", "--as", "linux"),
        "Error: The Linux container cannot be emulated on Windows, where gunicorn does not run. "
        "Run this in WSL.\n",
    ),
    "no web.config": (
        ("emulate", "shop"),
        "{folder}\\shop holds no web.config, without which IIS does not know how to start Python, "
        "and the Linux container cannot be emulated on Windows. Run this in WSL, or add ",
    ),
    "backslash": (
        ("emulate", '.\\my shop" --check'),
        "Error: The site's name '.\\my shop\" --check' has a quotation mark: with a backslash "
        "before it, Windows takes the closing one for a part of the name. Leave out the backslash "
        "at the end.\n",
    ),
    "home": (
        ("emulate", r"C:\users"),
        r"Error: The site 'C:\users' holds your home folder, and appsvc emulate copies ",
    ),
    "gunicorn": (
        ("serve", "--site", "shop"),
        "Error: The server gunicorn does not run on Windows. Choose one of waitress, granian, "
        "uvicorn: --server NAME, or APPSVC_SERVER=NAME.\n",
    ),
    "missing": (
        ("settings", "--site", r"D:\no\such"),
        r"Error: The site folder 'D:\no\such' cannot be entered: ",
    ),
}


# Each by the function behind `appsvc.exe`: a process takes a second to start.
SCRIPT = r"""
import contextlib, io, json, sys
from appsvc_runtime.cli.main import main

shown = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    shown.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(shown))
"""


def test_mistakes_are_told_in_a_sentence(windows: WindowsPython, folder: Path) -> None:
    r"""Each ends with 2 and one line, in which a path is written as Windows writes it."""
    write_files(folder / "shop", {"app.py": "from flask import Flask\napp = Flask(__name__)\n"})
    commands = json.dumps([words for words, _ in MISTAKES.values()])
    done = windows.run("-c", SCRIPT, commands, cwd=folder, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    for name, shown in zip(MISTAKES, json.loads(done.stdout), strict=True):
        code, out, err = shown
        error = MISTAKES[name][1].replace("{folder}", windows.path(folder))
        assert (code, out, err.count("\n")) == (2, "", 1), f"{name}: {out}{err}"
        assert error in err, name
    assert not (folder / ".appsvc").exists()


@pytest.mark.parametrize(
    "words", [("serve", "--server", "waitress"), ("runserver",)], ids=["serve", "runserver"]
)
def test_console_script_serves(
    windows: WindowsPython, folder: Path, words: tuple[str, ...]
) -> None:
    """`appsvc.exe` serves in a process of its own; Ctrl-C in its console ends both in order."""
    copy_example("flask_app", folder / "shop")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = windows.appsvc(*words, "--site", "shop", "--host", "127.0.0.1")
    variables = {"PORT": port} if words[0] == "serve" else {"HTTP_PLATFORM_PORT": port}
    with windows.console(command, cwd=folder, **variables) as console:
        console.wait_for(SERVED, SECONDS)
        assert request(f"http://127.0.0.1:{port}/")[0] == 200
        console.press_ctrl_c()
        assert console.wait(SECONDS) == 0, console.text
        assert "Traceback" not in console.text
        assert console.tree() == []


# It writes a line when it is told to, so that no two processes write at the same time: Wine, unlike
# Windows, does not append atomically.
WRITER = r"""
import logging, sys
from appsvc_runtime import configure_logging

configure_logging()
log = logging.getLogger(sys.argv[1])
for number in sys.stdin:
    log.warning("line %s of %s, and %s", number.strip(), sys.argv[1], "x" * 100)
    print("written", number.strip(), flush=True)
"""
PROCESSES, LINES, LIMIT = 3, 30, 2000


def test_log_file_is_rotated_while_processes_have_it_open(
    windows: WindowsPython, folder: Path
) -> None:
    """No line is lost, and each process goes on in the new file, whichever has renamed the old."""
    write_files(folder, {"writer.py": WRITER, "logs/.keep": ""})
    variables = {
        "WSGI_LOG": windows.path(folder / "logs" / "app.log"),
        "APPSVC_LOG_MAX_BYTES": str(LIMIT),
        "APPSVC_LOG_BACKUPS": "100",
    }
    with ExitStack() as stack:
        writers: list[Process] = [
            stack.enter_context(windows.start("writer.py", name, cwd=folder, **variables))
            for name in "abc"
        ]
        for number in range(LINES):
            for writer in writers:
                assert writer.process.stdin
                writer.process.stdin.write(f"{number}\n".encode())
                writer.wait_for(f"written {number}\n", SECONDS)
        for writer in writers:
            writer.close_stdin()
            assert writer.wait(SECONDS) == 0
            assert writer.stderr() == b""
    files = sorted((folder / "logs").glob("app.log*"))
    assert len(files) > PROCESSES * LINES * 100 // LIMIT // 2
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    found = sorted(re.findall(r"line (\d+) of (\w), and x{100}$", "\n".join(lines), re.MULTILINE))
    assert found == sorted((str(n), name) for n in range(LINES) for name in "abc")
    assert all(file.stat().st_size < LIMIT + 500 for file in files)
