"""The agent of Application Insights, whose old packages the platform puts before the site's."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from appsvc_runtime.azure import names
from appsvc_runtime.serving import agents
from tests.support.image import serve_with, write_agents
from tests.support.servers import ROOT, Server, run, serving

AGENT = names.AGENTS_FOLDER
OWN = "/antenv/lib/python3.13/site-packages"
LIBRARY = ["/usr/lib/python313.zip", "/usr/lib/python3.13"]
PACKAGES = "/opt/python/lib/python3.13/site-packages"


@pytest.mark.parametrize(
    ("variable", "path", "moved", "ordered"),
    [
        pytest.param("", ["/x", *LIBRARY], "", ["/x", *LIBRARY], id="no-agent"),
        pytest.param(
            f"/logs:{AGENT}:{OWN}",
            ["/x", "/logs", AGENT, OWN, *LIBRARY],
            f"/logs:{OWN}:{AGENT}",
            ["/x", "/logs", OWN, *LIBRARY, AGENT],
            id="platform",
        ),
        pytest.param(
            f"{AGENT}/",
            ["/x", f"{AGENT}/", *LIBRARY, PACKAGES],
            f"{PACKAGES}:{AGENT}/",
            ["/x", *LIBRARY, PACKAGES, f"{AGENT}/"],
            id="packages-of-the-interpreter",
        ),
        pytest.param(
            f":{AGENT}",
            ["/x", "/now", AGENT],
            f":{AGENT}",
            ["/x", "/now", AGENT],
            id="last-already",
        ),
        pytest.param(
            f"{AGENT}/hook:{AGENT}:{OWN}",
            ["/x", f"{AGENT}/hook", AGENT, OWN, *LIBRARY],
            f"{OWN}:{AGENT}/hook:{AGENT}",
            ["/x", OWN, *LIBRARY, f"{AGENT}/hook", AGENT],
            id="two-folders-of-the-agent",
        ),
        pytest.param(
            OWN,
            ["/x", AGENT, OWN, *LIBRARY],
            f"{OWN}:{AGENT}",
            ["/x", OWN, *LIBRARY, AGENT],
            id="the-agent-has-removed-itself-from-the-variable",
        ),
        pytest.param(
            f"/home/site/wwwroot{AGENT}:/agents/python3:/agents",
            ["/x", f"/home/site/wwwroot{AGENT}", "/agents/python3", "/agents"],
            f"/home/site/wwwroot{AGENT}:/agents/python3:/agents",
            ["/x", f"/home/site/wwwroot{AGENT}", "/agents/python3", "/agents"],
            id="folders-of-other-names",
        ),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="PYTHONPATH of Linux")
def test_order(variable: str, path: list[str], moved: str, ordered: list[str]) -> None:
    """The agent comes last, and every other folder keeps its place."""
    found = agents.find_order(path, variable)
    assert found.path == ordered
    assert (found.variable if found.agents else variable) == moved


def test_a_hook_of_the_sites_own(tmp_path: Path) -> None:
    """Python imports one sitecustomize: the site's own, and the line says so."""
    agent = write_agents(tmp_path)
    own = tmp_path / "site-packages"
    own.mkdir()
    order = agents.Order([str(agent)], [str(own)], [str(own)])
    assert order.hiding() == ""
    (own / "sitecustomize.py").touch()
    assert order.hiding() == str(own / "sitecustomize.py")


# The report is the same for WSGI and ASGI.
REPORT = """
import json, sys
import typing_extensions
from fastapi import FastAPI

def report():
    return {"agent": getattr(sys, "agent_started", 0), "from": typing_extensions.__file__}
"""
ASGI = f"""{REPORT}
app = FastAPI()

@app.get("/")
async def index() -> dict:
    return report()
"""
WSGI = f"""{REPORT}
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(report()).encode()]
"""
SERVE = ("serve", "main:app", "--site", "site", "--server")
RUNSERVER = ("runserver", *SERVE[1:])
ENTRY_POINTS = [
    pytest.param((*SERVE, "gunicorn"), WSGI, id="gunicorn"),
    pytest.param((*SERVE, "waitress"), WSGI, id="waitress"),
    pytest.param((*SERVE, "granian"), WSGI, id="granian"),
    pytest.param((*SERVE, "granian"), ASGI, id="granian-asgi"),
    pytest.param((*SERVE, "uvicorn"), ASGI, id="uvicorn"),
    pytest.param((*RUNSERVER, "waitress"), WSGI, id="runserver"),
]
LISTEN = ("--host", "127.0.0.1", "--port", "{port}")


def variables(agent: Path) -> dict[str, str]:
    """Return the variables with which the platform starts a site that has the agent."""
    return {"PYTHONPATH": os.pathsep.join([str(agent), str(ROOT)]), "APPSVC_WORKERS": "1"}


def check(server: Server, agent: Path) -> None:
    """Check that the site's package is imported, and that the agent has started."""
    found = json.loads(server.request("/")[2])
    assert found["agent"] == 1, server.log()
    assert not found["from"].startswith(str(agent)), server.log()
    assert server.log().count("Moved behind the site's packages") == 1, server.log()
    assert f"{agent}, the agent of Application Insights, whose typing_ext" in server.log()
    assert "APPSVC_AGENTS_MOVED" not in server.log()


@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="the agent is in Linux containers")
@pytest.mark.parametrize(("words", "source"), ENTRY_POINTS)
def test_fastapi_starts_below_the_agent(
    words: tuple[str, ...], source: str, tmp_path: Path
) -> None:
    """The site's typing_extensions is imported in the worker, and the agent's hook has run there.

    The folder of the site is named from the folder where the command starts, although the command
    starts itself a second time.
    """
    agent = write_agents(tmp_path)
    site = tmp_path / "site"
    site.mkdir()
    (site / "main.py").write_text(source)
    command = (*serve_with(AGENTS_FOLDER=agent), *words, *LISTEN)
    with serving(*command, cwd=tmp_path, **variables(agent)) as server:
        check(server, agent)


@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="the agent is in Linux containers")
def test_gunicorn_that_the_user_starts(tmp_path: Path) -> None:
    """Our configuration does the same, before gunicorn takes the port."""
    agent = write_agents(tmp_path)
    (tmp_path / "main.py").write_text(WSGI)
    gunicorn = serve_with("gunicorn.app.wsgiapp", "run", AGENTS_FOLDER=agent)
    words = ("-c", "python:appsvc_runtime.gunicorn_conf", "-b", "127.0.0.1:{port}", "main:app")
    with serving(*gunicorn, *words, cwd=tmp_path, **variables(agent)) as server:
        check(server, agent)


@pytest.mark.skipif(sys.platform == "win32", reason="the agent is in Linux containers")
def test_it_is_left_where_it_is(tmp_path: Path) -> None:
    """With APPSVC_AGENTS_FIRST, FastAPI fails as it does on the platform."""
    agent = write_agents(tmp_path)
    (tmp_path / "main.py").write_text(WSGI)
    command = (*serve_with(AGENTS_FOLDER=agent), "serve", "main:app", "--server", "waitress")
    given = {**variables(agent), "APPSVC_AGENTS_FIRST": "1"}
    done = run(*command, "--host", "127.0.0.1", "--port", "0", cwd=tmp_path, **given)
    assert done.returncode == 1, done.stdout
    assert "Moved" not in done.stdout
    assert "typing_extensions" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the agent is in Linux containers")
def test_a_setting_that_is_no_switch(tmp_path: Path) -> None:
    """The message names it, and the command ends."""
    done = run("-m", "appsvc_runtime", "serve", cwd=tmp_path, APPSVC_AGENTS_FIRST="maybe")
    assert done.returncode == 2
    assert "The setting APPSVC_AGENTS_FIRST cannot be used" in done.stderr
