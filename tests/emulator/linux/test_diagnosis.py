"""Why a container did not start, from its output: real texts, one sentence each."""

from __future__ import annotations

import pytest

from appsvc_runtime.emulator.linux.diagnosis.binding import listen_on
from appsvc_runtime.emulator.linux.diagnosis.listening import wrong_place
from appsvc_runtime.emulator.linux.diagnosis.seen import Seen
from appsvc_runtime.emulator.linux.diagnosis.trouble import find_trouble

TRACEBACK = """\
[2026-11-26 10:00:00 +0000] [12] [ERROR] Exception in worker process
Traceback (most recent call last):
  File "/cache/image/lib/python3.12/site-packages/gunicorn/arbiter.py", line 752, in spawn_worker
    worker.init_process()
  File "<frozen importlib._bootstrap>", line 1204, in _gcd_import
  File "/home/site/wwwroot/mysite/settings.py", line 7, in <module>
    SECRET_KEY = os.environ["SECRET_KEY"]
                 ~~~~~~~~~~^^^^^^^^^^^^^^
  File "<frozen os>", line 679, in __getitem__
{what}
[2026-11-26 10:00:00 +0000] [12] [INFO] Worker exiting (pid: 12)
[2026-11-26 10:00:00 +0000] [11] [ERROR] Reason: Worker failed to boot.
"""
ENDED = [
    # exit code, output, words of the reason, words of the hint
    pytest.param(
        127,
        "/x/startup-0.sh: 11: gunicron: not found\n",
        "there is no command 'gunicron'",
        "typo",
        id="typo-dash",
    ),
    pytest.param(
        127,
        "/x/startup-0.sh: line 11: gunicron: command not found\n",
        "there is no command 'gunicron'",
        "typo",
        id="typo-bash",
    ),
    pytest.param(
        127, "s.sh: 3: exec: gunicron: not found\n", "no command 'gunicron'", "typo", id="exec"
    ),
    pytest.param(
        127, "s.sh: 3: daphne: not found\n", "no command 'daphne'", "requirements.txt", id="package"
    ),
    pytest.param(
        127, "s.sh: 11: start.sh: not found\n", "the script start.sh exists", "LF", id="crlf"
    ),
    pytest.param(
        126, "s.sh: 11: ./static: Permission denied\n", "permission denied", ".sh", id="denied"
    ),
    *(
        pytest.param(
            code,
            text,
            "start.sh is not executable",
            "Write `exec sh start.sh`, or run `chmod +x start.sh` (in Git `git update-index "
            "--chmod=+x start.sh`).",
            id=f"not-executable-{name}",
        )
        for name, code, text in (
            ("dash", 126, "s.sh: 11: ./start.sh: Permission denied\n"),
            ("dash-path", 127, "s.sh: 11: start.sh: Permission denied\n"),
            ("dash-exec", 126, "/x/s.sh: 11: exec: start.sh: Permission denied\n"),
            ("dash-exec-path", 126, "s.sh: 11: exec: ./start.sh: Permission denied\n"),
            ("bash", 126, "s.sh: line 2: ./start.sh: Permission denied\n"),
            (
                "bash-exec",
                126,
                "s.sh: line 2: exec: ./start.sh: cannot execute: Permission denied\n",
            ),
            ("env", 126, "env: \u2018./start.sh\u2019: Permission denied\n"),
            ("nohup", 126, "nohup: failed to run command './start.sh': Permission denied\n"),
            ("whole-path", 126, "s.sh: 9: /home/site/wwwroot/start.sh: Permission denied\n"),
        )
    ),
    pytest.param(
        126,
        "s.sh: 3: exec: ./app.py: Permission denied\n",
        "app.py is not executable",
        "Write `exec python app.py`, or run `chmod +x app.py`",
        id="not-executable-python",
    ),
    pytest.param(
        126,
        "s.sh: 3: ./serve: Permission denied\n",
        "serve is not executable",
        "Run `chmod +x serve` (",
        id="not-executable-program",
    ),
    pytest.param(
        4,
        "Failed to find attribute 'app' in 'app'.\n",
        "the module app has no `app`",
        "gunicorn app:NAME",
        id="no-attribute",
    ),
    pytest.param(
        3,
        TRACEBACK.format(what="KeyError: 'SECRET_KEY'"),
        "the app needs the setting SECRET_KEY "
        "(KeyError: 'SECRET_KEY', at /home/site/wwwroot/mysite/settings.py, line 7)",
        "Give it with --set SECRET_KEY=VALUE, and on Azure as an app setting.",
        id="setting",
    ),
    pytest.param(
        3,
        TRACEBACK.format(what="OSError: no such host"),
        "raised OSError: no such host, at /home/site/wwwroot/mysite/settings.py, line 7",
        "Fix",
        id="raises",
    ),
    pytest.param(
        1,
        'Traceback (most recent call last):\n  File "/app.py", line 7, in <module>\n'
        "KeyError: 'users'\n",
        "the app raised KeyError: 'users', at /app.py, line 7",
        "Fix",
        id="key-of-another-mapping",
    ),
    pytest.param(
        3,
        TRACEBACK.format(
            what="pydantic_core._pydantic_core.ValidationError: 2 validation errors for Settings\n"
            "api_key\n  Field required [type=missing, input_value={}, input_type=dict]\n"
            "    For further information visit https://errors.pydantic.dev/2.12/v/missing\n"
            "mail.host\n  Field required [type=missing, input_value={}, input_type=dict]"
        ),
        "the app needs the setting API_KEY and MAIL__HOST (pydantic_core.",
        "--set API_KEY=VALUE --set MAIL__HOST=VALUE",
        id="setting-pydantic",
    ),
    pytest.param(
        3,
        TRACEBACK.format(what="decouple.UndefinedValueError: KEY not found. Declare it as envvar"),
        "the setting KEY",
        "--set KEY=VALUE",
        id="setting-decouple",
    ),
    pytest.param(
        3,
        TRACEBACK.format(
            what="django.core.exceptions.ImproperlyConfigured: Set the KEY environment variable"
        ),
        "the setting KEY",
        "--set KEY=VALUE",
        id="setting-django-environ",
    ),
    pytest.param(
        3,
        TRACEBACK.format(what='environs.exceptions.EnvError: Environment variable "KEY" not set'),
        "the setting KEY",
        "--set KEY=VALUE",
        id="setting-environs",
    ),
    pytest.param(
        3,
        TRACEBACK.format(
            what="appsvc_runtime.findings.SettingsError: The setting KEY is missing: expected a "
            "text."
        ),
        "the setting KEY",
        "--set KEY=VALUE",
        id="setting-ours",
    ),
    pytest.param(
        2,
        "Error: 2 settings cannot be used:\n  - The setting A is missing: expected a text.\n"
        "  - The setting B is missing: expected a text.\n[INFO] Shutting down\n",
        "code 2: 2 settings cannot be used:\n  - The setting A is missing: expected a text.\n  - ",
        "--set A=VALUE --set B=VALUE",
        id="settings-error-line",
    ),
    pytest.param(
        1,
        "Error: 1 setting cannot be used:\n  - The setting A is missing: expected a text. Write "
        "--set A=VALUE.\n",
        "expected a text. Write --set A=VALUE.",
        "",
        id="setting-with-its-advice",
    ),
    pytest.param(
        1,
        "Error: It waits...\n",
        "code 1: It waits...",
        "",
        id="error-line-with-three-dots",
    ),
    pytest.param(
        1,
        "Error: The server granian is not installed. Install it.\n",
        "code 1: The server granian is not installed. Install it.",
        "",
        id="error-line",
    ),
    pytest.param(
        2,
        "usage: gunicorn [OPTIONS]\ngunicorn: error: unrecognized arguments: --x\n",
        "code 2: unrecognized arguments: --x.",
        "",
        id="error-line-argparse",
    ),
    pytest.param(
        4,
        "Error: The app 'a' cannot be loaded: importing 'a' failed with KeyError: 'KEY'.\n\n"
        + TRACEBACK.format(what="KeyError: 'KEY'"),
        "the app needs the setting KEY",
        "--set KEY=VALUE",
        id="error-line-before-its-traceback",
    ),
    *(
        pytest.param(127, text, "appsvc is not installed in it", "requirements.txt", id=name)
        for name, text in (
            ("own-dash", "/x/startup-0.sh: 11: appsvc: not found\n"),
            ("own-dash-exec", "/x/startup-0.sh: 11: exec: appsvc: not found\n"),
            ("own-bash-exec", "/x/s.sh: line 11: exec: appsvc: not found\n"),
            ("own-env", "/usr/bin/env: \u2018appsvc\u2019: No such file or directory\n"),
        )
    ),
    pytest.param(
        1,
        "/cache/image/bin/python: No module named appsvc_runtime\n",
        "appsvc_runtime is not installed in it",
        "requirements.txt",
        id="own-module",
    ),
    pytest.param(
        1,
        "/usr/bin/python3.12: Error while finding module specification for 'uvicorn.main' "
        "(ModuleNotFoundError: No module named 'uvicorn')\n",
        "the module 'uvicorn' is missing",
        "Add uvicorn to requirements.txt",
        id="module-run",
    ),
    pytest.param(
        3,
        TRACEBACK.format(what="ModuleNotFoundError: No module named 'yaml'"),
        "the module 'yaml' is missing",
        "Add pyyaml to requirements.txt",
        id="missing-renamed",
    ),
    pytest.param(
        3,
        TRACEBACK.format(what="ModuleNotFoundError: No module named 'flask_login.utils'"),
        "the module 'flask_login.utils' is missing",
        "Add flask-login to requirements.txt",
        id="missing",
    ),
    *(
        pytest.param(
            3,
            TRACEBACK.format(what=f"ModuleNotFoundError: No module named '{name}'"),
            f"the module '{name}' left the standard library with Python {since}",
            "an older Python, or newer releases",
            id=f"removed-{name}",
        )
        for name, since in (("cgi", "3.13"), ("distutils.version", "3.12"), ("imp", "3.12"))
    ),
    *(
        pytest.param(
            3,
            TRACEBACK.format(what=f"ModuleNotFoundError: No module named '{name}'"),
            f"the module '{name}' is missing",
            f"Add {package} to requirements.txt",
            id=f"package-{name}",
        )
        for name, package in (
            ("azure.storage.blob", "azure-storage-blob"),
            ("azure.storage.blob.aio", "azure-storage-blob"),
            ("pkg_resources", '"setuptools<82"'),
            ("multipart", "python-multipart"),
        )
    ),
    pytest.param(
        1,
        "/cache/image/bin/python: No module named appsvc\n",
        "appsvc is not installed in it",
        "Add appsvc-runtime to requirements.txt",
        id="own-command-as-module",
    ),
    pytest.param(
        3,
        TRACEBACK.format(what="ModuleNotFoundError: No module named 'shop.views'"),
        "the module 'shop.views' is missing",
        "It is in the site",
        id="missing-own",
    ),
    pytest.param(
        1,
        '  File "/home/site/wwwroot/app.py", line 3\n    def app(:\nSyntaxError: invalid syntax\n',
        "SyntaxError: invalid syntax, at /home/site/wwwroot/app.py, line 3",
        "Fix",
        id="syntax",
    ),
    pytest.param(
        3,
        'ERROR:    Error loading ASGI app. Could not import module "nix".\n',
        'Could not import module "nix"',
        "uvicorn MODULE:NAME",
        id="asgi",
    ),
    pytest.param(
        1,
        "[ERROR] connection to ('0.0.0.0', 8000) failed: [Errno 98] Address already in use\n",
        "the port that it binds to is taken",
        "8123",
        id="in-use",
    ),
    pytest.param(-9, "", "by signal 9", "memory", id="killed"),
    pytest.param(137, "", "with exit code 137", "memory", id="killed-in-shell"),
    pytest.param(0, "done\n", "ended (exit code 0)", "foreground", id="no-server"),
    pytest.param(5, "", "with exit code 5", "output", id="silent"),
]


def has_file(name: str) -> bool:
    return name in ("start.sh", "shop/__init__.py", "app.py", "serve")


@pytest.mark.parametrize(("code", "output", "why", "hint"), ENDED)
def test_a_container_that_ended(code: int, output: str, why: str, hint: str) -> None:
    """The sentence names what is wrong, the hint what to do."""
    seen = Seen("gunicorn app:app", 8123, output, code, has_file=has_file)
    found = find_trouble(seen)
    assert why in found.why
    assert hint in found.hint
    assert found.why.endswith(".")
    assert (found.output, found.command) == (output, "gunicorn app:app")


def test_a_site_that_was_not_built() -> None:
    """Without its packages, a missing module is not a fault of requirements.txt."""
    output = TRACEBACK.format(what="ModuleNotFoundError: No module named 'flask'")
    assert "build it" in find_trouble(Seen("", 8000, output, 3, antenv=False)).hint


def test_the_last_exception_counts() -> None:
    """The last of several exceptions counts, such as one raised while another is handled."""
    output = TRACEBACK.format(what="KeyError: 'first'") + TRACEBACK.format(what="OSError: second")
    assert "raised OSError: second" in find_trouble(Seen("", 8000, output, 3)).why


PLACES = [
    pytest.param([], "", id="nowhere"),
    pytest.param([("127.0.0.1", 8000)], "listens on 127.0.0.1:8000 only", id="loopback"),
    pytest.param([("::1", 8000)], "listens on [::1]:8000 only", id="loopback-6"),
    pytest.param([("0.0.0.0", 5000)], "on 0.0.0.0:5000 instead of port 8000", id="port"),
    pytest.param(
        [("127.0.0.1", 5000), ("0.0.0.0", 9000)],
        "on 127.0.0.1:5000 and 0.0.0.0:9000 instead of port 8000",
        id="two",
    ),
]


@pytest.mark.parametrize(("listened", "said"), PLACES)
def test_the_wrong_place(listened: list[tuple[str, int]], said: str) -> None:
    """A loopback address and a wrong port get different messages."""
    found = wrong_place(listened, 8000)
    assert said in found
    assert bool(found) is bool(said)


RUNNING = [
    pytest.param([("127.0.0.1", 8000)], "", "only, which cannot", "0.0.0.0", id="loopback"),
    pytest.param([("0.0.0.0", 5000)], "", "instead of port 8000", "which is 8000", id="port"),
    pytest.param([], "", "listened on no port", "waits for", id="nothing"),
    pytest.param(
        [("0.0.0.0", 8000)], "no response within 30 s", "(no response", "first", id="hangs"
    ),
]


@pytest.mark.parametrize(("listened", "answer", "why", "hint"), RUNNING)
def test_a_container_that_never_answered(
    listened: list[tuple[str, int]], answer: str, why: str, hint: str
) -> None:
    """The message has what it did instead, and how long the platform waited."""
    found = find_trouble(Seen("", 8000, limit=230, listened=listened, answer=answer))
    assert why in found.why
    assert "within 230 s (WEBSITES_CONTAINER_START_TIME_LIMIT)" in found.why
    assert hint in found.hint


HOST_AND_PORT = ": --host 0.0.0.0 --port $PORT."
BIND = ": --bind 0.0.0.0:$PORT."
RUN = 'pass host="0.0.0.0" and port=int(os.environ["PORT"]) to its run().'


@pytest.mark.parametrize(
    ("command", "ends"),
    [
        ("gunicorn -k uvicorn_worker.UvicornWorker m:app", BIND),
        ("exec /opt/antenv/bin/gunicorn m:app 2>&1 | tee log", BIND),
        ("python3.12 -m hypercorn m:app", BIND),
        ("uvicorn m:app", HOST_AND_PORT),
        ("pip install gunicorn && A='x y' exec python -m uvicorn m:app", HOST_AND_PORT),
        ("uvicorn m:app > log 2>&1 & wait", HOST_AND_PORT),
        ("granian --interface wsgi m:app", HOST_AND_PORT),
        ("appsvc serve --host 127.0.0.1", HOST_AND_PORT),
        ("flask run", HOST_AND_PORT),
        ("python -m flask --app shop run", HOST_AND_PORT),
        ("fastapi dev main.py", HOST_AND_PORT),
        ("waitress-serve m:app", ": --listen=*:$PORT."),
        ("python -m waitress m:app", ": --listen=*:$PORT."),
        ("daphne m.asgi:application", ": -b 0.0.0.0 -p $PORT."),
        ("python manage.py runserver", ": python manage.py runserver 0.0.0.0:$PORT."),
        ("python app.py", f": in app.py, {RUN}"),
        ("exec python3 -u src/app.py --debug", f": in src/app.py, {RUN}"),
        ("flask db upgrade && python app.py", f": in app.py, {RUN}"),
        ("python seed.py && ./start.sh", "PORT."),
        ("python manage.py serve_it", "PORT."),
        ("python -m shop --file a.py", "PORT."),
        ("flask --app shop", "PORT."),
        ("./server", "PORT."),
        ("'open", "PORT."),
        ("", "PORT."),
    ],
)
def test_how_a_server_is_told_where_to_listen(command: str, ends: str) -> None:
    """By its own options; a program that is not known gets no option of another one."""
    start = "Have it listen on 0.0.0.0 and the port in PORT"
    assert listen_on(command) == start + ends.removeprefix("PORT")
    hints = [
        find_trouble(Seen(command, 8000, listened=[("127.0.0.1", 8000)])).hint,
        find_trouble(Seen(command, 8000, listened=[("0.0.0.0", 5000)])).hint,
        find_trouble(Seen(command, 8000, "OSError: Address already in use\n", 1)).hint,
    ]
    assert [hint.startswith(start) for hint in hints[:2]] == [True, True]
    assert all(hint.endswith(ends) or ends == "PORT." for hint in hints[:2])
    assert ", which is 8000" in hints[1]
