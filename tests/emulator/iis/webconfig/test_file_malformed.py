"""One web.config with mistakes: a finding for each, with its file and line."""

from __future__ import annotations

import pytest

from appsvc_runtime.emulator.iis.webconfig.file import Document, parse
from appsvc_runtime.emulator.iis.webconfig.merge import Level
from appsvc_runtime.emulator.iis.webconfig.model import Config
from tests.support.configs import merge, walk


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


WRONG = [
    pytest.param(PLATFORM, 'requestTimeout="120"', "bad-value", id="time-as-number"),
    pytest.param(PLATFORM, 'requestTimeout="00:60:00"', "bad-value", id="minute-60"),
    pytest.param(PLATFORM, 'requestTimeout="1.24:00:00"', "bad-value", id="hour-24-of-a-day"),
    pytest.param(PLATFORM, 'requestTimeout="\u0660\u0660:02:00"', "bad-value", id="arabic-digits"),
    pytest.param(PLATFORM, 'requestTimeout="00:01:30"', "range", id="no-whole-minute"),
    pytest.param(PLATFORM, 'requestTimeout="31.00:00:00"', "range", id="time-too-long"),
    pytest.param(PLATFORM, 'startupTimeLimit="3601"', "range", id="startup-too-long"),
    pytest.param(PLATFORM, 'startupTimeLimit="-1"', "bad-value", id="negative"),
    pytest.param(PLATFORM, 'startupTimeLimit="1e3"', "bad-value", id="no-number"),
    pytest.param(PLATFORM, 'startupTimeLimit=""', "bad-value", id="empty-number"),
    pytest.param(PLATFORM, f'startupTimeLimit="{"9" * 5000}"', "bad-value", id="endless-number"),
    pytest.param(PLATFORM, 'startupRetryCount="101"', "range", id="retries"),
    pytest.param(PLATFORM, 'rapidFailsPerMinute="101"', "range", id="rapid-fails"),
    pytest.param(PLATFORM, 'processesPerApplication="0"', "range", id="no-process"),
    pytest.param(PLATFORM, 'processesPerApplication="101"', "range", id="processes"),
    pytest.param(PLATFORM, 'stdoutLogEnabled="yes"', "bad-value", id="no-boolean"),
    pytest.param(HANDLER, 'resourceType="Any"', "bad-value", id="no-word"),
    pytest.param(HANDLER, 'requireAccess=""', "bad-value", id="empty-word"),
    pytest.param(f"<fastCgi>{CGI}</fastCgi>", 'maxInstances="10001"', "range", id="instances"),
    pytest.param(f"<fastCgi>{CGI}</fastCgi>", 'activityTimeout="9"', "range", id="activity"),
    pytest.param(f"<fastCgi>{CGI}</fastCgi>", 'instanceMaxRequests="0"', "range", id="requests"),
    pytest.param(RULE, '<action statusCode="301"/>', "range", id="status-of-a-redirect"),
    pytest.param(RULE, '<action type="Move"/>', "bad-value", id="no-action"),
    pytest.param(RULE, '<match url=""/>', "bad-value", id="empty-url"),
    pytest.param(FILTER, '<requestLimits maxUrl="4294967296"/>', "range", id="over-32-bits"),
]


@pytest.mark.parametrize(("frame", "inside", "code"), WRONG)
def test_wrong_values_are_errors(frame: str, inside: str, code: str) -> None:
    """The finding has the attribute, its value and the allowed ones; the default is used."""
    document = server("\n" + frame.format(inside))
    errors = [each for each in document.findings if each.level == "error"]
    assert [(each.code, each.where) for each in errors] == [(code, "web.config:2")]
    assert inside.partition("=")[0].rpartition(" ")[2].strip("<") in errors[0].message
    assert len(str(errors[0])) < 300


@pytest.mark.parametrize(
    ("body", "name"),
    [
        pytest.param('<appSettings><add value="1"/></appSettings>', "key", id="key"),
        pytest.param("<appSettings><remove/></appSettings>", "key", id="key-of-remove"),
        *(
            pytest.param(
                "<system.webServer><handlers><add {}/></handlers></system.webServer>".format(
                    " ".join(f'{each}="x"' for each in ("name", "path", "verb") if each != name)
                ),
                name,
                id=f"handler-{name}",
            )
            for name in ("name", "path", "verb")
        ),
        pytest.param(
            "<system.webServer><httpPlatform processPath='p'><environmentVariables>"
            '<environmentVariable value="v"/></environmentVariables></httpPlatform>'
            "</system.webServer>",
            "name",
            id="variable",
        ),
        pytest.param(
            '<system.webServer><staticContent><mimeMap fileExtension=".a"/></staticContent>'
            "</system.webServer>",
            "mimeType",
            id="type",
        ),
        pytest.param(
            "<system.webServer><rewrite><rules><rule/></rules></rewrite></system.webServer>",
            "name",
            id="rule",
        ),
    ],
)
def test_missing_attributes(body: str, name: str) -> None:
    """Entries that IIS could not use are left out, and reported."""
    document = read(body)
    assert codes(document) == [("missing", "error")]
    assert document.findings[0].message.endswith(f"has no {name}.")
    found = merge([Level("", document)], "")
    assert not found.app_settings
    assert not found.rules
    assert len(found.handlers) == 3


@pytest.mark.parametrize(
    ("body", "level"),
    [
        pytest.param(
            "<system.webServer><handlers>"
            + '\n<add name="a" path="*" verb="*"/>' * 2
            + "</handlers></system.webServer>",
            "error",
            id="handlers",
        ),
        pytest.param(
            "<system.webServer><staticContent>"
            '\n<mimeMap fileExtension=".x" mimeType="a/b"/>\n<mimeMap fileExtension=".X" '
            'mimeType="a/b"/></staticContent></system.webServer>',
            "error",
            id="types-in-another-case",
        ),
        pytest.param(
            "<system.webServer><rewrite><rules>"
            + '\n<rule name="a"/>' * 2
            + "</rules></rewrite></system.webServer>",
            "error",
            id="rules",
        ),
        pytest.param(
            "<system.webServer><defaultDocument><files>"
            + '\n<add value="a"/>' * 2
            + "</files></defaultDocument></system.webServer>",
            "error",
            id="documents",
        ),
        pytest.param(
            '<appSettings>\n<add key="A" value="secret"/>\n<add key="a" value="other"/>'
            "</appSettings>",
            "warning",
            id="settings",
        ),
    ],
)
def test_keys_twice_in_one_section(body: str, level: str) -> None:
    """IIS responds with 500.19; for app settings, which it never reads, the last value is used."""
    document = read(body)
    assert codes(document) == [("duplicate", level)]
    assert document.findings[0].where == "web.config:3"
    assert "line 2" in document.findings[0].message
    assert "secret" not in str(document.findings)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param('<add name="a" {0}/><remove name="a"/><add name="a" {0}/>', id="removed"),
        pytest.param('<add name="a" {0}/><clear/><add name="a" {0}/>', id="cleared"),
        pytest.param('<add name="a" {0}/><add name="A" {0}/>', id="names-of-handlers-have-a-case"),
        pytest.param('<remove name="none"/><remove name="none"/>', id="removing-nothing"),
    ],
)
def test_keys_that_do_not_meet(body: str) -> None:
    """IIS requires an entry to be removed before it is added again."""
    handlers = body.format('path="*" verb="*"')
    assert codes(server(f"<handlers>{handlers}</handlers>")) == []


@pytest.mark.parametrize(
    ("body", "part"),
    [
        pytest.param(PLATFORM.format('arguements="a"'), "arguements", id="misspelt"),
        pytest.param(PLATFORM.format('ProcessesPerApplication="1"'), "write processes", id="case"),
        pytest.param("<handlers><Add name='a'/></handlers>", "write <add>", id="case-of-element"),
        pytest.param("<handlers><handler name='a'/></handlers>", "<handler>", id="element"),
        pytest.param("<handlers><remove name='a' path='*'/></handlers>", "path", id="of-remove"),
        pytest.param("<handlers><clear name='a'/></handlers>", "name", id="of-clear"),
        pytest.param("<Handlers/>", "write handlers", id="case-of-section"),
        pytest.param("<fastCgi><clear/></fastCgi>", "<clear>", id="word-that-is-not-there"),
    ],
)
def test_what_iis_does_not_know(body: str, part: str) -> None:
    """Names are case-sensitive; if only the case is wrong, the hint has the right spelling."""
    document = server(body)
    errors = [each for each in document.findings if each.level == "error"]
    assert [each.code for each in errors] == ["unknown"]
    assert part in str(errors[0])


@pytest.mark.parametrize(
    ("body", "name"),
    [
        pytest.param("<connectionStrings/>", "connectionStrings", id="connection-strings"),
        pytest.param("<system.web><a/></system.web><system.web/>", "system.web", id="net"),
        pytest.param(
            '<runtime><assemblyBinding xmlns="urn:a"/></runtime>', "runtime", id="assemblies"
        ),
        pytest.param(
            "<system.webServer><httpErrors/><httpErrors/></system.webServer>",
            "system.webServer/httpErrors",
            id="section-of-iis",
        ),
        pytest.param(
            "<system.webServer><rewrite><rewriteMaps/></rewrite></system.webServer>",
            "system.webServer/rewrite/rewriteMaps",
            id="rewrite-maps",
        ),
        pytest.param("<mine><handlers/></mine>", "mine", id="of-ones-own"),
        pytest.param(
            '<appSettings configSource="a.config"/>',
            "The attribute configSource of <appSettings>",
            id="other-file",
        ),
        pytest.param(
            '<system.webServer xdt:Transform="x"><handlers xdt:Locator="y"/></system.webServer>',
            "The attribute xdt:Locator of <handlers>",
            id="transform",
        ),
        pytest.param(
            '<system.webServer><handlers accessPolicy="Read"/></system.webServer>',
            "The attribute accessPolicy of <handlers>",
            id="attribute-of-iis",
        ),
        *(
            pytest.param(
                f"<system.webServer>{frame.format(f'{name}={value!r}')}</system.webServer>",
                f"The attribute {name} of <{owner}>",
                id=name,
            )
            for frame, owner, name, value in [
                (PLATFORM, "httpPlatform", "forwardWindowsAuthToken", "true"),
                (f"<fastCgi>{CGI}</fastCgi>", "application", "monitorChangesTo", "app.py"),
                (HANDLER, "add", "allowPathInfo", "true"),
                ("<staticContent {}/>", "staticContent", "defaultDocFooter", "f"),
                ("<staticContent {}/>", "staticContent", "enableDocFooter", "true"),
                ("<staticContent {}/>", "staticContent", "isDocFooterFileName", "true"),
            ]
        ),
    ],
)
def test_what_is_not_emulated_is_said_once(body: str, name: str) -> None:
    """The element stays in the tree, and is not an error."""
    document = read(body)
    (found,) = (each for each in document.findings if each.code != "app-host-only")
    assert (found.code, found.level) == ("not-emulated", "warning")
    assert found.message == f"{name} is not emulated."
    assert document.root is not None
    assert len(list(walk(document.root))) == body.count("<") - body.count("</") + 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(PLATFORM.format('forwardWindowsAuthToken="false"'), id="platform"),
        pytest.param(HANDLER.format('allowPathInfo="false" preCondition=""'), id="handler"),
        pytest.param('<staticContent enableDocFooter="false"/>', id="footer"),
    ],
)
def test_defaults_of_what_is_not_emulated_are_worth_no_word(body: str) -> None:
    """An attribute that repeats the default changes nothing, and is not reported."""
    assert server(body).findings == ()


def test_connection_strings_say_where_they_come_from() -> None:
    """No Python app ever sees those of a web.config."""
    assert "environment variables" in read("<connectionStrings/>").findings[0].hint


@pytest.mark.parametrize("path", ["/static", "a//b", "../x", "a\\b", "*.js", "http://x"])
def test_paths_of_locations_that_are_none(path: str) -> None:
    """Valid paths are below the folder, with plain slashes."""
    document = read(f'\n<location path="{path}"><appSettings/></location>')
    assert [(each.code, each.where) for each in document.findings] == [("location", "web.config:2")]
    assert [each.path for each in document.scopes] == [""]


def test_location_in_a_location() -> None:
    """IIS does not allow it; the settings in it are ignored."""
    document = read('<location path="a"><location path="b"><appSettings/></location></location>')
    assert codes(document) == [("location", "error")]


def test_same_section_twice() -> None:
    """IIS accepts a section once per path; groups may be repeated."""
    document = read(
        "<system.webServer><handlers/></system.webServer>\n"
        "<system.webServer><defaultDocument/><handlers/></system.webServer>"
        "<location path='.'><system.webServer><handlers/></system.webServer></location>"
    )
    assert [(each.code, each.where) for each in document.findings] == [
        ("duplicate", "web.config:2")
    ]


@pytest.mark.parametrize(
    ("text", "version", "hint"),
    [
        pytest.param('recycleOnFileChange="true"', 1, "<file path=", id="element-1"),
        pytest.param('recycleOnFileChange="true"', 2, "<file path=", id="element-2"),
        pytest.param('startupRetryCount="3"', 2, "Only version 1", id="retries"),
    ],
)
def test_an_attribute_that_the_module_has_not(text: str, version: int, hint: str) -> None:
    """The finding names the element, or the version that has the attribute."""
    (found,) = server(PLATFORM.format(text), version=version).findings
    assert (found.code, found.level) == ("unknown", "error")
    assert hint in found.hint
    assert server(PLATFORM.format('startupRetryCount="3"')).findings == ()


def test_an_element_of_the_other_version() -> None:
    """The finding names the version that has the element."""
    body = '<httpPlatform processPath="p"><handlerSettings/></httpPlatform>'
    (found,) = server(body).findings
    assert (found.code, found.level) == ("unknown", "error")
    assert "--httpplatform-version 2" in found.hint
    assert server(body, version=2).findings == ()


def test_what_is_not_emulated_is_said_together() -> None:
    """A long file has two such findings: what .NET reads, and the rest, with its lines."""
    document = read(
        "<configSections/><system.web/>\n<elmah/><system.web/>\n<system.webServer>"
        '<modules/><httpErrors/><webSocket enabled="false"/></system.webServer>\n'
        '<location path="a" overrideMode="Deny"><system.webServer><httpErrors/></system.webServer>'
        "</location><connectionStrings/>"
    )
    assert [(each.code, each.where, each.message) for each in document.findings] == [
        (
            "not-emulated", "web.config:1",
            "configSections, system.web, elmah (line 2) and system.webServer/modules (line 3) are "
            "not emulated.",
        ),
        (
            "not-emulated", "web.config:3",
            "system.webServer/httpErrors, system.webServer/webSocket and the attribute "
            "overrideMode of <location> (line 4) are not emulated.",
        ),
        ("not-emulated", "web.config:4", "connectionStrings is not emulated."),
    ]  # fmt: skip
    assert document.findings[0].hint.startswith("They are read by .NET only")
