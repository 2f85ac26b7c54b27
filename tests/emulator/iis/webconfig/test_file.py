"""One web.config: its sections parsed by their schema, and a finding for every mistake."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from appsvc_runtime.emulator.iis.webconfig.file import Document, parse
from appsvc_runtime.emulator.iis.webconfig.merge import Level
from appsvc_runtime.emulator.iis.webconfig.model import (
    Action,
    Condition,
    Config,
    DefaultDocument,
    FastCgiApplication,
    Handler,
    HttpPlatform,
    RequestFiltering,
    Rule,
)
from appsvc_runtime.emulator.xml.place import Place
from appsvc_runtime.findings import errors
from tests.support.configs import merge

DATA = Path(__file__).parents[3] / "data" / "webconfig"


def read(body: str, *, version: int = 1) -> Document:
    """Parse a configuration of `body`; the root element is in line 1, where `body` begins."""
    text = f"<configuration>{body}</configuration>"
    return parse(text.encode(), "web.config", httpplatform_version=version)


def server(body: str, *, version: int = 1) -> Document:
    return read(f"<system.webServer>{body}</system.webServer>", version=version)


def config(document: Document, *, version: int = 1) -> Config:
    assert document.findings == ()
    return merge([Level("", document)], "", httpplatform_version=version)


def codes(document: Document) -> list[tuple[str, str]]:
    return [(each.code, each.level) for each in document.findings]


HANDLER = '<handlers><add name="n" path="*" verb="*" {}/></handlers>'
PLATFORM = '<httpPlatform processPath="p" {}/>'
CGI = '<application fullPath="p" {}/>'
RULE = '<rewrite><rules><rule name="r">{}</rule></rules></rewrite>'
FILTER = "<security><requestFiltering>{}</requestFiltering></security>"


def test_article_httpplatform() -> None:
    """The App Service article's file, verbatim."""
    document = parse((DATA / "article.httpplatform.config").read_bytes(), "web.config")
    found = config(document)
    assert found.http_platform == HttpPlatform(
        process_path=r"D:\home\Python361x64\python.exe",
        arguments=r"D:\home\site\wwwroot\runserver.py --port %HTTP_PLATFORM_PORT%",
        startup_time_limit=60,
        stdout_log_enabled=True,
        stdout_log_file=r"D:\home\LogFiles\python.log",
        processes_per_application=16,
        environment_variables=(("SERVER_PORT", "%HTTP_PLATFORM_PORT%"),),
    )
    assert found.http_platform.place == Place("web.config", 7)
    assert found.handlers[0] == Handler("PythonHandler", "*", "*", "httpPlatformHandler")
    assert found.handlers[0].place == Place("web.config", 5)
    assert [each.name for each in found.handlers[1:]] == [
        "TRACEVerbHandler",
        "OPTIONSVerbHandler",
        "StaticFile",
    ]


def test_article_fastcgi() -> None:
    """The article's other file, verbatim."""
    found = config(parse((DATA / "article.fastcgi.config").read_bytes(), "web.config"))
    assert dict(found.app_settings) == {
        "PYTHONPATH": r"D:\home\site\wwwroot",
        "WSGI_HANDLER": "app.wsgi_app()",
        "WSGI_LOG": r"D:\home\LogFiles\wfastcgi.log",
    }
    assert found.handlers[0].script_processor == (
        r"D:\home\Python361x64\python.exe|D:\home\Python361x64\wfastcgi.py"
    )
    assert found.http_platform is None


def test_visual_studio_template() -> None:
    """The rules of its Django template, one of which has neither match nor action."""
    document = parse((DATA / "vs.django.config").read_bytes(), "web.config")
    assert codes(document) == [("not-emulated", "warning")]
    rules = merge([Level("", document)], "").rules
    assert [each.name for each in rules] == ["Static Files", "Configure Python"]
    assert rules[0].conditions[0].input == "true"
    assert rules[0].action == Action()
    assert rules[1].action.url == "handler.fcgi/{R:1}"
    assert not rules[1].ignore_case
    assert rules[1].conditions[0].negate


def test_every_section() -> None:
    """Each attribute sets its field."""
    document = parse((DATA / "many.config").read_bytes(), "web.config")
    assert {each.level for each in document.findings} == {"warning"}
    found = merge([Level("", document)], "")
    assert dict(found.app_settings) == {"B": "2"}
    assert found.handlers[0] == Handler(
        name="Python",
        path="*.py,/app/*",
        verb="GET,HEAD,POST",
        modules="httpPlatformHandlerV2",
        resource_type="Either",
        require_access="Script",
    )
    assert found.handlers[0].place == Place("web.config", 23)
    assert found.fast_cgi == (
        FastCgiApplication(
            full_path=r"D:\home\Python\python.exe",
            arguments=r"D:\home\Python\wfastcgi.py",
            max_instances=8,
            idle_timeout=1800,
            activity_timeout=120,
            request_timeout=120,
            instance_max_requests=10000,
            signal_before_terminate_seconds=5,
            queue_length=10,
            environment_variables=(("WSGI_HANDLER", "app.app"),),
        ),
    )
    assert found.fast_cgi[0].max_instances_set
    assert found.fast_cgi[0].place == Place("web.config", 33)
    assert found.rules == (
        Rule(
            name="https",
            url="*",
            pattern_syntax="Wildcard",
            stop_processing=True,
            match_any=True,
            track_all_captures=True,
            conditions=(
                Condition("{HTTPS}", "Pattern", "off"),
                Condition("{REQUEST_FILENAME}", "IsFile", negate=True),
            ),
            action=Action("Redirect", "https://{HTTP_HOST}/{R:1}", False, 302),
        ),
        Rule(
            name="gone",
            url="^old/",
            action=Action(
                "CustomResponse",
                status_code=410,
                sub_status_code=1,
                status_reason="Gone",
                status_description="Gone",
            ),
        ),
    )
    conditions = found.rules[0].conditions
    places = [each.place.line for each in (*found.rules, *conditions)]
    assert places == [42, 51, 45, 46]
    assert found.static_content.cache_control == "max-age=604800,public"
    assert found.static_content.types[".json"] == "application/json; charset=utf-8"
    assert found.static_content.types[".webp"] == "image/webp"
    assert found.static_content.types[".css"] == "text/css"
    assert found.default_document == DefaultDocument(True, ("index.html",))
    filtering = found.request_filtering
    assert (filtering.max_allowed_content_length, filtering.max_url) == (104857600, 8192)
    assert filtering.max_query_string == 4096
    assert dict(filtering.header_limits) == {"content-type": 100}
    assert filtering.allow_double_escaping
    assert ("private" in filtering.hidden_segments, "bin" in filtering.hidden_segments) == (1, 0)
    assert (".py" in filtering.denied_extensions, ".config" in filtering.denied_extensions) == (
        1,
        0,
    )
    assert found.http_platform is not None
    assert found.http_platform.request_timeout == 86_640
    assert found.http_platform.processes_per_application == 2


def test_defaults_are_those_of_the_model() -> None:
    """Unset values are IIS's defaults; version 2 of the module has three other defaults."""
    document = server("<httpPlatform processPath='p'/>")
    one, two = (config(document, version=version).http_platform for version in (1, 2))
    assert one == HttpPlatform("p")
    assert two == HttpPlatform(
        "p", startup_time_limit=120, startup_retry_count=0, forward_windows_auth_token=True
    )
    cgi = merge([Level("", server(f"<fastCgi>{CGI.format('')}</fastCgi>"))], "").fast_cgi
    assert cgi == (FastCgiApplication("p"),)
    rule = config(server(RULE.format("<match url='a'/>"))).rules
    assert rule == (Rule("r", url="a"),)
    filtering = config(read("")).request_filtering
    assert dataclasses.replace(filtering, hidden_segments=(), denied_extensions=()) == (
        RequestFiltering()
    )


def test_all_of_iis_is_there_without_a_word_in_the_file() -> None:
    """Handlers, documents, types, hidden segments, denied extensions of applicationHost.config."""
    found = config(read(""))
    last = found.handlers[-1]
    assert (last.name, last.resource_type, last.require_access) == ("StaticFile", "Either", "Read")
    assert "StaticFileModule" in last.modules.split(",")
    assert found.default_document.files[:3] == ("Default.htm", "Default.html", "Default.asp")
    assert found.default_document.files[-1] == "hostingstart.html"
    types = found.static_content.types
    assert (types[".svg"], types[".js"]) == ("image/svg+xml", "application/javascript")
    assert ".webp" not in types
    assert all(each == each.lower() and each.startswith(".") for each in types)
    assert "web.config" in found.request_filtering.hidden_segments
    assert ".config" in found.request_filtering.denied_extensions
    assert not found.static_content.cache_control


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("true", True, id="lower"),
        pytest.param("True", True, id="capital"),
        pytest.param("FALSE", False, id="capitals"),
    ],
)
def test_booleans_in_any_case(text: str, value: bool) -> None:
    """Visual Studio and .NET write them in different cases."""
    found = config(server(PLATFORM.format(f'stdoutLogEnabled="{text}"'))).http_platform
    assert found is not None
    assert found.stdout_log_enabled is value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("00:02:00", 120, id="minutes"),
        pytest.param("0:4:0", 240, id="short"),
        pytest.param("1.00:00:00", 86_400, id="a-day"),
        pytest.param("30.00:00:00", 2_592_000, id="highest"),
        pytest.param("29:00:00", 104_400, id="hours-past-a-day"),
        pytest.param("00:00:00", 0, id="none"),
    ],
)
def test_times_are_read(text: str, seconds: int) -> None:
    """Times have hours, minutes and seconds, with or without days."""
    found = config(server(PLATFORM.format(f'requestTimeout="{text}"'))).http_platform
    assert found is not None
    assert found.request_timeout == seconds


def test_ranges_of_version_2() -> None:
    """requestTimeout is in whole seconds, up to 15 days."""
    seconds = PLATFORM.format('requestTimeout="00:01:30"')
    assert codes(server(seconds)) == [("range", "error")]
    found = config(server(seconds, version=2), version=2).http_platform
    assert found is not None
    assert found.request_timeout == 90
    long = PLATFORM.format('requestTimeout="16.00:00:00"')
    assert (codes(server(long)), codes(server(long, version=2))) == ([], [("range", "error")])


LISTS = (
    '<httpPlatform processPath="p">\n<environmentVariables>{}</environmentVariables>\n'
    "<recycleOnFileChange>{}</recycleOnFileChange>{}</httpPlatform>"
)
VARIABLE = '<environmentVariable name="{}" value="{}"/>'


@pytest.mark.parametrize("version", [1, 2])
def test_lists_of_the_modules_own_schema(version: int) -> None:
    """A variable may be given twice, and the last one counts; files are elements, in any number."""
    document = server(
        LISTS.format(
            VARIABLE.format("A", "1") + VARIABLE.format("B", "2") + VARIABLE.format("a", "3"),
            '<file path="app.py"/><clear/><file path="x.py"/><file path="x.py"/>',
            "",
        ),
        version=version,
    )
    (twice,) = document.findings
    assert (twice.code, twice.level, twice.where) == ("duplicate", "warning", "web.config:2")
    assert twice.hint == "The last one counts."
    platform = merge([Level("", document)], "", httpplatform_version=version).http_platform
    assert platform is not None
    assert platform.environment_variables == (("a", "3"), ("B", "2"))
    assert platform.recycle_on_file_change == ("x.py", "x.py")


@pytest.mark.parametrize(
    ("lists", "version", "code"),
    [
        pytest.param(('<remove name="A"/>', "", ""), 2, "unknown", id="no-remove"),
        pytest.param(('<environmentVariable name="A"/>', "", ""), 2, "missing", id="value"),
        pytest.param(("", '<add path="x"/>', ""), 1, "unknown", id="add"),
        pytest.param(("", "<file/>", ""), 2, "missing", id="path"),
        pytest.param(("", "", "<handlerSettings/>"), 1, "unknown", id="settings-in-version-1"),
        pytest.param(("", "", "<handlerSettings><add/></handlerSettings>"), 2, "unknown", id="x"),
    ],
)
def test_what_the_modules_own_schema_has_not(
    lists: tuple[str, str, str], version: int, code: str
) -> None:
    """IIS responds with 500.19."""
    assert codes(server(LISTS.format(*lists), version=version)) == [(code, "error")]


def test_variables_of_fastcgi_are_unique() -> None:
    """There IIS's own schema has a unique key."""
    pair = VARIABLE.format("A", "1") * 2
    body = f'<application fullPath="p"><environmentVariables>{pair}</environmentVariables>'
    document = server(f"<fastCgi>{body}</application></fastCgi>")
    assert sorted(codes(document)) == [("app-host-only", "warning"), ("duplicate", "error")]


@pytest.mark.parametrize(("value", "written"), [("FALSE", False), ("0", True), ("true", True)])
def test_a_handler_setting_that_drops_the_output(value: str, written: bool) -> None:
    """Version 2 then writes no stdoutLogFile: only the word false counts."""
    setting = f'<handlerSetting name="enableOutOfProcessConsoleRedirection" value="{value}"/>'
    body = LISTS.format("", "", f"<handlerSettings>{setting}</handlerSettings>")
    body = body.replace("<httpPlatform", '<httpPlatform stdoutLogEnabled="true"')
    found = config(server(body, version=2), version=2).http_platform
    assert found is not None
    assert found.stdout_log_enabled is written


@pytest.mark.parametrize(("text", "limit"), [("", 4_194_304), ('responseBufferLimit="0"', 0)])
def test_how_much_of_a_response_is_held_back(text: str, limit: int) -> None:
    """The handler sets it, in bytes."""
    assert config(server(HANDLER.format(text))).handlers[0].response_buffer_limit == limit


def test_fastcgi_belongs_to_applicationhost() -> None:
    """The section is AppHostOnly: IIS refuses it in a web.config, but the emulator uses it."""
    document = server('<fastCgi><application fullPath="p" maxInstances="0"/></fastCgi>')
    assert codes(document) == [("app-host-only", "warning")]
    assert merge([Level("", document)], "").fast_cgi[0].max_instances == 4


def test_patterns_of_other_syntaxes_and_disabled_rules_are_not_tried() -> None:
    """A wildcard is not checked as a regular expression; a disabled rule is left out."""
    rules = '<rule name="a" patternSyntax="Wildcard"><match url="*("/></rule>'
    rules += '<rule name="b" enabled="false"><match url="("/></rule>'
    found = config(server(f"<rewrite><rules>{rules}</rules></rewrite>"))
    assert [each.name for each in found.rules] == ["a"]


@pytest.mark.parametrize(
    ("content", "header"),
    [
        pytest.param("", "", id="none"),
        pytest.param('cacheControlMode="DisableCache"', "no-cache", id="disabled"),
        pytest.param('cacheControlMode="UseMaxAge"', "max-age=86400", id="a-day"),
        pytest.param('cacheControlCustom="private"', "private", id="custom-alone"),
        pytest.param('cacheControlMode="usemaxage"', "max-age=86400", id="word-in-another-case"),
    ],
)
def test_cache_header(content: str, header: str) -> None:
    """The header is the one that clientCache sets."""
    found = config(server(f"<staticContent><clientCache {content}/></staticContent>"))
    assert found.static_content.cache_control == header


def test_findings_are_in_the_order_of_the_lines() -> None:
    """The order does not depend on the code that reports them."""
    document = server(
        '\n<fastCgi>\n<application fullPath="p" protocol="Tcp"/></fastCgi>\n<x/>'
        '\n<httpPlatform b=""/>'
    )
    assert [each.where for each in document.findings] == [f"web.config:{n}" for n in (2, 3, 5)]
    assert "(line 4)" in document.findings[1].message


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda place: Handler("n", "*", "*", place=place), id="handler"),
        pytest.param(lambda place: HttpPlatform("p", place=place), id="platform"),
        pytest.param(lambda place: FastCgiApplication("p", place=place), id="application"),
        pytest.param(lambda place: Condition("{URL}", place=place), id="condition"),
        pytest.param(lambda place: Rule("r", place=place), id="rule"),
    ],
)
def test_where_something_stands_is_no_part_of_what_it_is(make: Callable[[Place], object]) -> None:
    """Otherwise two handlers of one scriptProcessor would have processes of their own."""
    here, there = make(Place("web.config", 1)), make(Place("a/web.config", 2))
    assert here == there
    assert hash(here) == hash(there)


def test_unreadable_file_has_no_sections() -> None:
    """The document's findings are those of the XML tree."""
    document = parse(b"<configuration>", "web.config")
    assert (document.root, document.scopes) == (None, ())
    assert errors(document.findings)
    assert not errors(read("").findings)
    assert not errors(read("<mine/>").findings)
