"""Several web.config files and locations for one path, merged as IIS merges them."""

from __future__ import annotations

import pytest

from appsvc_runtime.emulator.iis.webconfig.file import parse
from appsvc_runtime.emulator.iis.webconfig.merge import Level, Merged, matching_scopes, resolve
from appsvc_runtime.emulator.iis.webconfig.model import Config
from appsvc_runtime.findings import errors
from tests.support.configs import merge

ROOT_NAMES = ["TRACEVerbHandler", "OPTIONSVerbHandler", "StaticFile"]


def level(folder: str, body: str) -> Level:
    """Return the web.config of a folder; `body` begins in its first line."""
    name = f"{folder}/web.config" if folder else "web.config"
    document = parse(f"<configuration>{body}</configuration>".encode(), name)
    assert not errors(document.findings)
    return Level(folder, document)


def server(folder: str, body: str) -> Level:
    return level(folder, f"<system.webServer>{body}</system.webServer>")


def handlers(*names: str, before: str = "") -> str:
    added = "".join(f'<add name="{name}" path="*" verb="*" modules="m"/>' for name in names)
    return f"<handlers>{before}{added}</handlers>"


def location(path: str, body: str) -> str:
    return f'<location path="{path}"><system.webServer>{body}</system.webServer></location>'


def names(config: Config) -> list[str]:
    return [each.name for each in config.handlers]


def settings(*pairs: str, before: str = "") -> str:
    added = "".join('<add key="{}" value="{}"/>'.format(*pair.split("=")) for pair in pairs)
    return f"<appSettings>{before}{added}</appSettings>"


def rules(*parts: str) -> str:
    return f"<rewrite><rules>{''.join(parts)}</rules></rewrite>"


def rule(name: str, url: str = "a") -> str:
    return f'<rule name="{name}"><match url="{url}"/></rule>'


def clean(levels: list[Level], path: str) -> Config:
    merged = resolve(levels, path)
    assert merged.findings == ()
    return merged.config


@pytest.mark.parametrize(
    ("before", "path", "expected"),
    [
        pytest.param("", "x", ["outer", *ROOT_NAMES], id="outside"),
        pytest.param("", "static", ["inner", "outer", *ROOT_NAMES], id="before-the-inherited"),
        pytest.param("", "staticfiles", ["outer", *ROOT_NAMES], id="folder-that-only-begins-so"),
        pytest.param("", "STATIC/A.css", ["inner", "outer", *ROOT_NAMES], id="case-of-windows"),
        pytest.param("", "/static//a/", ["inner", "outer", *ROOT_NAMES], id="extra-slashes"),
        pytest.param('<remove name="outer"/>', "static", ["inner", *ROOT_NAMES], id="removed"),
        pytest.param(
            '<remove name="StaticFile"/>', "static", ["inner", "outer", *ROOT_NAMES[:2]],
            id="removed-from-iis",
        ),
        pytest.param('<remove name="x"/>', "static", ["inner", "outer", *ROOT_NAMES], id="nothing"),
        pytest.param("<clear/>", "static/a", ["inner"], id="cleared"),
    ],
)  # fmt: skip
def test_handlers_of_a_nested_file_come_first(before: str, path: str, expected: list[str]) -> None:
    """mergeAppend is false in the schema; removing a missing entry is not reported."""
    levels = [server("", handlers("outer")), server("static", handlers("inner", before=before))]
    assert names(clean(levels, path)) == expected


def test_folder_that_takes_the_handler_away() -> None:
    """The examples' static/web.config: IIS serves the folder's files itself."""
    levels = [
        server("", handlers("Python")),
        server("static", handlers(before='<remove name="Python"/>')),
    ]
    assert names(clean(levels, "static/style.css")) == ROOT_NAMES
    assert names(clean(levels, "")) == ["Python", *ROOT_NAMES]


def test_removing_in_another_case_is_said() -> None:
    """Names of handlers are case-sensitive: the handler stays."""
    levels = [
        server("", handlers("Python")),
        server("static", handlers(before='<remove name="python"/>')),
    ]
    merged = resolve(levels, "static")
    assert names(merged.config) == ["Python", *ROOT_NAMES]
    assert [(each.code, each.level, each.where) for each in merged.findings] == [
        ("case", "warning", "static/web.config:1")
    ]


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        pytest.param(handlers("a"), handlers("a"), id="handlers"),
        pytest.param(rules(rule("a")), rules(rule("A")), id="rules-in-another-case"),
        pytest.param(
            '<staticContent><mimeMap fileExtension=".x1" mimeType="a/b"/></staticContent>',
            '<staticContent><mimeMap fileExtension=".X1" mimeType="a/c"/></staticContent>',
            id="types",
        ),
        pytest.param(
            '<defaultDocument><files><add value="a"/></files></defaultDocument>',
            '<defaultDocument><files><add value="a"/></files></defaultDocument>',
            id="documents",
        ),
    ],
)
def test_keys_that_are_inherited_are_errors(outer: str, inner: str) -> None:
    """IIS responds with 500.19 below the folder: Cannot add duplicate collection entry."""
    levels = [server("", outer), server("static", inner)]
    assert resolve(levels, "other").findings == ()
    (found,) = resolve(levels, "static/x").findings
    assert (found.code, found.level, found.where) == ("duplicate", "error", "static/web.config:1")
    assert "web.config:1 has already" in found.message
    assert "<remove " in found.hint


def test_handler_that_is_there_twice_is_tried_once() -> None:
    """Merging continues with the inner entry, before the inherited ones."""
    levels = [server("", handlers("a", "b")), server("static", handlers("b"))]
    merged = resolve(levels, "static")
    assert names(merged.config) == ["b", "a", *ROOT_NAMES]
    assert merged.config.handlers[0].place.file == "static/web.config"


def test_paths_of_the_same_scopes() -> None:
    """These paths have the same configuration, however many of them a client invents."""
    levels = [
        level("", location("static", handlers("a")) + location("static/img", handlers("b"))),
        server("static", handlers("c")),
        server("other", handlers("d")),
    ]
    found = [matching_scopes(levels, f"static/{number}/x.css") for number in range(3)]
    assert found == [((0, 0), (0, 1), (1, 0))] * 3
    assert matching_scopes(levels, "STATIC/Img") == ((0, 0), (0, 1), (1, 0), (0, 2))
    assert matching_scopes(levels, "statics/img") == ((0, 0),)
    assert names(merge(levels, "static/img"))[:3] == ["b", "c", "a"]


def test_clearing_takes_away_what_stands_before_it() -> None:
    """`clear` also removes earlier entries of the same file."""
    body = handlers("a").replace(
        "</handlers>", handlers("b", before="<clear/>")[len("<handlers>") :]
    )
    assert names(clean([server("", body)], "")) == ["b"]


def test_keys_of_iis_itself_are_warnings() -> None:
    """Files that add .json are deployed everywhere, and App Service's own list is not published."""
    body = '<staticContent><mimeMap fileExtension=".json" mimeType="text/json"/></staticContent>'
    merged = resolve([server("", body)], "")
    assert [(each.code, each.level) for each in merged.findings] == [("duplicate", "warning")]
    assert merged.config.static_content.types[".json"] == "text/json"
    removed = body.replace("<mimeMap", '<remove fileExtension=".JSON"/><mimeMap')
    assert clean([server("", removed)], "").static_content.types[".json"] == "text/json"


def test_app_settings_override() -> None:
    """Inner values replace outer ones, in any case of the name; remove and clear work too."""
    outer = level("", settings("A=1", "B=2", "C=3"))
    inner = level("x", settings("a=4", "D=5", before='<remove key="c"/>'))
    assert dict(clean([outer, inner], "x").app_settings) == {"a": "4", "B": "2", "D": "5"}
    cleared = level("x", settings("D=5", before="<clear/>"))
    assert dict(clean([outer, cleared], "x").app_settings) == {"D": "5"}
    assert dict(clean([outer, cleared], "").app_settings) == {"A": "1", "B": "2", "C": "3"}


def test_attributes_override_one_by_one() -> None:
    """Attributes that the inner file does not set are inherited; its variables are added."""
    outer = server(
        "",
        '<httpPlatform processPath="p" arguments="a" startupTimeLimit="20"><environmentVariables>'
        '<environmentVariable name="A" value="1"/></environmentVariables></httpPlatform>',
    )
    inner = server(
        "x",
        '<httpPlatform arguments="b"><environmentVariables>'
        '<environmentVariable name="B" value="2"/></environmentVariables></httpPlatform>',
    )
    found = clean([outer, inner], "x").http_platform
    assert found is not None
    assert (found.process_path, found.arguments, found.startup_time_limit) == ("p", "b", 20)
    assert found.environment_variables == (("A", "1"), ("B", "2"))
    assert found.place.file == "x/web.config"


def test_platform_without_a_program() -> None:
    """It is an error if no level sets processPath, and only then."""
    inner = server("x", '<httpPlatform arguments="b"/>')
    (found,) = resolve([level("", ""), inner], "x").findings
    assert (found.code, found.level, found.where) == ("missing", "error", "x/web.config:1")
    outer = server("", '<httpPlatform processPath="p"/>')
    assert resolve([outer, inner], "x").findings == ()
    assert merge([level("", "")], "").http_platform is None


def test_lists_that_append() -> None:
    """Rules and types come after the inherited ones; each rule has its folder."""
    outer = server("", rules(rule("a"), rule("b")))
    inner = server("Img/s", rules('<remove name="A"/>', rule("c")))
    found = clean([outer, inner], "img/S/x").rules
    assert [(each.name, each.folder) for each in found] == [("b", ""), ("c", "Img/s")]
    assert [each.name for each in clean([outer, inner], "img").rules] == ["a", "b"]


def test_default_documents_come_first() -> None:
    """Inner documents come first, as handlers do; `enabled` is an ordinary attribute."""
    outer = server("", '<defaultDocument><files><clear/><add value="a"/></files></defaultDocument>')
    inner = server(
        "x", '<defaultDocument enabled="false"><files><add value="b"/></files></defaultDocument>'
    )
    found = clean([outer, inner], "x").default_document
    assert (found.enabled, found.files) == (False, ("b", "a"))


def test_request_filtering_is_merged_in_depth() -> None:
    """Limits are merged one by one, lists by add, remove and clear."""
    frame = "<security><requestFiltering>{}</requestFiltering></security>"
    outer = server("", frame.format('<requestLimits maxUrl="9" maxQueryString="8"/>'))
    inner = server(
        "x",
        frame.format(
            '<requestLimits maxUrl="7"><headerLimits><add header="X-A" sizeLimit="6"/>'
            '</headerLimits></requestLimits><hiddenSegments><clear/><add segment="y"/>'
            '</hiddenSegments><fileExtensions><remove fileExtension=".CS"/>'
            '<add fileExtension=".ok" allowed="true"/></fileExtensions>'
        ),
    )
    found = clean([outer, inner], "x").request_filtering
    assert (found.max_url, found.max_query_string, dict(found.header_limits)) == (7, 8, {"x-a": 6})
    assert found.hidden_segments == ("y",)
    assert not {".cs", ".ok"} & set(found.denied_extensions)
    assert ".vb" in found.denied_extensions


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("", ["root"], id="root"),
        pytest.param("a", ["loc-a", "root"], id="at"),
        pytest.param("A/x.css", ["loc-a", "root"], id="below"),
        pytest.param("a/b", ["loc-ab", "loc-a", "root"], id="deeper"),
        pytest.param("a/b/c.txt", ["loc-ab", "loc-a", "root"], id="deepest"),
        pytest.param("a/bc", ["loc-a", "root"], id="name-that-begins-so"),
        pytest.param("f.txt", ["loc-f", "root"], id="file"),
    ],
)
def test_locations(path: str, expected: list[str]) -> None:
    """Locations apply to their path and below, the outermost first, in any order in the file."""
    body = location("a/b", handlers("loc-ab")) + location("a", handlers("loc-a"))
    body += location("f.txt", handlers("loc-f"))
    body += f"<system.webServer>{handlers('root')}</system.webServer>"
    assert names(clean([level("", body)], path)) == [*expected, *ROOT_NAMES]


@pytest.mark.parametrize("path", ["", "."])
def test_location_of_the_folder_itself(path: str) -> None:
    """.NET's templates wrap everything in one; its sections come after those outside it."""
    body = location(path, handlers("in")) + (
        f"<system.webServer>{handlers('out')}</system.webServer>"
    )
    assert names(clean([level("", body)], "x")) == ["in", "out", *ROOT_NAMES]
    bare = body.replace(f' path="{path}"', ' inheritInChildApplications="false"')
    assert names(clean([level("", bare)], "x")) == ["in", "out", *ROOT_NAMES]


def test_order_is_by_path_then_by_file() -> None:
    """A root file's location of a deeper path comes after a nested file above that path."""
    root = level(
        "",
        f"<system.webServer>{handlers('root')}</system.webServer>"
        + location("a", handlers("root-a"))
        + location("a/b", handlers("root-ab")),
    )
    nested = level(
        "a",
        f"<system.webServer>{handlers('file-a')}</system.webServer>"
        + location("b", handlers("file-a-b")),
    )
    deepest = server("a/b", handlers("file-ab"))
    assert names(clean([root, nested, deepest], "a/b/x")) == [
        "file-ab", "file-a-b", "root-ab", "file-a", "root-a", "root", *ROOT_NAMES
    ]  # fmt: skip


def test_rules_of_a_location_match_below_the_files_folder() -> None:
    """The location sets the paths for which the rules run, not the text that they match."""
    found = clean([level("x", location("y", rules(rule("r"))))], "X/Y/z").rules
    assert [each.folder for each in found] == ["x"]


def test_versions_of_the_module() -> None:
    """Only unset values depend on the version; an unknown version counts as the newest."""
    levels = [server("", '<httpPlatform processPath="p" startupRetryCount="3"/>')]
    limits = []
    for version in (1, 2, 3):
        found = merge(levels, "", httpplatform_version=version).http_platform
        assert found is not None
        limits.append((found.startup_time_limit, found.startup_retry_count))
    assert limits == [(10, 3), (120, 3), (120, 3)]


def test_nothing_at_all() -> None:
    """Without any file, and with an unreadable one, only IIS's own level applies."""
    broken = Level("", parse(b"<", "web.config"))
    assert resolve([], "a") == resolve([broken], "a") == Merged(Config(**vars(merge([], ""))))
    assert names(merge([], "")) == ROOT_NAMES


def test_config_cannot_be_changed() -> None:
    """All configurations share the base, so its mappings are read-only."""
    found = merge([], "")
    for mapping in (found.app_settings, found.static_content.types):
        with pytest.raises(TypeError):
            mapping["a"] = "b"  # type: ignore[index]


def test_keys_that_two_files_have_in_common_are_one_finding() -> None:
    """A site with a long list that becomes an application of another is told once for each list."""
    levels = [
        server("", handlers("a", "b", "c") + rules(rule("x"))),
        server("shop", handlers("a", "new", "b", "c") + rules(rule("x"))),
        server("shop/sub", handlers("new", "a")),
    ]
    findings = resolve(levels, "shop/sub/x", application="shop").findings
    assert [str(each.where) for each in findings] == [
        "shop/web.config:1", "shop/web.config:1", "shop/sub/web.config:1",
    ]  # fmt: skip
    assert [each.message for each in findings] == [
        "<handlers> adds name 'a' and 2 more, which web.config has already.",
        "<rules> adds name 'x', which web.config:1 has already.",
        "<handlers> adds name 'new' and 1 more, which shop/web.config has already.",
    ]
    hints = ["inheritInChildApplications" in each.hint for each in findings]
    assert hints == [True, True, False]  # within one application it stops nothing


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", ["a"]), ("True", ["a"]), ("false", []), ("FALSE", [])],
)
def test_settings_that_applications_do_not_inherit(value: str, expected: list[str]) -> None:
    """They are for all folders of the application itself."""
    body = location(".", handlers("a")).replace(
        "<location", f'<location inheritInChildApplications="{value}"'
    )
    levels = [level("", body)]
    for path, application, found in [
        ("", "", ["a"]), ("shop/x", "", ["a"]), ("shop/x", "shop", expected),
    ]:  # fmt: skip
        merged = resolve(levels, path, application=application)
        assert names(merged.config) == [*found, *ROOT_NAMES]


def test_an_inheritance_that_is_neither() -> None:
    """IIS refuses the file."""
    text = '<configuration><location inheritInChildApplications="no"/></configuration>'
    (found,) = parse(text.encode(), "web.config").findings
    assert (found.code, found.level) == ("bad-value", "error")
    assert "'no', neither true nor false" in found.message
