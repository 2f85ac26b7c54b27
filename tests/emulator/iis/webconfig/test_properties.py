"""A small fuzz run, and properties of the readers: any web.config results in findings only."""

from __future__ import annotations

import random

from hypothesis import example, given
from hypothesis import strategies as st

from appsvc_runtime.emulator.iis.webconfig.checks import check
from appsvc_runtime.emulator.iis.webconfig.file import parse
from appsvc_runtime.emulator.iis.webconfig.merge import Level, resolve
from appsvc_runtime.emulator.iis.webconfig.schema import Attribute, Wrong, read_value
from appsvc_runtime.emulator.iis.webconfig.sections import SECTIONS, sections
from appsvc_runtime.emulator.xml.decoding import decode
from benchmarks.fuzz_webconfig import GOAL, TAME, Outcome, corpus, exercise, fuzz
from tests.support.configs import merge

FILES = corpus()
BESIDE = parse(FILES[0], "static/web.config")


def test_two_thousand_mutated_files() -> None:
    """A part of the run of 100,000: no exception, every kind of finding, bounded memory."""
    outcome = fuzz(2000, seed=5)
    assert outcome.count == 2000
    assert outcome.readable > 400
    assert len(outcome.codes) > 15
    assert outcome.growth is None or outcome.growth < GOAL


@given(st.binary(max_size=300))
@example(b"<?xml version='1.0' encoding=''?><configuration/>")
@example(b"\xff\xfe<\0")
def test_any_bytes(data: bytes) -> None:
    """Random bytes."""
    exercise(data, BESIDE, Outcome())
    assert decode(data).line >= 1


@given(st.integers(), st.sampled_from(FILES))
def test_files_that_stay_xml(seed: int, data: bytes) -> None:
    """Attributes, elements and values of real files in the wrong places."""
    rng = random.Random(seed)
    for _ in range(4):
        data = rng.choice(TAME)(data, FILES, rng)
    exercise(data, BESIDE, Outcome())


NAMES = sorted(
    {name for schema in SECTIONS.values() for name in (schema.name, *schema.attributes)}
    | {"add", "remove", "clear", "rule", "match", "action", "conditions", "mimeMap", "location"}
    | {"system.webServer", "rewrite", "security", "application", "path", "name", "key", "x:y"}
)
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=8).map(
    lambda text: text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
)


def _element(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    attributes = st.dictionaries(st.sampled_from(NAMES), TEXT, max_size=4).map(
        lambda values: "".join(f' {name}="{text}"' for name, text in values.items())
    )
    return st.builds(
        lambda name, values, below: f"<{name}{values}>{''.join(below)}</{name}>",
        st.sampled_from(NAMES),
        attributes,
        st.lists(children, max_size=4),
    )


@given(st.recursive(_element(st.just("")), _element, max_leaves=12))
def test_any_arrangement_of_known_names(body: str) -> None:
    """The text is XML, so there is a tree; all mistakes are findings."""
    text = f"<configuration>{body}</configuration>"
    document = exercise(text.encode(), BESIDE, Outcome())
    assert document.root is not None
    assert all(each.where.startswith("web.config") for each in document.findings)


@given(st.text(max_size=12) | st.from_regex(r"[0-9.:]{1,12}", fullmatch=True))
def test_any_text_is_a_value_or_wrong(text: str) -> None:
    """This holds for every attribute of every section; numbers stay in their range."""
    for attribute in _attributes():
        value = read_value(attribute, text)
        if isinstance(value, Wrong):
            assert value.reason
        elif attribute.kind in ("uint", "time") and not attribute.outside:
            assert attribute.low <= int(value) <= attribute.high
            assert int(value) % attribute.step == 0
        elif attribute.kind == "enum":
            assert value in attribute.values


def _attributes() -> list[Attribute]:
    waiting = [*sections(1).values(), *sections(2).values()]
    found = []
    while waiting:
        schema = waiting.pop()
        found += schema.attributes.values()
        waiting += schema.elements.values()
        waiting += [schema.collection.item] if schema.collection else []
    return found


def test_defaults_of_the_tables_are_values() -> None:
    """Every default is in its own range, and of its own type."""
    for attribute in _attributes():
        kinds = {"bool": bool, "uint": int, "time": int}
        assert type(attribute.default) is kinds.get(attribute.kind, str), attribute
        if attribute.kind in ("uint", "time") and not attribute.outside:
            assert attribute.low <= int(attribute.default) <= attribute.high
        if attribute.kind == "enum":
            assert attribute.default in attribute.values


@given(
    st.lists(st.sampled_from(["a", "b", "A", "static", "x.y"]), max_size=4),
    st.text("aAbs/\\.% é", max_size=10),
)
def test_any_path(folders: list[str], path: str) -> None:
    """A level applies to its own folder and below; merging twice has the same result."""
    inner = '<configuration><appSettings><add key="K" value="v"/></appSettings></configuration>'
    folder = "/".join(folders)
    level = Level(folder, parse(inner.encode(), "web.config"))
    assert merge([level], f"{folder}/x.css").app_settings["K"] == "v"
    first = resolve([level], path)
    assert first == resolve([level], path)
    assert check(first.config) == check(first.config)
