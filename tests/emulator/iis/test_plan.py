"""The decisions before anything is started: files, kinds, names, folders."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime.emulator.iis.plan import Options, Plan, make_plan
from appsvc_runtime.emulator.processes.interpreter import examine
from appsvc_runtime.emulator.processes.project_python import find_interpreter
from appsvc_runtime.emulator.processes.surroundings import find_wfastcgi
from appsvc_runtime.errors import ConfigError
from tests.support.emulator import FASTCGI, HTTPPLATFORM, make_site, web_config

PLATFORM = r'<httpPlatform processPath="D:\home\Python\python.exe" arguments="%ARGUMENTS%"/>'
PHP = (
    '<handlers><add name="php" path="*.php" verb="*" modules="FastCgiModule" '
    r'scriptProcessor="D:\Program Files\PHP\php-cgi.exe"/>'
)
HANDLER = '<add key="WSGI_HANDLER" value="app.app"/>'
links = pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")


def site(folder: Path, config: str, name: str = "My_Site") -> Path:
    return make_site(folder / name, {"web.config": config})


def plan(folder: Path, **options: Any) -> Plan:
    return make_plan(Options(folder, **options), {"PATH": os.environ["PATH"]})


def codes(made: Plan) -> list[str]:
    return [finding.code for finding in made.findings]


def test_names_and_folders(tmp_path: Path) -> None:
    """Names follow from the folder's name; each site has a home of its own beside it."""
    made = plan(site(tmp_path, web_config(HTTPPLATFORM + PLATFORM)))
    assert (made.kind, made.site_name) == ("httpplatform", "my-site")
    assert made.default_name == made.public_name == "my-site.azurewebsites.net"
    home = tmp_path / ".appsvc" / "My_Site"
    assert made.environ["HOME"] == str(home)
    assert (home / "LogFiles").is_dir()
    assert (tmp_path / ".appsvc" / ".gitignore").read_text("utf-8") == "*\n"
    assert codes(made).count("variable") == 1  # %ARGUMENTS%, which is not set


@links
def test_the_home_leads_to_the_site(tmp_path: Path) -> None:
    """Joining HOME, site and wwwroot leads to the site."""
    made = plan(site(tmp_path, web_config(HTTPPLATFORM + PLATFORM)))
    assert Path(made.environ["HOME"], "site", "wwwroot").resolve() == made.site.folder.resolve()


@links
def test_a_home_that_a_user_names_stays_as_it_is(tmp_path: Path) -> None:
    """The emulator adds no file to it, and changes no link in it."""
    home = tmp_path / "home"
    (home / "site").mkdir(parents=True)
    (home / "site" / "wwwroot").symlink_to(tmp_path)
    made = plan(site(tmp_path, web_config(HTTPPLATFORM + PLATFORM)), maps=[("D:\\home", home)])
    assert made.environ["HOME"] == str(home)
    assert sorted(os.listdir(home)) == ["LogFiles", "site"]
    assert os.readlink(home / "site" / "wwwroot") == str(tmp_path)


def test_a_folder_written_with_dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`appsvc emulate ..` emulates the parent folder; its `.appsvc` is beside it."""
    folder = site(tmp_path, web_config(HTTPPLATFORM + PLATFORM))
    (folder / "sub").mkdir()
    monkeypatch.chdir(folder / "sub")
    made = plan(Path(".."))
    assert made.site_name == "my-site"
    assert made.environ["HOME"] == str(tmp_path / ".appsvc" / "My_Site")


def test_settings_and_public_name(tmp_path: Path) -> None:
    """App settings may set the site's names; paths in them are converted to this machine's."""
    folder = site(tmp_path, web_config(HTTPPLATFORM + PLATFORM))
    settings = [
        ("WEBSITE_SITE_NAME", "shop"),
        ("DATA", r"D:\home\data"),
        ("PYTHONPATH", r"D:\home\site\wwwroot;D:\home\lib"),
        ("ARGUMENTS", "-c 1"),
    ]
    made = plan(folder, app_settings=settings, public_name="Shop.Example.com")
    assert made.default_name == made.environ["WEBSITE_HOSTNAME"] == "shop.azurewebsites.net"
    assert made.public_name == "shop.example.com"
    home = tmp_path / ".appsvc" / "My_Site"
    assert made.environ["DATA"] == made.environ["APPSETTING_DATA"] == str(home / "data")
    assert made.environ["PYTHONPATH"] == os.pathsep.join([str(folder), str(home / "lib")])
    assert "variable" not in codes(made)


def test_a_php_handler_beside_pythons(tmp_path: Path) -> None:
    """The PHP handler is reported, and the site runs."""
    handlers = HTTPPLATFORM.replace("<handlers>", PHP)
    made = plan(site(tmp_path, web_config(handlers + PLATFORM)))
    assert made.kind == "httpplatform"
    assert "other-language" in codes(made)


def test_both_kinds_in_one_file(tmp_path: Path) -> None:
    """The first handler decides; `--as` selects the other."""
    both = HTTPPLATFORM.replace("</handlers>", "") + FASTCGI.replace("<handlers>", "").replace(
        "PythonHandler", "Second"
    )
    folder = site(tmp_path, web_config(both + PLATFORM, HANDLER))
    assert plan(folder).kind == "httpplatform"
    assert plan(folder, kind="fastcgi").kind == "fastcgi"


def test_another_file(tmp_path: Path) -> None:
    """`--config` names another file; a missing one is an error."""
    folder = site(tmp_path, web_config(HTTPPLATFORM + PLATFORM))
    other = tmp_path / "other.config"
    other.write_text(web_config(FASTCGI, HANDLER), "utf-8")
    assert plan(folder, config=other).kind == "fastcgi"
    with pytest.raises(ConfigError, match="is not a file"):
        plan(folder, config=tmp_path / "none.config")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The hint is for sites of Linux as well: `emulate nope` cannot know which it would be."""
    with pytest.raises(ConfigError, match="does not exist") as caught:
        plan(tmp_path / "nope")
    assert caught.value.hint == "Name the folder that holds your app."


def test_windows_own_variables(tmp_path: Path) -> None:
    """`%SystemDrive%` and the like lead to the site as they do on the platform."""
    config = web_config(
        HTTPPLATFORM
        + r'<httpPlatform processPath="%SystemDrive%\home\p\python.exe" '
        + r'arguments="%WEBROOT_PATH%\run.py"/>'
    )
    made = plan(make_site(tmp_path / "site", {"web.config": config, "run.py": "x = 1\n"}))
    assert "variable" not in codes(made)
    # The script's source is read: it does not use the port.
    assert "no-port" in codes(made)


def test_interpreters(tmp_path: Path) -> None:
    """A virtual environment's folder is accepted; a file that cannot be run is not."""
    assert find_interpreter("") == sys.executable
    assert find_interpreter(sys.executable) == os.path.abspath(sys.executable)
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch(0o755)
    assert find_interpreter(str(tmp_path / "env")) == str(python)
    with pytest.raises(ConfigError, match="--python"):
        find_interpreter(str(tmp_path / "none"))
    assert examine(str(python)) is None
    own = examine(sys.executable)
    assert own is not None
    assert find_wfastcgi(own).endswith("wfastcgi.py")


@links
@pytest.mark.parametrize(
    "settings",
    [
        HANDLER.replace("app.app", "appsvc_runtime.wsgi.application"),
        '<add key="PYTHONPATH" value="lib"/>'
        + HANDLER.replace("app.app", "appsvc_runtime.wsgi.application"),
        HANDLER,
    ],
)
def test_what_the_projects_python_lacks(tmp_path: Path, settings: str) -> None:
    """WSGI_HANDLER of this package is refused if the site's Python lacks it, and only then."""
    folder = site(tmp_path, web_config(FASTCGI, settings))
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(os.path.realpath(sys.executable))
    (folder / ".venv" / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix, 'bin')}\n")
    if "appsvc_runtime" in settings and "PYTHONPATH" not in settings:
        with pytest.raises(ConfigError, match=r"needs appsvc-runtime \(WSGI_HANDLER=appsvc_run"):
            plan(folder)
    else:
        assert plan(folder).python.path == str(python)


RUN = r'<httpPlatform processPath="D:\home\Python\python.exe" arguments="run.py"/>'
INHERIT_NOT = '<location path="." inheritInChildApplications="false"><system.webServer>'


def applied(folder: Path, own: str, other: str, **options: Any) -> Plan:
    """Return the plan of a site with the application /shop beside it, by their web.config files."""
    files = {"site/web.config": own, "shop/web.config": other, "site/x": "", "shop/x": ""}
    made = make_site(
        folder, {name: text for name, text in files.items() if text or name[-1] == "x"}
    )
    named = [("/shop", str(made / "shop"))]
    return plan(made / "site", applications=named, **options)


def test_an_application_beside_the_site(tmp_path: Path) -> None:
    """It has a folder, a kind, and processes of its own; settings and home are the site's."""
    made = applied(
        tmp_path,
        web_config(HTTPPLATFORM + RUN),
        web_config(
            FASTCGI.replace("<handlers>", '<handlers><remove name="PythonHandler"/>'), HANDLER
        ),
        app_settings=[("A", r"D:\home\site\shop;D:\home\site\wwwroot")],
    )
    (shop,) = made.others
    assert (made.kind, shop.kind) == ("httpplatform", "fastcgi")
    assert made.environ == shop.environ
    assert made.environ["A"] == f"{tmp_path / 'shop'};{tmp_path / 'site'}"
    assert shop.paths.home == made.paths.home
    assert shop.paths.local("run.py") == tmp_path / "shop" / "run.py"
    assert shop.paths.local(r"%HOME%\site\shop\x") != tmp_path / "shop" / "x"  # not expanded
    for drive in ("C:", "d:", made.environ["HOME"].replace("/", "\\")):
        home = drive if len(drive) > 2 else rf"{drive}\home"
        assert made.paths.local(rf"{home}\site\Shop\x") == tmp_path / "shop" / "x"
        assert shop.paths.local(rf"{home}\site\wwwroot\x") == tmp_path / "site" / "x"


def test_what_an_application_gets_from_its_parent(tmp_path: Path) -> None:
    """Handlers and all the rest; wfastcgi does not inherit, as it reads one file alone."""
    made = applied(tmp_path, web_config(HTTPPLATFORM + RUN), "")
    assert made.others[0].kind == "httpplatform"
    with pytest.raises(ConfigError, match=r"not in the web\.config of /shop itself"):
        applied(tmp_path / "b", web_config(FASTCGI, HANDLER), "")
    made = applied(tmp_path / "c", web_config(FASTCGI, HANDLER), "", app_settings=[
        ("WSGI_HANDLER", "app.app")])  # fmt: skip
    assert made.others[0].kind == "fastcgi"
    with pytest.raises(ConfigError, match=r"adds name 'PythonHandler'.*has already"):
        applied(tmp_path / "d", web_config(HTTPPLATFORM + RUN), web_config(HTTPPLATFORM + RUN))
    own = web_config(HTTPPLATFORM + RUN).replace("<system.webServer>", INHERIT_NOT)
    own = own.replace("</system.webServer>", "</system.webServer></location>")
    made = applied(tmp_path / "e", own, web_config(HTTPPLATFORM + RUN))
    assert made.others[0].kind == "httpplatform"


def test_applications_without_python(tmp_path: Path) -> None:
    """A site of files may have an application in Python, and the other way round; not neither."""
    made = applied(tmp_path, "", web_config(HTTPPLATFORM + RUN))
    assert (made.kind, made.others[0].kind) == ("", "httpplatform")
    own = web_config(HTTPPLATFORM + RUN).replace("<system.webServer>", INHERIT_NOT)
    own = own.replace("</system.webServer>", "</system.webServer></location>")
    made = applied(tmp_path / "b", own, "")
    assert made.others[0].kind == ""
    assert [each.where for each in made.findings if each.code == "no-handler"] == ["/shop"]
    with pytest.raises(ConfigError, match="No handler sends requests to Python"):
        applied(tmp_path / "c", "", web_config(""))


def test_processes_that_iis_would_share(tmp_path: Path) -> None:
    """The same scriptProcessor in both is reported, in any case; other arguments are not."""
    inner = FASTCGI.replace("PythonHandler", "Inner").replace("python.exe", "Python.EXE")
    inner = inner.replace("<handlers>", '<handlers><remove name="PythonHandler"/>')
    own = web_config(FASTCGI, HANDLER)
    made = applied(tmp_path, own, web_config(inner, HANDLER))
    (found,) = [each for each in made.findings if each.code == "shared-processes"]
    assert found.message.startswith("/ and /shop start the same scriptProcessor.")
    other = inner.replace("wfastcgi.py", "wfastcgi.py shop")
    made = applied(tmp_path / "b", own, web_config(other, HANDLER))
    assert "shared-processes" not in codes(made)


@pytest.mark.parametrize(
    ("options", "variable", "reported"),
    [
        ({}, "", True),
        ({"httpplatform_version": 2}, "", False),
        ({"app_settings": [("APPSVC_APPLICATION_PATH", "/shop")]}, "", False),
        ({}, '<environmentVariable name="appsvc_application_path" value="/shop"/>', False),
    ],
)
def test_processes_that_do_not_know_their_path(
    tmp_path: Path, options: dict[str, Any], variable: str, *, reported: bool
) -> None:
    """Version 1 does not pass it on: the variable has to be set."""
    run = RUN.replace(
        "/>", f"><environmentVariables>{variable}</environmentVariables></httpPlatform>"
    )
    made = applied(tmp_path, "", web_config(HTTPPLATFORM + run), **options)
    assert ("application-path" in codes(made)) is reported


def test_another_file_for_each_application(tmp_path: Path) -> None:
    """--as reads web.fastcgi.config of each application whose web.config is of another kind."""
    remove = '<handlers><remove name="PythonHandler"/>'
    fastcgi = web_config(FASTCGI.replace("<handlers>", remove), HANDLER)
    for name in ("site", "shop"):
        make_site(tmp_path / name, {"web.fastcgi.config": fastcgi})
    own = web_config(HTTPPLATFORM + RUN)
    made = applied(tmp_path, own, own.replace("<handlers>", remove), kind="fastcgi")
    assert [each.kind for each in made.all] == ["fastcgi", "fastcgi"]
    found = [each.where for each in made.findings if each.code == "other-file"]
    assert found == ["web.fastcgi.config", f"{tmp_path / 'shop'}/web.fastcgi.config"]
