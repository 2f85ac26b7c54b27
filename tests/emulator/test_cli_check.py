"""`appsvc emulate --check`: its value is a path of the site, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from appsvc_runtime.cli.main import main
from appsvc_runtime.emulator import cli_hosts
from appsvc_runtime.emulator.cli_check import find_folder_note, read_check_path
from tests.support.emulator import HTTPPLATFORM, make_site, web_config
from tests.support.servers import run

# Arguments in a folder with the folder `shop`; which site and path they mean.
READ = [
    pytest.param([], ".", None, id="nothing"),
    pytest.param(["--check"], ".", "/", id="alone"),
    pytest.param([".", "--check"], ".", "/", id="dot"),
    pytest.param(["--check", "--as", "httpplatform"], ".", "/", id="another-option-behind"),
    pytest.param(["--check", "--", "shop"], "shop", "/", id="dashes"),
    pytest.param(["shop", "--check"], "shop", "/", id="site"),
    pytest.param(["shop", "--check", "/x"], "shop", "/x", id="site-and-path"),
    pytest.param(["--check", "/x", "shop"], "shop", "/x", id="path-and-site"),
    pytest.param(["--check=/x"], ".", "/x", id="equals"),
    pytest.param(["--check", "/home"], ".", "/home", id="a-folder-of-this-machine"),
    pytest.param(["--check", "/"], ".", "/", id="slash"),
    pytest.param(["--check", "/tmp/"], ".", "/tmp/", id="slash-behind"),
    pytest.param(["--check", "/a?b=/c"], ".", "/a?b=/c", id="query"),
]


@pytest.mark.parametrize(("arguments", "site", "path"), READ)
def test_site_and_path(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    site: str,
    path: str | None,
) -> None:
    """The site is the argument, else the current folder; it is never the value of --check."""
    seen: list[object] = []
    (tmp_path / "shop").mkdir()
    if sys.platform == "win32":  # there only IIS is emulated
        for folder in (tmp_path, tmp_path / "shop"):
            (folder / "web.config").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        cli_hosts, "make_linux_host", lambda folder, options: seen.append(str(folder))
    )
    monkeypatch.setattr(
        cli_hosts, "make_iis_host", lambda folder, options: seen.append(str(folder))
    )
    monkeypatch.setattr(
        "appsvc_runtime.emulator.run.run",
        lambda host, serving, **_: seen.append(serving.check) or 0,
    )
    assert main(["emulate", *arguments]) == 0
    assert seen == [site, path]


REFUSED = [
    pytest.param(["--check", "shop"], "appsvc emulate shop --check.", id="folder"),
    pytest.param(["--check", "."], "appsvc emulate . --check.", id="here"),
    pytest.param(["--check", "./none"], "appsvc emulate ./none --check.", id="like-a-folder"),
    pytest.param(["--check", "~/none"], "appsvc emulate ~/none --check.", id="tilde"),
    pytest.param(["--check", "health"], "--check /health", id="no-slash"),
    pytest.param(["--check="], "--check alone", id="empty"),
    pytest.param([".", "--check", "shop"], "--check /health", id="folder-behind-a-site"),
    pytest.param(["--check", "shop", "--as", "linux"], "appsvc emulate shop --check.", id="as"),
    pytest.param(["--check", "http://localhost/x"], "--check /health", id="url"),
]


@pytest.mark.parametrize(("arguments", "said"), REFUSED)
def test_what_is_no_path(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    """It is refused with a hint, and nothing is made."""
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["emulate", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_a_folder_that_a_shell_has_made_a_path_of(tmp_path: Path) -> None:
    """`--check ~/shop` is requested as the path that the shell makes of it, with a note."""
    shop = tmp_path / "shop"
    shop.mkdir()
    assert read_check_path(str(shop), site_named=False) == str(shop)
    assert f"appsvc emulate {shop} --check" in find_folder_note(str(shop), site_named=False)
    assert find_folder_note(str(shop), site_named=True) == ""
    assert find_folder_note("/tmp", site_named=False) == ""
    assert find_folder_note("/api/none", site_named=False) == ""


@pytest.mark.integration
def test_a_check_in_the_projects_folder(tmp_path: Path) -> None:
    """This folder's app responds, at / and at a path that is also a folder on this machine."""
    site = make_site(
        tmp_path / "shop",
        {
            "web.config": web_config(
                HTTPPLATFORM + r'<httpPlatform processPath="D:\python\python.exe" '
                'arguments="-m appsvc_runtime.runserver"/>'
            ),
            "app.py": """
                def app(environ, start_response):
                    status = {"/": "200 OK", "/tmp": "418 Teapot"}[environ["PATH_INFO"]]
                    start_response(status, [("Content-Type", "text/plain")])
                    return [b"shop"]
            """,
        },
    )
    for arguments, said in ((["--check"], "GET / 200"), (["--check", "/tmp"], "GET /tmp 418")):
        ended = run("-m", "appsvc_runtime", "emulate", "--port", "0", *arguments, cwd=site)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert said in ended.stdout
