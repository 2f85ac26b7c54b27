"""Mistakes that keep a Python site from running, or surprise its author."""

from __future__ import annotations

from pathlib import Path

import pytest

from appsvc_runtime.emulator.iis.webconfig.checks import check, kind
from appsvc_runtime.emulator.iis.webconfig.file import parse
from appsvc_runtime.emulator.iis.webconfig.merge import Level
from appsvc_runtime.emulator.iis.webconfig.model import Config
from appsvc_runtime.findings import Finding, errors
from tests.support.configs import merge

DATA = Path(__file__).parents[3] / "data" / "webconfig"
PYTHON = '<handlers><add name="Python" path="*" verb="*" modules="httpPlatformHandler"/></handlers>'
CGI = (
    '<handlers><add name="Python" path="*" verb="*" modules="FastCgiModule" '
    'scriptProcessor="{}"/></handlers>'
)
WFASTCGI = r"D:\home\Python\python.exe|D:\home\Python\wfastcgi.py"


def site(body: str, settings: str = "") -> Config:
    """Return the configuration of a site; `body` begins in the second line."""
    added = "".join(
        '<add key="{}" value="{}"/>'.format(*each.split("=")) for each in settings.split()
    )
    text = (
        f"<configuration><appSettings>{added}</appSettings>\n"
        f"<system.webServer>{body}</system.webServer></configuration>"
    )
    document = parse(text.encode(), "web.config")
    assert not errors(document.findings)
    return merge([Level("", document)], "")


def platform(attributes: str, variables: str = "") -> Config:
    """Return a site with httpPlatform; variables are written as NAME=VALUE."""
    named = "".join(
        '<environmentVariable name="{}" value="{}"/>'.format(*each.split("=", 1))
        for each in variables.split()
    )
    return site(
        f"{PYTHON}<httpPlatform {attributes}><environmentVariables>{named}"
        "</environmentVariables></httpPlatform>"
    )


def codes(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(each.code, each.level) for each in findings]


GOOD = 'processPath="python.exe" arguments="run.py %HTTP_PLATFORM_PORT%"'


@pytest.mark.parametrize(
    ("name", "expected", "found"),
    [
        pytest.param("article.httpplatform", "httpplatform", [], id="httpplatform"),
        pytest.param("article.fastcgi", "fastcgi", [], id="fastcgi"),
        pytest.param("vs.django", "fastcgi", [], id="visual-studio"),
        pytest.param(
            "vs.local",
            "fastcgi",
            [*[("variable", "error")] * 2, ("variable", "warning"), ("no-wsgi-log", "warning")],
            id="visual-studio-local",
        ),
    ],
)
def test_real_files(name: str, expected: str, found: list[tuple[str, str]]) -> None:
    """The article's and Visual Studio's files: their module, and their findings."""
    document = parse((DATA / f"{name}.config").read_bytes(), "web.config")
    config = merge([Level("", document)], "")
    assert kind(config) == expected
    assert codes(check(config, exists=lambda path: True)) == found


@pytest.mark.parametrize(
    ("body", "expected", "found"),
    [
        pytest.param("", "", [("no-handler", "error")], id="nothing"),
        pytest.param("<httpPlatform processPath='p'/>", "", [("no-handler", "error")], id="half"),
        pytest.param("<handlers><clear/></handlers>", "", [("no-handler", "error")], id="cleared"),
        pytest.param(PYTHON, "httpplatform", [("no-platform", "error")], id="other-half"),
        pytest.param(CGI.format(""), "", [("no-processor", "error")], id="no-processor"),
        pytest.param(CGI.format("x.exe|y"), "", [("no-processor", "error")], id="odd-processor"),
        pytest.param(
            CGI.format(r"D:\Program Files\PHP\php-cgi.exe"), "", [("other-language", "error")],
            id="php",
        ),
        *(
            pytest.param(
                f'<handlers><add name="n" path="*" verb="*" modules="{module}"/></handlers>', "",
                [("other-language", "error")], id=module,
            )
            for module in ("iisnode", "AspNetCoreModuleV2", "IsapiModule", "CgiModule")
        ),
        pytest.param(
            '<handlers><add name="n" path="*" verb="*" type="A.B"/></handlers>', "",
            [("other-language", "error")], id="managed",
        ),
        pytest.param(
            '<handlers><add name="n" path="*.js" verb="*" modules="iisnode"/></handlers>'.replace(
                "</handlers>", PYTHON.removeprefix("<handlers>")
            )
            + f"<httpPlatform {GOOD}/>",
            "httpplatform", [("other-language", "warning")], id="node-beside-python",
        ),
        pytest.param(
            '<handlers><add name="n" path="*" verb="*" modules="StaticFileModule"/></handlers>', "",
            [("no-handler", "error")], id="files-only",
        ),
        pytest.param(
            CGI.format(WFASTCGI).replace(
                "</handlers>", PYTHON.removeprefix("<handlers>").replace('"Python"', '"Other"')
            )
            + f"<httpPlatform {GOOD}/>",
            "fastcgi", [("no-wsgi-handler", "error"), ("no-wsgi-log", "warning")],
            id="both-modules-first-wins",
        ),
        pytest.param(
            CGI.format(WFASTCGI).replace("FastCgiModule", "fastcgimodule"), "",
            [("no-handler", "error")], id="modules-have-a-case",
        ),
    ],
)  # fmt: skip
def test_handlers(body: str, expected: str, found: list[tuple[str, str]]) -> None:
    """A site without pages has one error; another language beside Python is only a warning."""
    config = site(body)
    assert kind(config) == expected
    assert codes(check(config)) == found


@pytest.mark.parametrize(
    ("attributes", "variables", "found"),
    [
        pytest.param(GOOD, "", [], id="argument"),
        pytest.param('processPath="p"', "PORT=%HTTP_PLATFORM_PORT%", [], id="variable"),
        pytest.param('processPath="p"', "PORT=%http_platform_port%", [], id="case"),
        pytest.param('processPath="p" arguments="a.py"', "", ["no-port"], id="nowhere"),
        pytest.param('processPath="p" arguments="a.py 80"', "A=1", ["no-port"], id="fixed"),
        pytest.param('processPath="p" arguments="HTTP_PLATFORM_PORT"', "", ["no-port"], id="a"),
        pytest.param(
            'processPath="p" arguments="-u -m appsvc_runtime.runserver"', "", [], id="our-door"
        ),
        pytest.param(
            'processPath="p" arguments="-m appsvc_runtime.runservers"', "", ["no-port"],
            id="not-our-door",
        ),
        pytest.param(f'{GOOD} stdoutLogFile="%NONE%"', "", [], id="log-that-is-off"),
        pytest.param(
            f'{GOOD} stdoutLogFile="%NONE%" stdoutLogEnabled="true"', "", ["variable"], id="log"
        ),
        pytest.param(
            # Each process has a file of its own: the name gets an id and the time.
            f'{GOOD} stdoutLogEnabled="true" processesPerApplication="16"', "", [],
            id="a-log-for-each-process",
        ),
        *(
            pytest.param(f'{GOOD} processesPerApplication="2"', f"{name}={value}", [code], id=name)
            for code, name, value in [
                ("shared-log", "LOG_FILE", r"%HOME%\LogFiles\app.log"),
                ("shared-log", "LOGGING_DIR", r"D:\home\LogFiles"),
                ("shared-log", "ACCESSLOG", "app.log"),
                ("shared-log", "my_log_folder", "../logs"),
                ("shared-log", "Logs", "data/logs"),
            ]
        ),
        *(
            pytest.param(f'{GOOD} processesPerApplication="2"', f"{name}={value}", [], id=name)
            for name, value in [
                ("APPSVC_LOG_LEVEL", "info"),
                ("LOG_URL", "https://example.com/logs"),
                ("LOG_FORMAT", "%(asctime)s/%(name)s"),
                ("LOGIN_PATH", "/accounts/login"),
                ("CATALOG", r"D:\home\data"),
                ("DATA", r"D:\home\LogFiles\x.log"),
                ("LOG_OF_EACH", r"D:\home\LogFiles\%HTTP_PLATFORM_PORT%.log"),
            ]
        ),
        pytest.param(GOOD, r"LOG_FILE=D:\home\LogFiles\a.log", [], id="one-process-one-log"),
        pytest.param(GOOD, "A=%NONE%;%NONE% B=%NONE%", ["variable"] * 2, id="once-for-each-place"),
        pytest.param(GOOD, "A=%HOME%\\x;%SystemRoot%;%WEBSITE_X%", [], id="of-the-platform"),
        pytest.param(GOOD, "A=1 B=%a%", [], id="of-its-own"),
        pytest.param(GOOD, "A=100%25;%20%;50%%", [], id="percent-signs"),
    ],
)  # fmt: skip
def test_platform(attributes: str, variables: str, found: list[str]) -> None:
    """All of these are warnings: the site may still run."""
    assert codes(check(platform(attributes, variables))) == [(code, "warning") for code in found]


@pytest.mark.parametrize("path", ["%NONE%", r"%HOME%\%NONE%\python.exe"])
def test_program_named_by_a_variable_that_nothing_sets(path: str) -> None:
    """The variable is one error; the missing program is not a second one."""
    config = platform(GOOD.replace("python.exe", path))
    assert codes(check(config, exists=lambda path: False)) == [("variable", "error")]
    local = site(CGI.format(f"{path}|wfastcgi.py"), "WSGI_HANDLER=a.b WSGI_LOG=b")
    assert codes(check(local, exists=lambda path: False)) == [("variable", "error")]
    assert codes(check(local, environ_names=["none"], exists=lambda path: False)) == [
        ("no-program", "error")
    ]


def test_variables_are_named_and_no_value_is_shown() -> None:
    """Findings show no value, because it could be a secret."""
    (found,) = check(platform(GOOD, "TOKEN=s3cret%NONE%"))
    assert "%NONE%" in found.message
    assert "TOKEN" in found.message
    assert "s3cret" not in str(found)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["none"], id="names"),
        pytest.param({"NONE": "1"}, id="mapping"),
        pytest.param(lambda name: name == "NONE", id="function"),
    ],
)
def test_variables_that_the_site_has(names: object) -> None:
    """The names are a collection, or a function of the name in capitals."""
    config = platform(GOOD, "A=%None%")
    assert check(config, environ_names=names) == ()  # type: ignore[arg-type]
    assert codes(check(config)) == [("variable", "warning")]


VS_RUNSERVER = "PORT = int(environ.get('SERVER_PORT', '5555'))"


@pytest.mark.parametrize(
    ("arguments", "variables", "text", "found"),
    [
        pytest.param("{} --port %P%", "", VS_RUNSERVER, ["server-port"], id="visual-studio"),
        pytest.param("{} --port %P%", "Server_Port=%P%", VS_RUNSERVER, [], id="with-variable"),
        pytest.param("{} --port %P%", "", "import argparse; SERVER_PORT", [], id="reads-arguments"),
        pytest.param("{} --port %P%", "", "SERVER_PORT or HTTP_PLATFORM_PORT", [], id="reads-both"),
        pytest.param("{} --port %P%", "", "app.run()", [], id="says-nothing"),
        pytest.param("{} --port %P%", "", None, [], id="not-there"),
        pytest.param("{}", "", "environ['HTTP_PLATFORM_PORT']", [], id="reads-the-variable"),
        pytest.param("{}", "", "from appsvc_runtime.runserver import main", [], id="our-two-lines"),
        pytest.param("{}", "", VS_RUNSERVER, ["no-port"], id="visual-studio-without"),
    ],
)
def test_script_that_wants_another_variable(
    arguments: str, variables: str, text: str | None, found: list[str]
) -> None:
    """Visual Studio's runserver.py does not read --port, and would listen on 5555."""
    port = "%HTTP_PLATFORM_PORT%"
    asked: list[str] = []

    def source(path: str) -> str | None:
        asked.append(path)
        return text

    script = r"D:\home\site\wwwroot\runserver.py"
    written = arguments.format(script).replace("%P%", port)
    config = platform(f'processPath="p" arguments="{written}"', variables.replace("%P%", port))
    assert codes(check(config, source=source)) == [(code, "warning") for code in found]
    assert asked == [script]


@pytest.mark.parametrize(
    ("body", "settings", "path"),
    [
        pytest.param(f"{PYTHON}<httpPlatform {GOOD}/>", "", "python.exe", id="httpplatform"),
        pytest.param(
            CGI.format(WFASTCGI), "WSGI_HANDLER=a.b WSGI_LOG=c", r"D:\home\Python\python.exe",
            id="fastcgi",
        ),
    ],
)  # fmt: skip
def test_program_that_is_nowhere(body: str, settings: str, path: str) -> None:
    """`exists` gets the path as written; the error has its place."""
    config = site(body, settings)
    asked: list[str] = []
    (found,) = check(config, exists=lambda path: bool(asked.append(path)))
    assert (found.code, found.level, found.where) == ("no-program", "error", "web.config:2")
    assert path in found.message
    assert asked == [path]
    assert check(config, exists=lambda path: True) == check(config) == ()


@pytest.mark.parametrize(
    ("settings", "environ", "found"),
    [
        pytest.param("WSGI_HANDLER=a.b WSGI_LOG=b", (), [], id="settings"),
        pytest.param("wsgi_handler=a.b Wsgi_Log=b", (), [], id="case-of-windows"),
        pytest.param("", ("WSGI_HANDLER", "WSGI_LOG"), [], id="environment"),
        pytest.param("WSGI_HANDLER=a.b", (), [("no-wsgi-log", "warning")], id="no-log"),
        pytest.param("WSGI_LOG=a", (), [("no-wsgi-handler", "error")], id="no-handler"),
        pytest.param(
            "WSGI_HANDLER=a.b WSGI_LOG=b PYTHONPATH=%NONE%;%A%;%HOME% A=1 B=%NONE%", (),
            [("variable", "warning")], id="pythonpath",
        ),
    ],
)  # fmt: skip
def test_fastcgi(settings: str, environ: tuple[str, ...], found: list[tuple[str, str]]) -> None:
    """wfastcgi.py needs WSGI_HANDLER from some place, and expands only PYTHONPATH."""
    config = site(CGI.format(WFASTCGI), settings)
    assert codes(check(config, environ_names=environ)) == found


@pytest.mark.parametrize(
    ("instances", "settings", "variables", "found"),
    [
        pytest.param("2", "WSGI_LOG=b", "", ["shared-log"], id="two"),
        pytest.param("4", "WSGI_LOG=b", "", ["shared-log"], id="the-default-written-out"),
        pytest.param("2", "", "WSGI_LOG", ["shared-log"], id="of-the-application"),
        pytest.param("1", "WSGI_LOG=b", "", [], id="one"),
        pytest.param("0", "WSGI_LOG=b", "", [], id="left-to-iis"),
        pytest.param("", "WSGI_LOG=b", "", [], id="not-said"),
    ],
)
def test_log_of_fastcgi(instances: str, settings: str, variables: str, found: list[str]) -> None:
    """Only processes that the file asks for are reported; IIS's default of four is not."""
    program, script = WFASTCGI.split("|")
    attribute = f'maxInstances="{instances}"' if instances else ""
    variable = f'<environmentVariable name="{variables}" value="x"/>' if variables else ""
    body = (
        f'{CGI.format(WFASTCGI)}<fastCgi><application fullPath="{program}" arguments="{script}" '
        f"{attribute}><environmentVariables>{variable}</environmentVariables></application>"
        "</fastCgi>"
    )
    config = site(body, f"WSGI_HANDLER=a.b {settings}")
    assert codes(check(config)) == [(code, "warning") for code in found]


UNUSED = [("unused", "warning")]
PLATFORM = f"<httpPlatform {GOOD}/>"


@pytest.mark.parametrize(
    ("body", "settings", "found", "named"),
    [
        pytest.param(
            CGI.format(WFASTCGI) + PLATFORM, "WSGI_HANDLER=a.b WSGI_LOG=c", UNUSED,
            "'Python'", id="section-without-its-handler",
        ),
        pytest.param(
            CGI.format(WFASTCGI).replace("</handlers>", PYTHON[len("<handlers>") :]).replace(
                '"Python"', '"One"', 1
            )
            + PLATFORM,
            "WSGI_HANDLER=a.b WSGI_LOG=c", [], "", id="both",
        ),
        pytest.param(PYTHON + PLATFORM, "WSGI_HANDLER=a.b B=s3cret", UNUSED, "WSGI_HANDLER, B",
                     id="app-settings"),
        pytest.param(PYTHON + PLATFORM, "", [], "", id="no-app-settings"),
    ],
)  # fmt: skip
def test_parts_that_nothing_uses(
    body: str, settings: str, found: list[tuple[str, str]], named: str
) -> None:
    """A section whose module no handler has, and appSettings, which wfastcgi.py alone reads."""
    told = check(site(body, settings))
    assert codes(told) == found
    assert all(named in each.message and "s3cret" not in str(each) for each in told)


@pytest.mark.parametrize(
    ("program", "arguments", "server", "instead"),
    [
        pytest.param(
            "python.exe", "-m gunicorn app.main:app --bind 0.0.0.0:%HTTP_PLATFORM_PORT% -w 4",
            "gunicorn", "-m appsvc_runtime.runserver app.main:app --port", id="module",
        ),
        pytest.param(
            "python", "-m Gunicorn -b localhost:8000", "gunicorn",
            "-m appsvc_runtime.runserver --port", id="no-app",
        ),
        pytest.param(
            r"D:\home\site\wwwroot\env\Scripts\gunicorn.exe", "app:create_app()", "gunicorn",
            "runserver app:create_app() --port", id="program",
        ),
        pytest.param("uwsgi", "--http :80", "uWSGI", "appsvc_runtime.runserver --port", id="uwsgi"),
        pytest.param("python.exe", "-m uvicorn app:app --port 80", "", "", id="uvicorn"),
        pytest.param(
            "python.exe", r"D:\gunicorn\run.py --port %HTTP_PLATFORM_PORT%", "", "", id="folder"
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("module", ["httpPlatformHandler", "FastCgiModule"])
def test_servers_that_windows_has_not(
    module: str, program: str, arguments: str, server: str, instead: str
) -> None:
    """The error names the server and the arguments that do the same."""
    if module == "FastCgiModule":
        config = site(CGI.format(f"{program}|{arguments} wfastcgi.py"), "WSGI_HANDLER=a.b")
    else:
        config = platform(f'processPath="{program}" arguments="{arguments}"')
    found = [each for each in check(config) if each.code == "not-windows"]
    assert len(found) == bool(server)
    for each in found:
        assert each.level == "error"
        assert each.message.startswith(f"{server} does not run on Windows")
        assert instead in each.hint


@pytest.mark.parametrize(
    ("settings", "environ"),
    [
        pytest.param("WSGI_HANDLER=app:app WSGI_LOG=b", {"WSGI_HANDLER": "a.b"}, id="web.config"),
        pytest.param("WSGI_LOG=b", {"wsgi_handler": "app:app"}, id="app-setting"),
    ],
)
def test_a_wsgi_handler_with_a_colon(settings: str, environ: dict[str, str]) -> None:
    """web.config goes before the site's own setting, as in wfastcgi."""
    (found,) = check(site(CGI.format(WFASTCGI), settings), environ_names=environ)
    assert (found.code, found.level, found.where) == ("wsgi-handler", "error", "web.config:2")
    assert found.hint == "Write WSGI_HANDLER=app.app."


def test_handler_settings_that_the_module_has_not() -> None:
    """Version 2 reads four names; another one is copied from somewhere, and has no effect."""
    text = (
        f"<configuration><system.webServer>{PYTHON}<httpPlatform {GOOD}><handlerSettings>"
        '<handlerSetting name="responseBufferLimit" value="0"/>'
        '<handlerSetting name="debugLevel" value="file"/>'
        "</handlerSettings></httpPlatform></system.webServer></configuration>"
    )
    document = parse(text.encode(), "web.config", httpplatform_version=2)
    assert not document.findings
    (found,) = check(merge([Level("", document)], "", httpplatform_version=2))
    assert (found.code, found.level) == ("unused", "warning")
    assert "'responseBufferLimit'" in found.message


def test_modules_with_blanks() -> None:
    """Blanks around the commas are ignored."""
    body = CGI.format("").replace("FastCgiModule", "X, FastCgiModule")
    assert codes(check(site(body))) == [("no-processor", "error")]


def test_fastcgi_application_has_variables() -> None:
    """The variables are those of the application with the same path and arguments."""
    program, script = WFASTCGI.upper().split("|")
    body = (
        f'{CGI.format(WFASTCGI)}<fastCgi><application fullPath="{program}" arguments="{script}">'
        '<environmentVariables><environmentVariable name="WSGI_HANDLER" value="a.b"/>'
        '<environmentVariable name="WSGI_LOG" value="a"/></environmentVariables></application>'
        "</fastCgi>"
    )
    assert check(site(body)) == ()
    assert len(check(site(body.replace(script, "other.py")))) == 2
