"""gunicorn's file in the platform's image, which the image's own variable names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from appsvc_runtime.azure import names
from appsvc_runtime.serving.servers import SERVERS
from tests.support.image import serve_with, write_gunicorn_config
from tests.support.plans import planned
from tests.support.servers import serving

VARIABLE = names.GUNICORN_CONFIG_PATH
IMAGE = names.IMAGE_GUNICORN_CONFIG
APP = """\
import os

def app(environ, start_response):
    start_response("200 OK", [])
    return [os.environ.get("FROM_THE_IMAGE", "no").encode()]
"""


@pytest.mark.parametrize(
    "named", [IMAGE, f" {IMAGE}\n", f"file:{IMAGE}", IMAGE.replace("/s", "/.//s")]
)
def test_it_is_not_the_users(named: str, tmp_path: Path) -> None:
    """A gunicorn.conf.py beside the app is read as on a laptop, and no server warns."""
    site = str(tmp_path)
    assert planned({VARIABLE: named}, "gunicorn", site=site).own.location == ""
    (tmp_path / "gunicorn.conf.py").touch()
    assert planned({VARIABLE: named}, "gunicorn", site=site).own.location == "gunicorn.conf.py"
    for server in SERVERS:
        warnings = planned({VARIABLE: named}, server, site=site).warnings
        assert not [one for one in warnings if VARIABLE in one]


def test_another_file_is_the_users(tmp_path: Path) -> None:
    """It is read in place of the one beside the app; servers that have no such file warn."""
    (tmp_path / "gunicorn.conf.py").touch()
    mine = tmp_path / "mine.py"
    mine.touch()
    for named in (str(mine), "mine.py"):
        assert planned({VARIABLE: named}, "gunicorn", site=str(tmp_path)).own.location == named
    warnings = planned({VARIABLE: "mine.py"}, "granian", site=str(tmp_path)).warnings
    assert [one for one in warnings if VARIABLE in one]


@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")
@pytest.mark.parametrize("beside", [False, True])
def test_the_images_thread_does_not_hold_up_the_stop(beside: bool, tmp_path: Path) -> None:
    """The image's file is not read, so its thread does not exist; the site's own is."""
    image, site = tmp_path / "image", tmp_path / "site"
    image.mkdir()
    site.mkdir()
    config = write_gunicorn_config(image)
    (site / "app.py").write_text(APP)
    if beside:
        (site / "gunicorn.conf.py").write_text(
            "def post_worker_init(worker):\n    worker.log.info('our own hook ran')\n"
        )
    command = (*serve_with(IMAGE_GUNICORN_CONFIG=config), "serve", "--workers", "1")
    listen = ("--host", "127.0.0.1", "--port", "{port}")
    with serving(*command, *listen, cwd=site, **{VARIABLE: str(config)}) as server:
        assert server.request("/")[2] == b"no"
        assert server.stop() == 0
        assert "the image's hook ran" not in server.log()
        assert ("our own hook ran" in server.log()) is beside, server.log()
        assert "is not used" not in server.log()


@pytest.mark.integration
@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run there")
def test_a_copy_that_the_user_names_is_read(tmp_path: Path) -> None:
    """A user who sets the variable to a path gets that path."""
    config = write_gunicorn_config(tmp_path)
    config.write_text(config.read_text().replace(".start()", ".name"))
    config = config.rename(tmp_path / "mine.py")
    (tmp_path / "app.py").write_text(APP)
    command = ("-m", "appsvc_runtime", "serve", "--host", "127.0.0.1", "--port", "{port}")
    with serving(*command, cwd=tmp_path, **{VARIABLE: str(config)}) as server:
        assert server.request("/")[2] == b"1"
        server.wait_for_log("the image's hook ran")
