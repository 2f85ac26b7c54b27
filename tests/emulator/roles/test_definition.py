"""ServiceDefinition.csdef and ServiceConfiguration.cscfg: roles, settings, and findings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appsvc_runtime.emulator.roles.definition import read_configuration, read_definition
from appsvc_runtime.emulator.roles.model import (
    Endpoint,
    LocalStorage,
    Role,
    RoleConfiguration,
    StartupTask,
    Variable,
)

NAMESPACE = "http://schemas.microsoft.com/ServiceHosting/2008/10/"
EXAMPLE = Path(__file__).parents[3] / "examples" / "worker"
ENTRY = (
    '<Runtime><EntryPoint><ProgramEntryPoint commandLine="bin\\ps.cmd LaunchWorker.ps1 worker.py" '
    'setReadyOnProcessStart="true"/></EntryPoint></Runtime>'
)


def definition(inside: str, namespace: str = f'xmlns="{NAMESPACE}ServiceDefinition"') -> bytes:
    name = "ServiceDefinition"
    return f'<?xml version="1.0"?>\n<{name} {namespace}>{inside}</{name}>'.encode()


def codes(data: bytes) -> list[tuple[str, str]]:
    return [(one.code, one.level) for one in read_definition(data, "a.csdef")[1]]


def test_the_example() -> None:
    """The example's definition and configuration are read."""
    roles, findings = read_definition((EXAMPLE / "ServiceDefinition.csdef").read_bytes(), "x")
    assert findings == ()
    assert len(roles) == 1
    role = roles[0]
    assert role.name == "QueueWorker"
    assert role.command_line == r"bin\ps.cmd LaunchWorker.ps1 -m appsvc_runtime.worker worker.py"
    assert role.ready_on_start
    assert [variable.name for variable in role.variables] == ["EMULATED", "INSTANCE", "STORAGE"]
    assert role.settings == ("Storage",)
    assert [task.task_type for task in role.startup] == ["simple"]
    read, wrong = read_configuration(
        (EXAMPLE / "ServiceConfiguration.Local.cscfg").read_bytes(), "y"
    )
    assert wrong == ()
    assert [(one.name, one.settings) for one in read] == [
        ("QueueWorker", {"Storage": "UseDevelopmentStorage=true"})
    ]


def test_everything_of_a_role() -> None:
    """Variables, settings, local storage, endpoints and startup tasks are read."""
    inside = f"""
      <WorkerRole name="W">
        <Startup><Task commandLine="a.cmd" taskType="Background"/></Startup>
        <ConfigurationSettings><Setting name="S"/></ConfigurationSettings>
        <LocalResources>
          <LocalStorage name="cache" sizeInMB="10" cleanOnRoleRecycle="false"/>
        </LocalResources>
        <Endpoints>
          <InputEndpoint name="web" protocol="TCP" port="80" localPort="8080"/>
          <InternalEndpoint name="in" protocol="tcp"/>
          <InternalEndpoint name="any" protocol="tcp" port="*"/>
        </Endpoints>
        <Runtime><Environment>
          <Variable name="A" value="1"/>
          <Variable name="EMPTY" value=""/>
          <Variable name="B"><RoleInstanceValue xpath="/x"/></Variable>
        </Environment>{ENTRY.removeprefix("<Runtime>")}
      </WorkerRole>"""
    roles, findings = read_definition(definition(inside), "a.csdef")
    assert findings == ()
    assert roles == (
        Role(
            name="W",
            command_line=r"bin\ps.cmd LaunchWorker.ps1 worker.py",
            ready_on_start=True,
            variables=(Variable("A", "1"), Variable("EMPTY", ""), Variable("B", None, "/x")),
            settings=("S",),
            storage=(LocalStorage("cache", 10, False),),
            endpoints=(
                Endpoint("web", "input", "tcp", 80, 8080),
                Endpoint("in", "internal", "tcp", None, None),
                Endpoint("any", "internal", "tcp", None, None),
            ),
            startup=(StartupTask("a.cmd", "background", 4),),
            line=3,
        ),
    )


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (f'<WorkerRole name="W">{ENTRY}</WorkerRole>', []),
        ("", [("no-worker-role", "error")]),
        ('<WorkerRole name="W"/>', [("no-entry-point", "error")]),
        (
            '<WorkerRole name="W"><Runtime><EntryPoint><NetFxEntryPoint assemblyName="A.dll" '
            'targetFrameworkVersion="v4.0"/></EntryPoint></Runtime></WorkerRole>',
            [("no-entry-point", "error")],
        ),
        (
            '<WorkerRole name="W"><Runtime><EntryPoint><ProgramEntryPoint commandLine="A.exe"/>'
            "</EntryPoint></Runtime></WorkerRole>",
            [("not-python", "warning")],
        ),
        (f"<WorkerRole>{ENTRY}</WorkerRole>", [("no-name", "error"), ("no-worker-role", "error")]),
        (f'<WorkerRole name="W">{ENTRY}</WorkerRole>' * 2, [("duplicate", "error")]),
        (
            f'<WebRole name="Site"/><WorkerRole name="W">{ENTRY}</WorkerRole>',
            [("web-role", "warning")],
        ),
        ('<WebRole name="Site"/>', [("web-role", "warning"), ("no-worker-role", "error")]),
        (
            f'<WorkerRole name="W">{ENTRY}<Runtime><Environment><Variable value="1"/>'
            "</Environment></Runtime></WorkerRole>",
            [("variable", "error")],
        ),
        (
            f'<WorkerRole name="W">{ENTRY}<Runtime><Environment><Variable name="A"/>'
            "</Environment></Runtime></WorkerRole>",
            [("variable", "error")],
        ),
        (
            f'<WorkerRole name="W">{ENTRY}<Runtime><Environment><Variable name="A" value="1">'
            '<RoleInstanceValue xpath="/x"/></Variable></Environment></Runtime></WorkerRole>',
            [("variable", "error")],
        ),
        (
            f'<WorkerRole name="W">{ENTRY}<LocalResources><LocalStorage name="a" sizeInMB="big"/>'
            "</LocalResources></WorkerRole>",
            [("number", "error")],
        ),
        (
            f'<WorkerRole name="W">{ENTRY}<LocalResources><LocalStorage name="../a"/>'
            "</LocalResources></WorkerRole>",
            [("no-name", "error")],
        ),
        (
            f'<WorkerRole name="../../x">{ENTRY}</WorkerRole>',
            [("no-name", "error"), ("no-worker-role", "error")],
        ),
        (
            f'<WorkerRole name="W">{ENTRY}<Endpoints><InputEndpoint name="a" port="65536"/>'
            "</Endpoints></WorkerRole>",
            [("number", "error")],
        ),
    ],
    ids=[
        "fine", "no-role", "no-entry-point", "net-entry-point", "not-python", "no-name", "twice",
        "web-role-beside", "web-role-only", "variable-without-name", "variable-without-value",
        "variable-with-both", "size", "storage-elsewhere", "role-elsewhere", "port",
    ],
)  # fmt: skip
def test_what_is_found(inside: str, expected: list[tuple[str, str]]) -> None:
    """Each mistake has its code."""
    assert codes(definition(inside)) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (b"<ServiceDefinition", "malformed"),
        (b"<configuration/>", "wrong-root"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><ServiceDefinition/>', "doctype"),
        (b"\xff\xfe\x00", "encoding"),
        (b"<a>" * 100, "too-deep"),
        (b" " * 300_000, "too-large"),
    ],
    ids=["empty", "cut-off", "other-root", "doctype", "no-text", "deep", "large"],
)
def test_what_is_no_definition(data: bytes, expected: str) -> None:
    """No role is returned, and one error that has the reason."""
    roles, findings = read_definition(data, "a.csdef")
    assert roles == ()
    assert expected in [finding.code for finding in findings]
    assert all("IIS" not in str(finding) for finding in findings)


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [
        pytest.param(f"{NAMESPACE}ServiceDefinition", [], id="the-platform's"),
        pytest.param("urn:x", ["namespace"], id="another"),
    ],
)
def test_prefixes_are_dropped(namespace: str, expected: list[str]) -> None:
    """A file in which all names have a prefix is read; the prefix's namespace counts."""
    entry = ENTRY.replace("</", "</s:").replace("<", "<s:").replace("<s:/s:", "</s:")
    data = (
        f'<s:ServiceDefinition xmlns:s="{namespace}"><s:WorkerRole name="W">{entry}'
        "</s:WorkerRole></s:ServiceDefinition>"
    )
    roles, findings = read_definition(data.encode(), "a.csdef")
    assert [role.command_line for role in roles] == [r"bin\ps.cmd LaunchWorker.ps1 worker.py"]
    assert [finding.code for finding in findings] == expected


def test_command_lines_are_not_shown() -> None:
    """Arguments of an entry point may be secrets."""
    program = '<ProgramEntryPoint commandLine="App.exe --key=SECRET"/>'
    runtime = f"<Runtime><EntryPoint>{program}</EntryPoint></Runtime>"
    findings = read_definition(definition(f'<WorkerRole name="W">{runtime}</WorkerRole>'), "x")[1]
    assert [finding.code for finding in findings] == ["not-python"]
    assert "SECRET" not in repr(findings)


@pytest.mark.parametrize(
    ("attributes", "expected", "wrong"),
    [
        pytest.param("", 100, [], id="not-said"),
        pytest.param('sizeInMB="7"', 7, [], id="said"),
        pytest.param('sizeInMB="0"', 100, ["number"], id="too-small"),
        pytest.param('sizeInMB="1e3"', 100, ["number"], id="no-number"),
    ],
)
def test_size_of_storage(attributes: str, expected: int, wrong: list[str]) -> None:
    """It is 100 MB if the attribute is missing or invalid, as in the fabric."""
    storage = f'<LocalResources><LocalStorage name="a" {attributes}/></LocalResources>'
    inside = f'<WorkerRole name="W">{ENTRY}{storage}</WorkerRole>'
    roles, findings = read_definition(definition(inside), "a.csdef")
    assert roles[0].storage == (LocalStorage("a", expected, True),)
    assert [finding.code for finding in findings] == wrong


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        pytest.param("InputEndpoint", ["input"], id="input"),
        pytest.param("InternalEndpoint", ["internal"], id="internal"),
        pytest.param("InstanceInputEndpoint", ["instanceinput"], id="instance"),
        pytest.param("inputEndpoint", [], id="other-case"),
        pytest.param("Input", [], id="half-a-name"),
    ],
)
def test_kinds_of_endpoints(element: str, expected: list[str]) -> None:
    """The kind comes from the element's name, which is case-sensitive."""
    endpoints = f'<Endpoints><{element} name="a" protocol="tcp" localPort="*"/></Endpoints>'
    inside = f'<WorkerRole name="W">{ENTRY}{endpoints}</WorkerRole>'
    roles, _ = read_definition(definition(inside), "a.csdef")
    assert [endpoint.kind for endpoint in roles[0].endpoints] == expected


def test_other_namespace_is_said() -> None:
    """The platform's tools refuse it; it is read anyway."""
    data = definition(f'<WorkerRole name="W">{ENTRY}</WorkerRole>', 'xmlns="urn:x"')
    roles, findings = read_definition(data, "a.csdef")
    assert len(roles) == 1
    assert [finding.code for finding in findings] == ["namespace"]


def test_findings_name_file_and_line() -> None:
    """An editor can then go there."""
    data = definition('\n\n<WorkerRole name="W"/>')
    assert [finding.where for finding in read_definition(data, "a.csdef")[1]] == ["a.csdef:4"]


def configuration(inside: str) -> bytes:
    name = "ServiceConfiguration"
    return f'<{name} xmlns="{NAMESPACE}{name}">{inside}</{name}>'.encode()


@pytest.mark.parametrize(
    ("inside", "expected", "wrong"),
    [
        ("", [], []),
        ('<Role name="W"/>', [("W", 1, {})], []),
        ('<Role name="W"><Instances count="3"/></Role>', [("W", 3, {})], []),
        ('<Role name="W"><Instances count="0"/></Role>', [("W", 1, {})], ["number"]),
        ('<Role name="W"><Instances count="many"/></Role>', [("W", 1, {})], ["number"]),
        (
            '<Role name="W"><ConfigurationSettings><Setting name="A" value="x=y;z"/>'
            '<Setting name="B"/><Setting value="c"/></ConfigurationSettings></Role>',
            [("W", 1, {"A": "x=y;z", "B": ""})],
            [],
        ),
        (
            '<Role name="W"><Instances count="2"/></Role><Role name="W"/>',
            [("W", 2, {})],
            ["duplicate"],
        ),
        ('<Role><Instances count="2"/></Role>', [], ["no-name"]),
    ],
    ids=["empty", "bare", "three", "none", "no-number", "settings", "twice", "no-name"],
)
def test_configuration(
    inside: str, expected: list[tuple[str, int, dict[str, str]]], wrong: list[str]
) -> None:
    """Instances and settings of each role are read."""
    read, findings = read_configuration(configuration(inside), "a.cscfg")
    assert [(one.name, one.instances, one.settings) for one in read] == expected
    assert [finding.code for finding in findings] == wrong


def test_settings_are_no_part_of_a_repr() -> None:
    """They hold keys of storage accounts."""
    assert "secret" not in repr(RoleConfiguration("W", 1, {"Storage": "secret"}))


NAMES = st.sampled_from(
    "ServiceDefinition WorkerRole WebRole Runtime Environment Variable Startup EntryPoint Task "
    "Role ProgramEntryPoint LocalResources LocalStorage Endpoints RoleInstanceValue InputEndpoint "
    "ConfigurationSettings Setting Instances".split()
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["name", "value", "commandLine", "sizeInMB", "port", "xpath", "count"]),
    st.text(st.characters(codec="utf-8", exclude_characters='<&"\0'), max_size=20).filter(
        lambda text: all(ord(c) >= 32 for c in text) and "\ufffe" not in text
    ),
    max_size=3,
)


@st.composite
def elements(draw: st.DrawFn, depth: int = 4) -> str:
    name = draw(NAMES)
    attributes = "".join(f' {key}="{value}"' for key, value in draw(ATTRIBUTES).items())
    inside = "".join(draw(st.lists(elements(depth - 1), max_size=3))) if depth else ""
    return f"<{name}{attributes}>{inside}</{name}>"


@settings(max_examples=30)  # generating trees is slow
@given(inside=st.lists(elements(), max_size=4))
def test_any_tree_is_read(inside: list[str]) -> None:
    """No tree of elements raises an exception."""
    read_definition(definition("".join(inside)), "a.csdef")
    read_configuration(configuration("".join(inside)), "a.cscfg")


@given(data=st.binary(max_size=200))
def test_any_bytes_are_read(data: bytes) -> None:
    """No bytes raise an exception."""
    read_definition(data, "a.csdef")
    read_configuration(data, "a.cscfg")
