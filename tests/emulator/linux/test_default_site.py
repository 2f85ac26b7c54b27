"""The default site: what it shows, to which clients, and that it needs only Python."""

from __future__ import annotations

import ast
import importlib.util
import io
import os
import sys
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from appsvc_runtime.emulator.linux import default_application, default_site
from appsvc_runtime.startup.plan import StartPlan, make_plan
from tests.support.emulator import make_site


def plan(site: Path) -> StartPlan:
    return make_plan(site, python_version=(3, 12), cores=1)


def written(folder: Path, start: StartPlan, site: Path) -> Any:
    """Write the folder, and load its app as gunicorn does: from its file alone."""
    default_site.write_default_site(folder, start, site)
    spec = importlib.util.spec_from_file_location("application", folder / "application.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


def ask(app: Any, accept: str = "", path: str = "/", method: str = "GET") -> tuple[Any, ...]:
    """Return status, headers and body, by the rules of PEP 3333."""
    environ: dict[str, Any] = {"PATH_INFO": path, "REQUEST_METHOD": method}
    environ.update({"SCRIPT_NAME": "", "QUERY_STRING": ""})
    environ.update({"HTTP_ACCEPT": accept} if accept else {})
    setup_testing_defaults(environ)
    environ["wsgi.input"] = io.BytesIO()
    told: list[Any] = []
    answer = validator(app)(environ, lambda *head: told.append(head))
    body = b"".join(answer)
    answer.close()
    status, headers = told[0]
    return status, dict(headers), body.decode()


@pytest.fixture
def app(tmp_path: Path) -> Any:
    """Return the app for a site whose package is nested too deep."""
    site = make_site(tmp_path / "site", {"src/shop/wsgi.py": ""})
    return written(tmp_path / "default", plan(site), site)


KINDS = [
    pytest.param("text/html,*/*;q=0.8", "text/html; charset=utf-8", id="browser"),
    pytest.param("*/*", "text/plain; charset=utf-8", id="curl"),
    pytest.param("", "text/html; charset=utf-8", id="nothing-named"),
]


@pytest.mark.parametrize(("accept", "kind"), KINDS)
def test_what_it_says(app: Any, accept: str, kind: str) -> None:
    """It lists what was searched, possible causes and what to do, as HTML and as text."""
    status, headers, body = ask(app, accept)
    assert (status, headers["Content-Type"]) == ("200 OK", kind)
    for told in ("no app was found", "src/shop/wsgi.py is too deep", "Flask: none of", "appsvc"):
        assert told in body
    if "html" in kind:
        assert "<code>exec appsvc serve --site src shop.wsgi</code>" in body
        assert "`" not in body
        assert not [what for what in ("src=", "href=", "url(", "@import") if what in body]


def test_other_paths_and_heads(app: Any) -> None:
    """The warm-up path gets a 404 with the same page; HEAD gets only its headers."""
    page = ask(app)
    status, headers, body = ask(app, path="/robots933456.txt")
    assert (status, body) == ("404 Not Found", page[2])
    assert ask(app, method="HEAD") == (page[0], page[1], "")
    assert headers["Content-Length"] == str(len(body.encode()))


def test_names_of_folders_are_escaped(tmp_path: Path) -> None:
    """A hostile name is escaped; a name that is not UTF-8 does not break the page."""
    name = '<script>&"\u2603' + ("\udcff" if sys.platform == "linux" else "")
    site = tmp_path / name
    body = ask(written(tmp_path / "default", plan(tmp_path), site))[2]
    assert "<script>" not in body
    assert "&lt;script&gt;&amp;&quot;\u2603" in body


def test_it_runs_on_every_python_that_an_image_has() -> None:
    """It runs from Python 3.8 on, and imports only the standard library."""
    source = Path(os.path.abspath(default_application.__file__)).read_text("utf-8")
    tree = ast.parse(source, feature_version=(3, 8))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            assert str(node.module).partition(".")[0] in sys.stdlib_module_names


def test_no_secret_of_a_command_is_shown(tmp_path: Path) -> None:
    """The page names the pre-run command, which is an app setting."""
    site = make_site(tmp_path / "site", {"README.md": ""})
    start = make_plan(site, {"PRE_RUN_COMMAND": "export API_KEY=S3cr3t"}, python_version=(3, 12))
    body = ask(written(tmp_path / "default", start, site))[2]
    assert "export API_KEY=********" in body
    assert "S3cr3t" not in body
