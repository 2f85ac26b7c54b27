"""The entry points as commands: ports, errors, stops under load, and the user's settings win."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

import pytest

from appsvc_runtime.serving.servers import SERVERS
from tests.support.promises import release
from tests.support.servers import free_port, run, serving

APP = """
import os, time
def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.8)
    body = f"{os.getpid()} {environ['wsgi.url_scheme']}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
SERVE = ("-m", "appsvc_runtime", "serve", "app:app", "--host", "127.0.0.1", "--port", "{port}")
RUNSERVER = ("-m", "appsvc_runtime.runserver", "app:app", "--port", "{port}")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def test_runserver_cuts_what_does_not_finish(site: Path) -> None:
    """After --graceful-timeout, runserver ends although requests run, and logs how many it cut."""
    with serving(*RUNSERVER, "--graceful-timeout", "0", cwd=site) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", "/slow")
        server.wait_until_taken()
        assert server.stop() == 0
        assert "1 requests were still running" in server.log()
        connection.close()


def test_serve_becomes_gunicorn(site: Path) -> None:
    """The process id stays the same, so that the container's SIGTERM reaches gunicorn."""
    with serving(*SERVE, cwd=site) as server:
        command = Path(f"/proc/{server.process.pid}/cmdline").read_bytes().split(b"\0")
        assert b"gunicorn" in command
        worker, _, _ = server.request("/")[2].partition(b" ")
        parent = Path(f"/proc/{int(worker)}/stat").read_text().rpartition(")")[2].split()[1]
        assert int(parent) == server.process.pid


def test_serve_logs_the_visitor(site: Path) -> None:
    """The access line has the client's address; both logs are on standard output."""
    platform = {"WEBSITE_SITE_NAME": "x", "WEBSITE_INSTANCE_ID": "y"}
    with serving(*SERVE, cwd=site, **platform) as server:
        server.request("/", {"X-Forwarded-For": "203.0.113.7:51234"})
        server.wait_for_log("203.0.113.7 - - [")
        server.wait_for_log("Listening at")


def test_both_logs_of_serve_are_on_standard_output(site: Path) -> None:
    """Standard error is only for errors that occur before the log is set up."""
    (site / "app.py").write_text("import os, signal\nos.kill(os.getppid(), signal.SIGTERM)\n" + APP)
    result = run(*(word.replace("{port}", "0") for word in SERVE), cwd=site)
    assert "Listening at" in result.stdout
    # With an old release, its known vulnerabilities are reported first.
    assert result.stderr == "".join(f"Warning: {one}\n" for one in SERVERS["gunicorn"].holes())


@pytest.mark.parametrize(
    ("variables", "workers", "threads"),
    [
        pytest.param({"APPSVC_WORKERS": "3", "APPSVC_THREADS": "5"}, 3, 5, id="appsvc"),
        pytest.param(
            {"PYTHON_ENABLE_GUNICORN_MULTIWORKERS": "true",
             "PYTHON_GUNICORN_CUSTOM_WORKER_NUM": "3",
             "PYTHON_GUNICORN_CUSTOM_THREAD_NUM": "4"}, 3, 4, id="platform"),
        pytest.param({"GUNICORN_CMD_ARGS": "--workers 1 --threads 7"}, 1, 7, id="gunicorn-args"),
        pytest.param({"PYTHON_USE_GUNICORN_CONFIG_FROM_PATH": "mine.py"}, 1, 9, id="own-file"),
        pytest.param({"GUNICORN_CMD_ARGS": "-c mine.py"}, 1, 9, id="own-file-in-args"),
    ],
)  # fmt: skip
def test_what_the_user_sets_wins(
    variables: dict[str, str], workers: int, threads: int, site: Path
) -> None:
    """Each way to set a value reaches gunicorn, and the user's own hook is called as well."""
    hook = "def post_worker_init(worker): print('hook called', flush=True)\n"
    (site / "mine.py").write_text(f"workers = 1\nthreads = 9\n{hook}")
    result = run("-m", "gunicorn", "-c", "python:appsvc_runtime.gunicorn_conf", "--print-config",
                 "app:app", cwd=site, **variables)  # fmt: skip
    found = dict(
        line.split("=", 1) for line in result.stdout.replace(" ", "").splitlines() if "=" in line
    )
    assert (int(found["workers"]), int(found["threads"])) == (workers, threads), result.stderr
    assert found["secure_scheme_headers"] == "{}"
    if "mine.py" in "".join(variables.values()):
        with serving(*SERVE, cwd=site, **variables) as server:
            server.wait_for_log("hook called")
            assert server.request("/")[0] == 200


def test_the_sites_own_gunicorn_configuration_counts(site: Path) -> None:
    """gunicorn reads gunicorn.conf.py by itself, also under `serve`. The file may extend ours."""
    (site / "gunicorn.conf.py").write_text(
        "from appsvc_runtime.gunicorn_conf import *\nworkers = 1\n"
        "def when_ready(server): print('threads', server.cfg.threads, server.num_workers)\n"
    )
    with serving(*SERVE, cwd=site, APPSVC_THREADS="6") as server:
        server.wait_for_log("threads 6 1")
        assert server.request("/")[0] == 200


BAD_SETTINGS = [
    pytest.param({"APPSVC_HTTPS_ONLY": "maybe"}, "APPSVC_HTTPS_ONLY", id="https-only"),
    pytest.param({"APPSVC_THREADS": "many"}, "APPSVC_THREADS", id="threads"),
    pytest.param({"WEB_CONCURRENCY": "auto"}, "WEB_CONCURRENCY", id="web-concurrency"),
    pytest.param({"PYTHON_USE_GUNICORN_CONFIG_FROM_PATH": "no.py"}, "no.py", id="no-config"),
]


@pytest.mark.parametrize(("variables", "said"), BAD_SETTINGS)
def test_serve_names_a_setting_that_cannot_be_used(
    variables: dict[str, str], said: str, site: Path
) -> None:
    """The error comes before gunicorn is started, with exit code 2 and no traceback."""
    result = run(*(word.replace("{port}", "0") for word in SERVE), cwd=site, **variables)
    assert result.returncode == 2, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_where_the_user_listens_is_not_ours_to_check(site: Path) -> None:
    """PORT is in use, but `-b` sets another port."""
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as other:
        variables = {"PORT": str(other.getsockname()[1]),
                     "GUNICORN_CMD_ARGS": f"-b 127.0.0.1:{port}"}  # fmt: skip
        command = ("-m", "appsvc_runtime", "serve", "app:app")
        with serving(*command, cwd=site, port=port, **variables) as server:
            assert server.request("/")[0] == 200


ASGI = "async def app(scope, receive, send): ...\n"


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        pytest.param(
            ["gunicorn", "-c", "python:appsvc_runtime.gunicorn_conf", "app:app"], {}, id="conf"
        ),
        pytest.param(
            ["appsvc_runtime", "serve", "app:app", "--server", "gunicorn"],
            {"GUNICORN_CMD_ARGS": "-k asgi"},
            id="serve",
            marks=pytest.mark.skipif(release("gunicorn") < (24,), reason="it has no such worker"),
        ),
    ],
)
def test_an_asgi_app_is_refused_whatever_the_worker(
    words: list[str], variables: dict[str, str], site: Path
) -> None:
    """The refusal comes at the start, and not with every request."""
    (site / "app.py").write_text(ASGI)
    result = run("-m", *words, cwd=site, PORT=str(free_port()), **variables)
    assert result.returncode == 4
    assert "ASGI" in result.stderr
    assert "Traceback" not in result.stderr


def test_runserver_does_not_run_out_of_files(site: Path) -> None:
    """If few files may be open, runserver accepts fewer connections, and continues to serve."""
    resource = pytest.importorskip("resource")
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (90, 90))\n"
        "from appsvc_runtime.runserver import main; sys.exit(main(['app:app', '--port', '{port}']))"
    )
    assert resource
    with serving("-c", code, cwd=site) as server:
        idle = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(150)]
        for connection in idle[:120]:
            connection.close()
        assert server.request("/")[0] == 200
        assert "Too many open files" not in server.log()
        for connection in idle:
            connection.close()


# tests/azure/test_ports.py has more of these, and each from every source.
REFUSED = [
    pytest.param("HTTP_PLATFORM_PORT", "%HTTP_PLATFORM_PORT%", id="not-expanded"),
    pytest.param("SERVER_PORT", "8_000", id="underscore"),
    pytest.param("PORT", "٨٠٠٠", id="arabic-digits"),
    pytest.param("PORT", "0", id="zero"),
]


@pytest.mark.parametrize(("source", "text"), REFUSED)
def test_runserver_refuses_a_bad_port_by_name(text: str, source: str, site: Path) -> None:
    """One sentence names the source of the port; the exit code is 2, and there is no traceback."""
    result = run("-m", "appsvc_runtime.runserver", "app:app", cwd=site, **{source: text})
    assert result.returncode == 2
    assert source in result.stderr
    assert text in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("text", ["8_000", ""])
@pytest.mark.parametrize("door", ["serve", "runserver"])
def test_a_bad_port_argument_is_refused(door: str, text: str, site: Path) -> None:
    """Both entry points refuse it."""
    words = ["serve"] if door == "serve" else []
    module = "appsvc_runtime" if door == "serve" else "appsvc_runtime.runserver"
    result = run("-m", module, *words, "app:app", "--port", text, cwd=site)
    assert (result.returncode, "--port" in result.stderr) == (2, True)


BROKEN = [
    pytest.param("", "nosuch:app", "no module 'nosuch'", id="no-module"),
    pytest.param("x = 1", "app:app", "has no 'app'", id="no-attribute"),
    pytest.param("import not_there", "app:app", "'not_there' is a package", id="import-inside"),
    pytest.param("def (", "app:app", "SyntaxError", id="syntax"),
    pytest.param("async def app(scope, receive, send): ...", "app:app", "UvicornWorker", id="asgi"),
    pytest.param("app = 3", "app:app", "int", id="not-callable"),
]


@pytest.mark.parametrize("door", ["serve", "runserver"])
@pytest.mark.parametrize(("source", "app", "said"), BROKEN)
def test_an_app_that_does_not_load(door: str, source: str, app: str, said: str, site: Path) -> None:
    """The message is printed once; the command ends with an error, and no traceback of our code."""
    (site / "app.py").write_text(source)
    words = ["appsvc_runtime", "serve"] if door == "serve" else ["appsvc_runtime.runserver"]
    if "async" in source:  # without a named server it would be served
        words += ["--server", "gunicorn" if door == "serve" else "waitress"]
    result = run("-m", *words, app, "--port", str(free_port()), cwd=site)
    # gunicorn before 27 may end with another code, as test_launch.py explains.
    before = door == "serve" and release("gunicorn") < (27,)
    assert result.returncode in ((1, 4) if before else (4 if door == "serve" else 1,))
    assert result.stderr.count("Error: The app") in ((1, 2) if before else (1,)), result.stderr
    assert said in result.stderr
    assert "appsvc_runtime" not in result.stderr.partition("Traceback")[2]
    assert ("Traceback" in result.stderr) is (source == "import not_there")


@pytest.mark.parametrize("door", ["serve", "runserver"])
def test_no_app_found(door: str, tmp_path: Path) -> None:
    """The message lists what was searched, and how to name an app."""
    words = ["appsvc_runtime", "serve"] if door == "serve" else ["appsvc_runtime.runserver"]
    result = run("-m", *words, "--port", str(free_port()), cwd=tmp_path)
    assert result.returncode == 1
    assert "APPSVC_APP" in result.stderr
    assert "application.py" in result.stderr
