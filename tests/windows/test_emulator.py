"""`appsvc emulate` on Windows: both forms of web.config, changes, WebJobs, and every way to end."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pytest

from tests.support.emulator import FASTCGI, HTTPPLATFORM, web_config
from tests.windows.machine import WindowsPython
from tests.windows.process import Console, Process
from tests.windows.sites import SECONDS, copy_example, request, wait_for_url, write_files

# It responds with its process id, a value of a module below it, and variables.
APP = r"""
import os
import pages.texts

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    names = environ["QUERY_STRING"].split("&")
    shown = [f"{name}={os.environ.get(name)}" for name in names if name]
    return ["|".join([str(os.getpid()), pages.texts.TEXT, *shown]).encode()]
"""
# A site's own script, as Visual Studio makes one.
RUNSERVER = r"""
import os
from waitress import serve
from app import application

serve(application, host="127.0.0.1", port=int(os.environ["HTTP_PLATFORM_PORT"]))
"""
# Other processes of Windows and its own variables; a log in a folder that only `%HOME%` names.
OF_HTTPPLATFORM = web_config(
    HTTPPLATFORM
    + r"""<httpPlatform processPath="%SystemDrive%\home\Python\python.exe"
        arguments="D:\home\site\wwwroot\runserver.py" startupTimeLimit="120"
        stdoutLogEnabled="true" stdoutLogFile="%HOME%\LogFiles\python.log"><environmentVariables>
      <environmentVariable name="Shop" value="%comspec%;%HOME%\data;%NoSuchName%"/>
      <environmentVariable name="Version" value="1"/>
    </environmentVariables></httpPlatform>"""
)
OF_FASTCGI = web_config(
    FASTCGI,
    r"""<add key="WSGI_HANDLER" value="app.application"/>
    <add key="PYTHONPATH" value="%HOME%\lib;D:\home\site\wwwroot"/>
    <add key="WSGI_LOG" value="D:\home\LogFiles\wfastcgi.log"/>
    <add key="Version" value="1"/>""",
)
WITHOUT_PYTHON = web_config('<handlers><remove name="PythonHandler"/></handlers>')


def make_site(folder: Path, config: str) -> Path:
    """Write a site with a folder of modules and one of static files."""
    return write_files(
        folder / "my shop (é)",
        {
            # As Notepad and Visual Studio write it.
            "Web.Config": config.replace("\n", "\r\n").encode("utf-8-sig"),
            "app.py": APP,
            "runserver.py": RUNSERVER,
            "pages/__init__.py": "",
            "pages/texts.py": "TEXT = 'first'\n",
            "Static/Note.txt": "a file\n",
        },
    )


def change_until(
    process: Process | Console, file: Path, text: str, url: str, wanted: str
) -> list[str]:
    """Write a file until a response has a text, and return the response's parts.

    A process that has only just started may not be watching yet.
    """

    def changed() -> list[str] | None:
        file.write_text(text, "utf-8")
        status, body = request(url)
        return body.split("|") if status == 200 and wanted in body else None

    parts: list[str] = process.wait_until(changed, f"{wanted!r} from {url}", SECONDS)
    return parts


@pytest.mark.parametrize("kind", ["httpplatform", "fastcgi"])
def test_check_of_our_web_config(windows: WindowsPython, folder: Path, kind: str) -> None:
    """Both forms start, the app responds, and nothing is left running."""
    copy_example("flask_app", folder / "shop")
    command = windows.appsvc("emulate", "shop\\", "--as", kind, "--check")
    with windows.start_command(command, cwd=folder) as process:
        assert process.wait(SECONDS) == 0, process.text
        assert re.search(r"^GET / 200 OK in \d+ ms", process.text, re.MULTILINE), process.text
        assert process.tree() == []
    assert sorted(path.name for path in folder.iterdir()) == [".appsvc", "shop"]


def test_httpplatform(windows: WindowsPython, folder: Path) -> None:
    """Variables, log, static files and changes are as IIS has them; Ctrl-C ends all processes."""
    site = make_site(folder, OF_HTTPPLATFORM)
    command = windows.appsvc("emulate", site.name, "--port", "0", "--set", "debug=1")
    with windows.console(command, cwd=folder, DEBUG="0", SHOP="of the shell") as console:
        url = wait_for_url(console)
        home = windows.path(folder / ".appsvc" / site.name)
        status, body = request(f"{url}/a%20b?SHOP&DEBUG&HOME&VERSION")
        assert status == 200, console.text
        assert body.split("|")[1:] == [
            "first",
            rf"SHOP=C:\windows\system32\cmd.exe;{home}\data;%NoSuchName%",
            "DEBUG=1",
            f"HOME={home}",
            "VERSION=1",
        ]
        assert "%NoSuchName%, which is not set" in console.text
        assert list((folder / ".appsvc" / site.name / "LogFiles").glob("python.log*"))
        config = site / "Web.Config"
        text = OF_HTTPPLATFORM.replace('value="1"', 'value="2"')
        changed = change_until(console, config, text, f"{url}/?VERSION", "VERSION=2")
        assert changed[0] != body.split("|")[0]
        # The folder gets a file of its own, by which IIS serves it.
        nested = site / "Static" / "web.config"
        change_until(console, nested, WITHOUT_PYTHON, f"{url}/static/NOTE.TXT", "a file")
        for name in ("note.txt.", "note.txt::$DATA", "nul", "Web.Config"):
            assert request(f"{url}/Static/{name}")[0] == 404, name
        console.press_ctrl_c()
        assert console.wait(SECONDS) == 0, console.text
        assert "Traceback" not in console.text
        assert console.tree() == []


def test_fastcgi(windows: WindowsPython, folder: Path) -> None:
    """The real wfastcgi sees changes by Windows' own means; kill -9 ends all processes."""
    site = make_site(folder, OF_FASTCGI)
    command = windows.command("-m", "appsvc_runtime", "emulate", site.name, "--port", "0")
    with windows.start_command(command, cwd=folder) as process:
        url = wait_for_url(process)
        first = request(f"{url}/?VERSION")[1].split("|")
        assert first[1:] == ["first", "VERSION=1"], process.text
        app, below = site / "app.py", site / "pages" / "texts.py"
        second = change_until(process, below, "TEXT = 'below'\n", url, "below")
        third = change_until(process, app, APP + "# changed\n" * 9, f"{url}/?VERSION", "VERSION")
        if third[0] == second[0]:
            process.wait_until(
                lambda: app.write_text(APP) and request(url)[1].split("|")[0] != second[0],
                "another process after a change of app.py",
                SECONDS,
            )
        assert first[0] != second[0]
        text = OF_FASTCGI.replace('value="1"', 'value="2"')
        change_until(process, site / "Web.Config", text, f"{url}/?VERSION", "VERSION=2")
        assert (folder / ".appsvc" / site.name / "LogFiles" / "wfastcgi.log").stat().st_size
        assert len(process.tree()) >= 2
        process.process.kill()
        process.process.wait(SECONDS)
        wait_until_nothing_is_left(process)


def wait_until_nothing_is_left(process: Process | Console) -> None:
    """Wait until all that an ended process has started has ended too."""
    deadline = time.monotonic() + SECONDS
    while left := process.tree():
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.02)


OF_ENVIRONMENT = r"""
import only_in_the_environment

def application(environ, start_response):
    start_response("200 OK", [])
    return [only_in_the_environment.TEXT.encode()]
"""


def test_virtual_environment_of_the_project(windows: WindowsPython, folder: Path) -> None:
    r"""Its `.venv\Scripts\python.exe` runs the app, with the packages that are in it."""
    packages = ".venv/Lib/site-packages"
    site = write_files(
        folder / "shop",
        {
            "web.config": OF_FASTCGI,
            "app.py": OF_ENVIRONMENT,
            ".venv/pyvenv.cfg": f"home = {windows.path(windows.home)}\r\nversion = 3.11.9\r\n",
            f"{packages}/only_in_the_environment.py": "TEXT = 'from the environment'\n",
        },
    )
    # `venv` is not in python.org's embeddable package. Its own python.exe only starts the other.
    scripts = site / ".venv" / "Scripts"
    scripts.mkdir()
    for name in ("python.exe", "python3.dll", "python311.dll", "python311.zip"):
        shutil.copy(windows.home / name, scripts)
    done = windows.run_command(
        windows.appsvc("emulate", site.name, "--check"), cwd=folder, timeout=SECONDS
    )
    printed = done.stdout.decode()
    assert done.returncode == 0, printed
    assert "Python: .venv of the site (3.11.9)" in printed


JOB = r"""
import os, sys, time
print("arguments", sys.argv[1:], "for J\u00f6rg", flush=True)
print("in", os.getcwd(), flush=True)
while not os.path.exists(os.environ["WEBJOBS_SHUTDOWN_FILE"]):
    time.sleep(0.02)
print("told", flush=True)
"""
BATCH = r"""
@echo off
echo batch %WEBJOBS_NAME% in %cd%
python -c "import sys; print('python', sys.executable)"
:wait
if exist "%WEBJOBS_SHUTDOWN_FILE%" goto end
ping -n 2 127.0.0.1 >nul
goto wait
:end
echo bye
"""
TRIGGERED = r"import sys; print(sys.argv[1:]); sys.exit(3)"


@pytest.fixture
def jobs(folder: Path) -> Path:
    """Return a site with three WebJobs."""
    return write_files(
        folder / "shop",
        {
            "App_Data/jobs/continuous/batch/run.cmd": BATCH.replace("\n", "\r\n"),
            "App_Data/jobs/continuous/queue/run.py": JOB,
            "App_Data/jobs/triggered/report/run.py": TRIGGERED,
        },
    )


def test_continuous_webjobs(windows: WindowsPython, folder: Path, jobs: Path) -> None:
    """`run.cmd` and `run.py` run in copies; Ctrl-C writes their shutdown file, and they end."""
    with windows.console(windows.appsvc("emulate", jobs.name, "--as", "webjob"), cwd=folder) as it:
        it.wait_for("batch batch in ", SECONDS)
        it.wait_for("python " + windows.path(windows.home / "python.exe"), SECONDS)
        it.wait_for("Ready 2 jobs", SECONDS)
        temp = windows.path(folder / ".appsvc" / "shop" / "temp")
        assert f"in {temp}" in it.wait_for("in D:", SECONDS)
        it.press_ctrl_c()
        assert it.wait(SECONDS) == 0, it.text
        assert "Traceback" not in it.text
        assert "arguments [] for Jörg" in it.text  # not in UTF-8: as Windows' Python writes it
        assert re.search(r"queue +told\s*$", it.text, re.MULTILINE), it.text
        assert it.tree() == []


def test_triggered_webjob(windows: WindowsPython, folder: Path, jobs: Path) -> None:
    """Its arguments are split as Windows splits them, and its exit code is the command's."""
    arguments = r'WEBJOBS_COMMAND_ARGUMENTS=D:\data\new "a b"'
    options = ("--job-os", "windows", "--trigger", "report", "--set", arguments)
    done = windows.run_command(
        windows.appsvc("emulate", jobs.name, *options), cwd=folder, timeout=SECONDS
    )
    assert done.returncode == 3, done.stderr
    assert r"['D:\\data\\new', 'a b']" in done.stdout.decode()
