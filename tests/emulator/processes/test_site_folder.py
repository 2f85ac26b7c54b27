"""Folders that no command accepts as site or output: a disk, a home folder, a folder above one."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath

import pytest

from appsvc_runtime.cli.main import main
from appsvc_runtime.emulator.processes import site_folder
from appsvc_runtime.errors import ConfigError
from tests.support.emulator import HTTPPLATFORM, make_site, web_config
from tests.support.servers import ROOT, run

KINDS = ("auto", "linux", "httpplatform", "fastcgi", "worker", "webjob")
COMMANDS = [["build"], *(["emulate", "--as", kind] for kind in KINDS)]
# As a user writes it in the folder of `shop`; None is no argument, so the current folder.
REFUSED = [
    pytest.param("/", "is the root of a disk", id="root"),
    pytest.param("to-root", "is the root of a disk", id="link-to-root"),
    pytest.param("//", "is the root of a disk", id="two-slashes"),
    pytest.param("../../../..", "holds your home folder", id="dots-above"),
    pytest.param("..", "is your home folder", id="dots"),
    pytest.param("../shop/../.", "is your home folder", id="there-and-back"),
    pytest.param("{home}", "is your home folder", id="home"),
    pytest.param("{home}/", "is your home folder", id="home-with-slash"),
    pytest.param("to-home", "is your home folder", id="link-to-home"),
    pytest.param("to-sub/..", "is your home folder", id="dots-behind-a-link"),
    pytest.param("{home}/..", "holds your home folder", id="above"),
    pytest.param("to-above", "holds your home folder", id="link-above"),
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a home folder with a project `shop` in it, which is the current folder."""
    home = tmp_path / "homes" / "ann"
    site = make_site(
        home / "shop",
        {"app.py": "app = None\n", "worker.py": "", "web.config": web_config(HTTPPLATFORM)},
    )
    (home / "sub").mkdir()
    (site / "to-root").symlink_to("/")
    (site / "to-home").symlink_to(home)
    (site / "to-sub").symlink_to(home / "sub")
    (site / "to-above").symlink_to(home.parent)
    monkeypatch.setenv("HOME", str(home))
    for name in ("USERPROFILE", "SUDO_USER", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(site)
    return home


def tree(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.parametrize(("named", "said"), REFUSED)
def test_what_is_no_site(
    home: Path, capsys: pytest.CaptureFixture[str], named: str, said: str
) -> None:
    """Every command that copies or writes refuses it before it makes anything."""
    before = tree(home.parent)
    for command in COMMANDS:
        assert main([command[0], named.format(home=home), *command[1:]]) == 2, command
        error = capsys.readouterr().err
        assert said in error, command
        assert f"appsvc {command[0]} FOLDER" in error
        assert error.count("\n") == 1
    assert tree(home.parent) == before


def test_dots_behind_a_link_count_both_ways(home: Path) -> None:
    """Commands drop `link/..` as text, the system follows the link: neither may be the home."""
    with pytest.raises(ConfigError, match="is your home folder"):
        site_folder.check_site("to-sub/..", os.environ, "appsvc build")
    (home / "shop" / "inner").symlink_to(home / "shop")
    with pytest.raises(ConfigError, match="is your home folder"):
        site_folder.check_site(home / "link" / ".." / "shop" / "inner" / "..", os.environ, "x")


HERE = [["build"], ["build", "."]] + [
    ["emulate", "--as", kind, *rest]
    for kind in KINDS
    for rest in ([], ["."], ["--check"], [".", "--check"], ["--check=/home"])
]


def test_in_the_home_folder_nothing_is_the_site(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The default is the current folder, which may be the home folder."""
    monkeypatch.chdir(home)
    before = tree(home.parent)
    for command in HERE:
        assert main(command) == 2, command
        assert "is your home folder" in capsys.readouterr().err, command
    assert tree(home.parent) == before


SERVE = ["-m", "appsvc_runtime", "serve", "nowhere:app", "--port", "0"]
HARMLESS = [
    pytest.param(["-m", "appsvc_runtime", "explain"], 0, id="explain"),
    pytest.param(["-m", "appsvc_runtime", "settings"], 0, id="settings"),
    pytest.param(SERVE, None, id="serve"),
    pytest.param(["-m", "appsvc_runtime.runserver", "nowhere:app", "--port", "0"], None, id="run"),
]


@pytest.mark.parametrize(("command", "code"), HARMLESS)
def test_commands_that_write_nothing_take_the_home_folder(
    home: Path, command: list[str], code: int | None
) -> None:
    """Containers often have HOME where the app is. Servers end as there is no such app."""
    ended = run(*command, cwd=home)
    assert "home folder" not in ended.stdout + ended.stderr
    if code is None:
        assert "nowhere" in ended.stdout + ended.stderr
    else:
        assert ended.returncode == code, ended.stderr


def test_a_project_in_the_home_folder_is_a_site(home: Path) -> None:
    """It is accepted, as are a folder beside it and a home folder of another name."""
    for folder in ("shop", "sub", "../ann2"):
        site_folder.check_site(home / folder, os.environ, "appsvc build")
    site_folder.check_site(ROOT, os.environ, "appsvc build")


HOMES = [
    pytest.param({"HOME": "/h/a"}, ["/h/a"], id="home"),
    pytest.param({"HOME": "/h/a", "USERPROFILE": "/mnt/c/u"}, ["/h/a", "/mnt/c/u"], id="both"),
    pytest.param({"HOME": "", "USERPROFILE": "/h/b"}, ["/h/b"], id="windows"),
    pytest.param({"HOME": "relative", "USERPROFILE": "/h/b"}, ["/h/b"], id="relative"),
]


@pytest.mark.parametrize(("environ", "homes"), HOMES)
def test_home_folders(environ: dict[str, str], homes: list[str]) -> None:
    """They come from the variables; relative paths are ignored."""
    assert [str(home) for home in site_folder.home_folders(environ)] == homes


def test_the_account_says_where_home_is_if_no_variable_does() -> None:
    """Without variables the account has it; under sudo, the real user's counts too."""
    own = Path(os.path.expanduser("~"))
    assert site_folder.home_folders({}) == [own]
    pwd = pytest.importorskip("pwd")
    user = pwd.getpwuid(os.getuid())
    assert site_folder.home_folders({"HOME": "/h", "SUDO_USER": user.pw_name}) == [
        Path("/h"), Path(user.pw_dir),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "root"),
    [("C:\\", True), ("c:/", True), (r"\\srv\share\\", True), (r"C:\app", False), ("C:/a/", False)],
)
def test_roots_of_windows(path: str, root: bool) -> None:
    """The root of a drive and of a network share are roots."""
    assert site_folder._is_root(PureWindowsPath(path)) is root


OUTPUTS = [
    pytest.param("/", "is the root of a disk", id="root"),
    pytest.param("{home}", "is your home folder", id="home"),
    pytest.param("~", "is your home folder", id="tilde"),
    pytest.param("../..", "holds your home folder", id="above-home"),
    pytest.param(".", "holds the site itself", id="site"),
    pytest.param("to-site", "holds the site itself", id="link-to-site"),
]


@pytest.mark.parametrize(("output", "said"), OUTPUTS)
def test_outputs_that_would_destroy(
    home: Path, capsys: pytest.CaptureFixture[str], output: str, said: str
) -> None:
    """They are refused even if a killed build's lock makes the folder look like an output."""
    (home / "shop" / "to-site").symlink_to(home / "shop")
    (home / ".appsvc-build.lock").touch()
    (home / "shop" / ".appsvc-build.lock").touch()
    before = tree(home.parent)
    assert main(["build", "--clean", "--output", output.format(home=home)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert tree(home.parent) == before


def test_an_output_that_holds_the_site(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`build --output ..` would replace what is beside the site."""
    (home / "shop" / "inner").mkdir()
    (home / "shop" / ".appsvc-build.lock").touch()
    assert main(["build", "inner", "--output", "inner/.."]) == 2
    assert "holds the site itself" in capsys.readouterr().err
    assert (home / "shop" / "app.py").exists()


@pytest.mark.parametrize("to", ["/", "~", "{home}", "."])
@pytest.mark.parametrize(("kind", "where"), [("linux", "/home"), ("httpplatform", r"D:\home")])
def test_homes_of_the_site_that_are_the_users(
    home: Path, capsys: pytest.CaptureFixture[str], kind: str, where: str, to: str
) -> None:
    """`--map /home=~` would put the platform's folders there."""
    (home / "shop" / "web.config").write_text(
        web_config(HTTPPLATFORM + r'<httpPlatform processPath="D:\home\python.exe"/>')
    )
    before = tree(home.parent)
    assert main(["emulate", "--as", kind, "--map", f"{where}={to.format(home=home)}"]) == 2
    assert f"--map {where}=DIR" in capsys.readouterr().err
    assert tree(home.parent) == before
