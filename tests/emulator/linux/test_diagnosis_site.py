"""What lies in a site: each shape in a site that has it, and in one that has not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.diagnosis import probes
from appsvc_runtime.emulator.linux.diagnosis.seen import Cause, Seen
from appsvc_runtime.emulator.linux.diagnosis.site import SHAPES, Site, describe, find_causes
from appsvc_runtime.emulator.linux.diagnosis.trouble import find_trouble
from appsvc_runtime.startup import plan as startup_plan

FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
FLASK = "from flask import Flask\napp = Flask(__name__)\n"
SCRIPT = '#!/bin/bash\nset -e\nexport X=1\nif [ -n "$X" ]; then\n  gunicorn app:app\nfi\n'
NO_MODULE = "ModuleNotFoundError: No module named '{}'\n"
SENT = "TypeError: FastAPI.__call__() missing 1 required positional argument: 'send'\n"
NOT_FOUND = "s.sh: 9: {}: not found\n"

ASGI_SITE = {"app.py": FASTAPI}

Files = Mapping[str, str]


def site(
    folder: Path, files: Files, command: str = "", settings: Mapping[str, str] | None = None
) -> Site:
    """Write a site, and return it with its plan."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    settings = settings or {}
    plan = startup_plan.make_plan(
        folder, settings, startup_command=command or None, python_version=(3, 12)
    )
    return Site(folder, command, plan, settings)


CASES = [
    # files, startup command, settings, exit code, output, words of the reason, words of the hint
    pytest.param(
        {"app.py": FLASK}, "app.py", {}, 127, NOT_FOUND.format("from"),
        "startup command app.py is a Python file", "`exec appsvc serve app:app`", id="py-command",
    ),
    pytest.param(
        {"job.py": "# a job\n"}, "job.py", {}, 0, "", "is a Python file", "`python job.py`",
        id="py-command-without-app",
    ),
    pytest.param(
        {"app.py": FLASK, "startup.txt": "# comment\ngunicorn app:app\n"}, "startup.txt", {}, 0, "",
        "first line of startup.txt is a comment", "first line", id="comment",
    ),
    pytest.param(
        {"app.py": FLASK, "startup.txt": "\ngunicorn app:app\n"}, "startup.txt", {}, 0, "",
        "first line of startup.txt is empty", "first line", id="empty-line",
    ),
    pytest.param(
        {"app.py": FLASK, "start.sh": SCRIPT.replace("\n", "\r\n")}, "start.sh", {}, 127,
        NOT_FOUND.format("start.sh"), "start.sh has Windows line ends", "LF", id="crlf",
    ),
    pytest.param(
        {"app.py": FLASK, "start.sh": SCRIPT.replace("\n", "\r\n")}, "bash ./start.sh", {}, 2,
        "./start.sh: line 7: syntax error: unexpected end of file\n./start.sh: Syntax error: x\n",
        "start.sh has Windows line ends", "LF", id="crlf-by-bash",
    ),
    pytest.param(
        {
            "app.py": FLASK,
            "start.sh": "#!/bin/sh\nX=1 . deploy/env.sh && gunicorn app:app\n",
            "deploy/env.sh": "export A=1\r\n",
        },
        "start.sh", {}, 127, "gunicorn: not found\n",
        "deploy/env.sh has Windows line ends", "LF", id="crlf-in-another-script",
    ),
    pytest.param(
        {"app.py": FLASK, "start.sh": "#!/bin/sh\r\ngunicorn app:app\r\n"}, "sh start.sh", {}, 4,
        "Failed to find attribute 'app\\r' in 'app'.\n", "start.sh has Windows line ends", "LF",
        id="crlf-in-an-argument",
    ),
    pytest.param(
        {"app.py": FLASK, "pre.sh": "echo\r\n"}, "", {"PRE_RUN_COMMAND": "sh pre.sh"}, 127,
        NOT_FOUND.format("x"), "pre.sh has Windows line ends", "LF", id="crlf-in-pre-run",
    ),
    pytest.param(
        {"app.py": FLASK, "start.sh": "\ufeff#!/bin/sh\ngunicorn app:app\n"}, "start.sh", {}, 127,
        "\ufeff#!/bin/sh: not found\n", "byte order mark", "without BOM", id="bom",
    ),
    pytest.param(
        {"app.py": FLASK, "start.sh": "[[ -n $X ]]\nsource env\n"}, "start.sh", {}, 127,
        NOT_FOUND.format("[["), "start.sh has no first line such as", "#!/bin/bash", id="shebang",
    ),
    pytest.param(
        {"main.py": FLASK}, "gunicorn app:app", {}, 3, NO_MODULE.format("app"),
        "no module app, but main.py has an app", "`exec appsvc serve main:app`", id="main-py",
    ),
    pytest.param(
        {"src/shop/__init__.py": FLASK}, "gunicorn shop:app", {}, 3, NO_MODULE.format("shop"),
        "module shop is in the folder src", "`exec appsvc serve --site src shop:app`", id="src",
    ),
    pytest.param(
        {"backend/requirements.txt": "flask\n", "app.py": FLASK}, "", {}, 3,
        NO_MODULE.format("flask"), "backend/requirements.txt is not in the top folder",
        "CUSTOM_REQUIREMENTSTXT_PATH=backend/requirements.txt", id="requirements-elsewhere",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("files", "command", "settings", "code", "output", "why", "hint"), CASES)
def test_a_shape_explains_the_start(
    files: Files, command: str, settings: Mapping[str, str], code: int, output: str, why: str,
    hint: str, tmp_path: Path,
) -> None:  # fmt: skip
    """The last sentence names it, and so do `explain` and the plan before the start."""
    lies = site(tmp_path, files, command, settings)
    causes = find_causes(lies)
    found = find_trouble(Seen("", 8000, output, code, has_file=lies.has, causes=causes))
    assert why in found.why
    assert hint in found.hint
    assert any(why in str(cause) for cause in causes)


# Sites of the same form without the shape.
SOUND = [
    pytest.param({"app.py": FLASK}, "python app.py", {}, id="python-names-the-file"),
    pytest.param({"app.py": FLASK, "startup.txt": "gunicorn app:app\n"}, "startup.txt", {}, id="x"),
    pytest.param({"app.py": FLASK, "start.sh": SCRIPT}, "start.sh", {}, id="lf-and-shebang"),
    pytest.param({"app.py": FLASK, "start.sh": "gunicorn app:app\n"}, "sh start.sh", {}, id="sh"),
    pytest.param(
        {"app.py": FLASK, "start.sh": SCRIPT, "other.sh": "a\r\n", "notes.txt": "start.sh\r\n"},
        "start.sh", {}, id="files-that-no-shell-reads",
    ),
    pytest.param({"main.py": FLASK}, "gunicorn main:app", {}, id="main-is-named"),
    pytest.param({"src/shop/__init__.py": FLASK}, "gunicorn --chdir src shop:app", {}, id="chdir"),
    pytest.param(
        {"requirements.txt": "", "backend/requirements.txt": "", "app.py": FLASK}, "", {},
        id="requirements-at-the-top",
    ),
    pytest.param(
        {"backend/requirements.txt": "", "app.py": FLASK}, "",
        {"CUSTOM_REQUIREMENTSTXT_PATH": "backend/requirements.txt"}, id="requirements-are-named",
    ),
    pytest.param({"node_modules/requirements.txt": "", "app.py": FLASK}, "", {}, id="foreign"),
    pytest.param({"app.py": FLASK}, "gunicorn app:app", {}, id="wsgi"),
    pytest.param({"app.py": FASTAPI}, "gunicorn -k asgi app:app", {}, id="worker-class"),
    pytest.param({"app.py": FASTAPI}, "gunicorn -c conf.py app:app", {}, id="configuration"),
    pytest.param({"app.py": FASTAPI}, "uvicorn app:app", {}, id="uvicorn"),
    pytest.param({"app.py": FASTAPI}, "exec appsvc serve app:app", {}, id="ours"),
    pytest.param({"app.py": FLASK}, "\0", {}, id="nul"),
    pytest.param({"app.py": FLASK}, "sh ../../etc/passwd /etc/hosts 'a", {}, id="outside"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "command", "settings"), SOUND)
def test_a_sound_site_has_no_cause(
    files: Files, command: str, settings: Mapping[str, str], tmp_path: Path
) -> None:
    """Nothing is said about what is right."""
    assert find_causes(site(tmp_path, files, command, settings)) == ()


@pytest.mark.parametrize(
    ("files", "command", "settings"), [pytest.param(*one.values[:3], id=one.id) for one in CASES]
)
def test_another_failure_is_not_explained_by_it(
    files: Files, command: str, settings: Mapping[str, str], tmp_path: Path
) -> None:
    """A site with the shape can fail for another reason, which the output names."""
    output = (
        'Traceback (most recent call last):\n  File "/a.py", line 7, in <module>\nValueError: x\n'
    )
    causes = find_causes(site(tmp_path, files, command, settings))
    found = find_trouble(Seen("", 8000, output, 3, causes=causes))
    assert "ValueError: x" in found.why


def test_a_typo_in_a_script_without_a_first_line(tmp_path: Path) -> None:
    """The command that is missing is the reason, as sh can read the script."""
    lies = site(tmp_path, {"start.sh": "gunicron app:app\n"}, "start.sh")
    output = "/x/start.sh: 1: gunicron: not found\n"
    seen = Seen("", 8000, output, 127, has_file=lies.has, causes=find_causes(lies))
    assert "there is no command 'gunicron'" in find_trouble(seen).why


def test_each_shape_has_its_case(tmp_path: Path) -> None:
    """No row of the table is without a failing site here."""
    sites = [one.values[:3] for one in CASES]
    sites += [(ASGI_SITE, "gunicorn app:app", {}), ({}, "x", {"WEBSITES_PORT": "5000"})]
    found = set()
    for number, (files, command, settings) in enumerate(sites):
        folder = tmp_path / str(number)
        folder.mkdir()
        lies = site(folder, files, command, settings)  # type: ignore[arg-type]
        found |= {shape for shape in SHAPES if list(shape(lies))}
    assert found == set(SHAPES)


def test_websites_port(tmp_path: Path) -> None:
    """It explains a server on another port, and nothing else."""
    setting = {"WEBSITES_PORT": "5000"}
    causes = find_causes(site(tmp_path, {"app.py": FLASK}, "gunicorn -b :5000 app:app", setting))
    seen = Seen("", 8000, listened=[("0.0.0.0", 5000)], causes=causes)
    found = find_trouble(seen)
    assert "listens on 0.0.0.0:5000 instead of port 8000" in found.why
    assert "WEBSITES_PORT is for images of your own" in found.hint
    on_port = Seen("", 8000, listened=[("0.0.0.0", 8000)], causes=causes)
    assert "WEBSITES_PORT" not in str(find_trouble(on_port))


# Shapes against real shells: their texts differ

SHELLS = [
    pytest.param({"start.sh": SCRIPT.replace("\n", "\r\n")}, "start.sh", "Windows", id="crlf"),
    pytest.param(
        {"start.sh": SCRIPT.replace("#!/bin/bash\n", "").replace("\n", "\r\n")}, "start.sh",
        "Windows", id="crlf-without-shebang",
    ),
    pytest.param(
        {"start.sh": SCRIPT.replace("\n", "\r\n")}, "sh start.sh", "Windows", id="crlf-sh"
    ),
    pytest.param(
        {"start.sh": SCRIPT.replace("\n", "\r\n")}, "bash start.sh", "Windows", id="crlf-bash"
    ),
    pytest.param({"start.sh": "\ufeff#!/bin/sh\nexit 127\n"}, "start.sh", "byte order", id="bom"),
    pytest.param(
        {"start.sh": "function f() {\n  x=(1 2)\n}\nf\n"}, "start.sh", "no first line", id="shebang"
    ),
    pytest.param({"app.py": FLASK}, "app.py", "is a Python file", id="py-command"),
    pytest.param({"startup.txt": "# comment\nx\n"}, "startup.txt", "is a comment", id="comment"),
]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="needs /bin/sh")
@pytest.mark.parametrize(("files", "command", "why"), SHELLS)
def test_real_shells(files: Files, command: str, why: str, tmp_path: Path) -> None:
    """The container's script runs the command; what dash and bash print is recognised."""
    lies = site(tmp_path, files, command)
    for name in files:
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", f'PATH="$PATH:{tmp_path}" {lies.plan.command}\n'],
        cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False,
        env={"PATH": os.defpath},
    )  # fmt: skip
    seen = Seen(
        "", 8000, done.stdout + done.stderr, done.returncode, has_file=lies.has,
        causes=find_causes(lies),
    )  # fmt: skip
    assert why in find_trouble(seen).why, (done.returncode, done.stdout, done.stderr)


# Probes


def test_an_asgi_app_under_a_wsgi_worker(tmp_path: Path) -> None:
    """It starts, and each response is 500: the sentence names the worker to add."""
    causes = find_causes(site(tmp_path, ASGI_SITE, "gunicorn app:app"))
    assert "app:app is an ASGI app under gunicorn's default worker" in str(causes[0])
    for known in (causes, ()):  # the output alone is enough
        said = probes.explain_response(500, "", SENT, known, "app:app")
        assert "ASGI app" in said
        assert "Add -k uvicorn_worker.UvicornWorker" in said
        assert "`exec appsvc serve app:app`" in said
    assert probes.explain_response(500, "", "ValueError: x\n", causes, "app:app") == ""
    waitress = find_causes(site(tmp_path, ASGI_SITE, "waitress-serve app:app"))
    assert "under waitress" in str(waitress[0])
    assert "-k" not in str(waitress[0])


def test_a_wsgi_app_under_an_asgi_server() -> None:
    """The other way round."""
    for text in (
        "TypeError: Flask.__call__() takes 3 positional arguments but 4 were given\n",
        "TypeError: Flask.__call__() missing 1 required positional argument: 'start_response'\n",
    ):
        said = probes.explain_response(500, "", text, app="app:app")
        assert "app:app is a WSGI app under a server for ASGI apps" in said


@pytest.mark.parametrize(
    ("status", "location", "output", "words"),
    [
        (400, "", "Invalid HTTP_HOST header: '169.254.129.1:8000'.\n", "Django refuses"),
        (301, "https://shop/health", "", "redirects the platform's probes to https://shop/health"),
        (308, "", "", "redirects the platform's probes to another URL"),
        (400, "", "", ""),
        (404, "", "", ""),
        (200, "", SENT, ""),
        (503, "", "", ""),
    ],
)
def test_probes(status: int, location: str, output: str, words: str) -> None:
    """Only a refusal or a redirect is explained, and then with what to do."""
    said = probes.explain_response(status, location, output)
    assert words in said
    assert bool(said) == bool(words)
    assert not said or "AppServiceMiddleware" in said
    assert not said or 'health=Health("/healthz")' in said


def test_a_warning_is_not_said_twice(tmp_path: Path) -> None:
    """The plan's own warning names the same command."""
    lies = site(tmp_path, ASGI_SITE)
    cause = Cause("x", "Set the startup command to `exec appsvc serve app:app`.", lambda _: True)
    assert describe(lies.plan, [cause]) == list(lies.plan.warnings)
    other = Cause("x", "y", lambda _: True)
    assert describe(lies.plan, [other]) == [*lies.plan.warnings, "x. y"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A link in a circle, a folder in place of a file, a script that runs itself."""
    (tmp_path / "a.sh").symlink_to("a.sh")
    (tmp_path / "b.sh").mkdir()
    assert find_causes(site(tmp_path, {"app.py": FLASK}, "sh a.sh; sh b.sh")) == ()
    circle = {"c.sh": "#!/bin/sh\nsh c.sh\nsh d.sh\n", "d.sh": "sh c.sh\n"}
    assert find_causes(site(tmp_path, circle, "c.sh")) == ()
