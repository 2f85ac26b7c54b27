"""The variables of a Linux container: the platform's and the site's, none of a user's shell."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from appsvc_runtime.emulator.linux.build.environment import step_environ
from appsvc_runtime.emulator.linux.environment import instance_id, make_environ
from appsvc_runtime.emulator.linux.image import Image
from appsvc_runtime.emulator.linux.space import Space

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths of Linux")
IMAGE = Image("/image/bin/python", Path("/image/bin"), Path("/image/lib"), (3, 12))
INSIDE = Space("/home/site/wwwroot", prefix=("unshare",))
SHELL = {
    "PATH": f"/venv/bin:/usr/bin:{os.path.dirname(sys.executable)}",
    "VIRTUAL_ENV": "/venv",
    "HOME": "/home/you",
    "DATABASE_URL": "postgres://mine",
    "PYTHONPATH": "/mine",
    "WEBSITE_SITE_NAME": "another",
    "HTTPS_PROXY": "http://proxy:3128",
    "https_proxy": "http://proxy:3128",
    "SSL_CERT_FILE": "/etc/ca.pem",
    "PIP_INDEX_URL": "https://index.example/simple",
    "PIP_TARGET": "/mine",
    "TERM": "xterm",
}


def environ(*settings: tuple[str, str], space: Space = INSIDE, instance: int = 0) -> dict[str, str]:
    return make_environ(
        SHELL,
        site_name="shop",
        public_name="shop.azurewebsites.net",
        space=space,
        port=8123,
        instance=instance,
        app_settings=settings,
        image=IMAGE,
    )


def test_what_the_platform_sets() -> None:
    """Names that apps read are set."""
    made = environ()
    told = {
        "WEBSITE_SITE_NAME": "shop",
        "WEBSITE_HOSTNAME": "shop.azurewebsites.net",
        "WEBSITE_ROLE_INSTANCE_ID": "0",
        "WEBSITE_AUTH_ENABLED": "False",
        "HOME": "/home",
        "PORT": "8123",
        "PYTHON_VERSION": "3.12",
    }
    assert {name: made[name] for name in told} == told
    assert made["WEBSITE_INSTANCE_ID"] == instance_id("shop", 0)
    assert len(made["WEBSITE_INSTANCE_ID"]) == 64


def test_nothing_of_the_shell() -> None:
    """Only what a network needs is kept. No program is found that a user has installed."""
    made = environ()
    assert not made.keys() & {"DATABASE_URL", "VIRTUAL_ENV", "PIP_TARGET"}
    kept = ("HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE", "PIP_INDEX_URL", "TERM")
    assert {name: made[name] for name in kept} == {name: SHELL[name] for name in kept}
    assert made["PATH"] == (
        "/image/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    )


def test_what_the_image_sets() -> None:
    """gunicorn's configuration and a folder of modules; app settings override both."""
    config, path = "PYTHON_USE_GUNICORN_CONFIG_FROM_PATH", "PYTHONPATH"
    made = environ()
    assert (made[config], made[path]) == ("/opt/startup/gunicorn.conf.py", "/opt/startup/app_logs")
    made = environ((config, "mine.py"), (path, "/home/site/lib"))
    assert (made[config], made[path]) == ("mine.py", "/home/site/lib")
    moved = {"/opt/startup": "/run/opt/startup"}
    made = environ(space=Space("/x/site", "/x/home", moved=moved))
    # Programs know the image's own file by its path.
    assert (made[config], made[path]) == (
        "/opt/startup/gunicorn.conf.py", "/run/opt/startup/app_logs",
    )  # fmt: skip


def test_app_settings() -> None:
    """They have both names; a colon becomes two underscores; they override the platform's."""
    made = environ(("Mail:Host", "mx"), ("a.b", "c"), ("WEBSITE_AUTH_ENABLED", "true"))
    assert made["Mail__Host"] == made["APPSETTING_Mail__Host"] == "mx"
    assert made["a_b"] == "c"
    assert made["WEBSITE_AUTH_ENABLED"] == "true"
    assert "Mail:Host" not in made


def test_the_port_is_the_emulations() -> None:
    """If another port than the wanted one had to be used, PORT is that port."""
    assert environ(("PORT", "8000"))["PORT"] == "8123"


def test_instances_differ() -> None:
    """Ids differ, and are the same at each start."""
    first, second = environ(), environ(instance=1)
    assert first["WEBSITE_INSTANCE_ID"] != second["WEBSITE_INSTANCE_ID"]
    assert second["WEBSITE_ROLE_INSTANCE_ID"] == "1"
    assert environ() == first


def test_paths_in_settings() -> None:
    """Without a namespace they are paths of this machine."""
    made = environ(
        ("DATA", "/home/data/x"),
        space=Space("/x/site", "/x/home", moved={"/home/data": "/x/home/data"}),
    )
    assert (made["DATA"], made["HOME"]) == ("/x/home/data/x", "/x/home")


def test_the_builds_steps(tmp_path: Path) -> None:
    """Build steps see the settings too, and no more of the shell."""
    made = step_environ(SHELL, [("A:B", "1")], tmp_path)
    assert made["A__B"] == made["APPSETTING_A__B"] == "1"
    assert made["SOURCE_DIR"] == made["DESTINATION_DIR"] == str(tmp_path)
    assert made["PIP_NO_INPUT"] == "1"
    assert not made.keys() & {"DATABASE_URL", "PYTHONPATH", "VIRTUAL_ENV", "PIP_TARGET"}
    assert made["PATH"] == "/usr/bin"


def test_the_link_of_a_tool_is_not_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pipx and uv put a link into a user's folder: an app without the package must not find it."""
    links, others, tool = (tmp_path / name for name in ("links", "others", "tool"))
    for folder in (links, others, tool / "bin"):
        folder.mkdir(parents=True)
    (tool / "bin" / "appsvc").touch()
    (links / "appsvc").symlink_to(tool / "bin" / "appsvc")
    (others / "appsvc").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tool))
    path = f"{links}:{others}:/usr/bin"
    assert step_environ({"PATH": path}, (), tmp_path)["PATH"] == f"{others}:/usr/bin"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert step_environ({"PATH": path}, (), tmp_path)["PATH"] == path


def test_the_machines_own_programs_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stay even if this command runs in the machine's own Python."""
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert step_environ({"PATH": "/usr/bin:/bin"}, (), tmp_path)["PATH"] == "/usr/bin:/bin"
