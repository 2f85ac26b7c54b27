"""The examples and the App Service article's own web.config files, each run to a page."""

from __future__ import annotations

import http.client
import shutil
from pathlib import Path

import pytest

from tests.support.emulator import emulating
from tests.support.servers import ROOT

DATA = Path(__file__).parents[2] / "data" / "webconfig"
# The name in the article's FastCGI form: `app.wsgi_app()`.
FACTORIES = {
    "flask_app": "\n\ndef wsgi_app():\n    return app\n",
    "django_app": (
        "import os\n\nfrom django.core.wsgi import get_wsgi_application\n\n"
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n\n\n'
        "def wsgi_app():\n    return get_wsgi_application()\n"
    ),
}


def copy(example: str, folder: Path) -> Path:
    """Copy an example, so that nothing is left beside the original."""
    site = folder / example
    shutil.copytree(ROOT / "examples" / example, site)
    return site


def page(port: int, path: str = "/") -> str:
    """Request a page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    assert response.status == 200, body
    return body


@pytest.mark.parametrize("kind", ["httpplatform", "fastcgi"])
@pytest.mark.parametrize("example", sorted(FACTORIES))
def test_the_articles_files_verbatim(tmp_path: Path, example: str, kind: str) -> None:
    """Unchanged, with their Windows paths, they run each example to its page."""
    site = copy(example, tmp_path)
    shutil.copy(DATA / f"article.{kind}.config", site / "web.config")
    with (site / "app.py").open("a", encoding="utf-8") as file:
        file.write(FACTORIES[example])
    with emulating(site, "--set", "SECRET_KEY=for-tests") as server:
        assert "Welcome" in page(server.port)
        logs = [file.name for file in (tmp_path / ".appsvc" / example / "LogFiles").iterdir()]
        assert [name for name in logs if name.startswith(("python", "wfastcgi"))]
        if kind == "httpplatform":
            assert "Warning: web.config" not in server.log()
            assert len({process(server.port) for _ in range(4)}) > 1


def process(port: int) -> str:
    """Return the id of the process that responds."""
    return page(port, "/visitor.json").rpartition('"pid":')[2].strip(" }\n")


@pytest.mark.parametrize("kind", ["httpplatform", "fastcgi"])
@pytest.mark.parametrize("example", sorted(FACTORIES))
def test_the_examples_own_files(tmp_path: Path, example: str, kind: str) -> None:
    """Both forms in an example run, with no finding except which file was read."""
    site = copy(example, tmp_path)
    with emulating(site, "--as", kind, "--set", "SECRET_KEY=for-tests") as server:
        assert "Welcome" in page(server.port)
        assert "/static/style.css" in page(server.port)
        assert ":root" in page(server.port, "/static/style.css")
        found = [line for line in server.log().splitlines() if line.startswith("Warning:")]
        assert len(found) == (kind == "fastcgi"), found
