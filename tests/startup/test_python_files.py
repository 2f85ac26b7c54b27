"""The names that a Python file defines, read from its text: unusual files that people have."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.startup import python_files
from appsvc_runtime.startup.python_files import Names, is_fastapi, read_names

HUGE = 3_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "app.py"


def names_in(file: Path, text: str) -> Names:
    file.write_text(text, encoding="utf-8")
    return read_names(file)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("app = Flask(__name__)", id="assignment"),
        pytest.param("x = app = 1", id="chained"),
        pytest.param("app: Flask = Flask(__name__)", id="annotated"),
        pytest.param("api, app = 1, 2", id="tuple"),
        pytest.param("api, (x, *app) = 1, (2, 3)", id="nested-tuple-with-star"),
        pytest.param("[app] = [1]", id="list-target"),
        pytest.param("def app(environ, start_response): ...", id="function"),
        pytest.param("async def app(scope, receive, send): ...", id="async-function"),
        pytest.param("class app: ...", id="class"),
        pytest.param("import app", id="import"),
        pytest.param("import app.main", id="import-of-a-submodule"),
        pytest.param("import mysite.wsgi as app", id="import-as"),
        pytest.param("from site import app", id="from-import"),
        pytest.param("from site import application as app", id="from-import-as"),
        pytest.param("if x:\n app = 1", id="if"),
        pytest.param("if x:\n pass\nelif y:\n pass\nelse:\n app = 1", id="else"),
        pytest.param("try:\n app = 1\nfinally:\n pass", id="try"),
        pytest.param("try:\n pass\nexcept E:\n app = 1", id="except"),
        pytest.param("try:\n pass\nexcept E:\n pass\nelse:\n app = 1", id="try-else"),
        pytest.param("try:\n pass\nfinally:\n app = 1", id="finally"),
        pytest.param("with x:\n app = 1", id="with"),
        pytest.param("with make() as app:\n pass", id="with-as"),
        pytest.param("for app in x:\n pass", id="for-target"),
        pytest.param("for a in x:\n app = a", id="for-body"),
        pytest.param("while x:\n app = 1", id="while"),
        pytest.param("match x:\n case 1:\n  app = 1", id="match"),
        pytest.param("(app := Flask(__name__))", id="walrus"),
        pytest.param("\ufeffapp = 1", id="byte-order-mark"),
        pytest.param("app = 1\r\nx = 2\r\n", id="windows-lines"),
        pytest.param(r"app = '\d'", id="a-line-python-itself-warns-of"),
    ],
)
def test_a_name_of_the_module_is_found_wherever_it_is_bound(file: Path, text: str) -> None:
    """Names bound in the module's own scope are certain."""
    names = names_in(file, text)
    assert names.error == ""
    assert not names.open_ended
    assert names.has_certain("app")
    assert names.has("app")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty-file"),
        pytest.param("app: Flask", id="annotation-without-a-value"),
        pytest.param("app.debug = True", id="attribute"),
        pytest.param("apps['app'] = 1", id="item"),
        pytest.param("apps[app] = 1", id="used-as-a-key"),
        pytest.param("def make():\n app = 1", id="local-of-a-function"),
        pytest.param("class Site:\n app = 1", id="attribute-of-a-class"),
        pytest.param("'app = 1'", id="string"),
        pytest.param("# app = 1", id="comment"),
        pytest.param("App = 1", id="other-case"),
        pytest.param("from app import main", id="module-it-is-taken-from"),
        pytest.param("import app as main", id="renamed-import"),
        pytest.param("import site.app", id="submodule"),
    ],
)
def test_what_is_no_name_of_the_module_is_not_found(file: Path, text: str) -> None:
    """A local, an attribute or a mention is not a name of the module: no server would find it."""
    names = names_in(file, text)
    assert names.error == ""
    assert not names.has("app")
    assert not names.has_certain("app")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("from site import *", id="star-import"),
        pytest.param("if x:\n from site import *", id="star-import-in-an-if"),
        pytest.param("def __getattr__(name): ...", id="module-getattr"),
        pytest.param("x = 1\n" + "#" * HUGE, id="longer-than-is-read"),
    ],
)
def test_where_more_names_may_come_a_name_is_possible_but_not_certain(
    file: Path, text: str
) -> None:
    """If the text cannot tell, there is no warning; `*` is not a name."""
    names = names_in(file, text)
    assert names.error == ""
    assert names.open_ended
    assert names.has("app")
    assert not names.has_certain("app")
    assert "*" not in names.names


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"x = 1\napp = (\n", "line 2: '(' was never closed", id="syntax-error"),
        pytest.param(b"print 'hello'\n", "line 1: ", id="python-2"),
        pytest.param(b"app = 1\0\n", "null bytes", id="nul"),
        pytest.param("app = 1\n".encode("utf-16"), "encoding is UTF-16", id="utf-16"),
        pytest.param(b'app = "\xe9"\n', "encoding", id="latin-1-undeclared"),
        pytest.param(b"# coding: nope\napp = 1\n", "unknown encoding", id="unknown-encoding"),
        pytest.param(b"# coding: hex\napp = 1\n", "hex", id="no-text-encoding"),
        pytest.param(b"# coding: undefined\napp = 1\n", "undefined", id="undefined-encoding"),
        pytest.param(b"# coding: idna\napp = '\xff'\n", "handling", id="encoding-without-replace"),
        pytest.param(b"(" * 10_000 + b")" * 10_000, "nested", id="ten-thousand-brackets"),
        pytest.param(b"app = " + b"-" * 100_000 + b"1", "", id="hundred-thousand-signs"),
    ],
)
def test_a_file_that_is_no_python_gives_its_error_and_no_name(
    file: Path, data: bytes, reason: str
) -> None:
    """The error is in words; any name is possible, none is certain."""
    file.write_bytes(data)
    names = read_names(file)
    assert names.error
    assert reason in names.error
    assert names.names == {}
    assert names.has("app")
    assert not names.has_certain("app")


def test_an_encoding_that_is_declared_is_followed(file: Path) -> None:
    """A declared encoding also applies to the names."""
    file.write_bytes("# -*- coding: latin-1 -*-\ncafé = 'é'\n".encode("latin-1"))
    assert read_names(file) == Names({"café": ""})


def test_a_thousand_elif_are_read_to_the_last(file: Path) -> None:
    """They are nested a thousand deep, too deep for recursion in Python."""
    text = "if x: pass\n" + "elif x: pass\n" * 1_500 + "else: app = 1\n"
    names = names_in(file, text)
    assert names.error == ""
    assert names.has_certain("app")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("missing.py", id="missing"),
        pytest.param(".", id="folder"),
        pytest.param("a" * 300, id="name-too-long"),
        pytest.param("a\0b", id="nul-in-the-name"),
    ],
)
def test_what_cannot_be_opened_is_an_error_in_the_answer(tmp_path: Path, name: str) -> None:
    """Neither function raises, for any path."""
    assert read_names(tmp_path / name).error
    assert not is_fastapi(tmp_path / name)


def test_the_files_own_warnings_stay_unseen(
    file: Path, recwarn: pytest.WarningsRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reading a file does not print Python's warnings about its backslashes."""
    names_in(file, r"app = '\d'" + "\napp is 1\n")
    assert not recwarn.list
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        pytest.param("site = Flask(__name__)", ["site"], id="flask"),
        pytest.param("site = flask.Flask(__name__)", ["site"], id="flask-by-its-module"),
        pytest.param("site: Flask = Flask(__name__)", ["site"], id="annotated"),
        pytest.param("(site := Flask(__name__))", ["site"], id="walrus"),
        pytest.param("x = AppServiceMiddleware(y)", ["x"], id="wrapped"),
        pytest.param("x = get_wsgi_application()", ["x"], id="django"),
        pytest.param("x = create_app()", ["x"], id="made-by-a-factory"),
        pytest.param("from site import application", ["application"], id="usual-name"),
        pytest.param("def create_app(): ...", ["create_app()"], id="factory"),
        pytest.param(
            "def make_app(): ...\napi = 1\nsite = Flask(__name__)",
            ["site", "api", "make_app()"],
            id="the-likeliest-first",
        ),
        pytest.param("application = Flask(__name__)", ["application"], id="named-once"),
        pytest.param("site = Blueprint('x')\nx = 1\ny = f()()", [], id="none"),
    ],
)
def test_what_else_may_be_the_app_is_named(file: Path, text: str, candidates: list[str]) -> None:
    """Candidates come by class or factory, then by name; factories come last."""
    assert names_in(file, text).app_candidates() == candidates


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        pytest.param(b"from fastapi import FastAPI", True, id="from"),
        pytest.param(b"import fastapi", True, id="import"),
        pytest.param(b"x = (\n# import fastapi", True, id="words-in-a-comment-of-no-python"),
        pytest.param(b"\xff\0 import fastapi", True, id="bytes-that-are-no-text"),
        pytest.param(b"# coding: undefined\nimport fastapi", True, id="odd-encoding"),
        pytest.param(b"# coding: idna\nimport fastapi # \xff", True, id="undecodable"),
        pytest.param(b"import fastapi\nfrom flask import x", False, id="flask-too"),
        pytest.param(b"import fastapi\nimport flask", True, id="import-flask-does-not-count"),
        pytest.param("import fastapi".encode("utf-16"), False, id="utf-16"),
        pytest.param(b"import  fastapi", False, id="two-blanks"),
        pytest.param(b"from starlette import x", False, id="another-framework"),
        pytest.param(b"", False, id="empty"),
    ],
)
def test_fastapi_is_told_by_the_same_words_as_the_script_tells_it(
    file: Path, data: bytes, answer: bool
) -> None:
    """Bytes are compared without parsing: a comment counts, and `from flask` excludes FastAPI."""
    file.write_bytes(data)
    assert is_fastapi(file) is answer


def test_no_more_of_a_file_is_read_than_the_limit(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file at the limit is parsed; with one more byte its names are unknown."""
    text = "app = 1\n"
    monkeypatch.setattr(python_files, "_MAX_BYTES", len(text))
    assert names_in(file, text).has_certain("app")
    assert not names_in(file, text + "#").has_certain("app")


HEADS = st.sampled_from(
    [b"", b"\xef\xbb\xbf", b"# coding: latin-1\n", b"# coding: utf-7\n", b"# coding: idna\n"]
)


@given(head=HEADS, body=st.binary(max_size=200))
def test_no_bytes_make_a_reader_raise(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, body: bytes
) -> None:
    """Any bytes give names, or an error and no names."""
    file = tmp_path_factory.getbasetemp() / "any.py"
    file.write_bytes(head + body)
    names = read_names(file)
    assert not (names.error and names.names)
    assert isinstance(is_fastapi(file), bool)


@given(text=st.text("appx =:()[]{},*\n\t.'\"#@\\;ifor", max_size=60))
def test_there_is_an_error_exactly_where_python_has_one(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """A file that Python parses gives only real names; one that it refuses gives an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except SyntaxError:
            valid = False
        else:
            valid = True
    names = names_in(tmp_path_factory.getbasetemp() / "text.py", text)
    assert (names.error == "") is valid
    assert all(name.isidentifier() for name in names.names)
