"""The runner of blocks itself, on small pages: what it finds, runs, stops and reports."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from appsvc_runtime.system.capabilities import can_fork
from tests.docs.blocks import read
from tests.docs.test_blocks import run_console, run_python

bash = pytest.mark.skipif(not can_fork(), reason="the consoles on the pages are bash's")


def page(folder: Path, text: str) -> Path:
    """Write a page; FENCE stands for three backticks."""
    file = folder / "page.md"
    file.write_text(textwrap.dedent(text).replace("FENCE", "```"), "utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<!-- not-run: cloud -->\nFENCEconsole\n$ x\nFENCE\n", ""),
        ("<!-- not-run: cloud -->\n\n<!-- cwd: a -->\nFENCEpython\nx\nFENCE\n", ""),
        ("<!-- end -->\n<!-- a note -->\nFENCEpython\nx\nFENCE\n", ""),
        ("<!-- not-run -->\nFENCEconsole\n$ x\nFENCE\n", "p:2: `not-run` says nothing"),
        ("<!-- notrun: x -->\nFENCEconsole\n$ x\nFENCE\n", "p:1: <!-- notrun: x --> is not und"),
        ("<!-- not-run: -->\nFENCEconsole\n$ x\nFENCE\n", "`not-run` says nothing"),
        ("<!-- not-run: x -->\n\ntext\n\nFENCEconsole\n$ x\nFENCE\n", "p:5: `not-run` stands befo"),
        ("<!-- not-run: x -->\n", "p: `not-run` stands"),
        ("<!-- not-run: x -->\nFENCEtext\nx\nFENCE\n", "p:2: `not-run` stands before a block of t"),
        ("FENCEconsole\npip install x\nFENCE\n", "p:1: a console block begins with a command"),
        ("FENCEpy\nx\nFENCE\n", "p:1: the language is py; write python"),
        ("<!-- exit: one -->\nFENCEconsole\n$ x\nFENCE\n", "p:2: `exit` is 'one'; write a numb"),
        ("FENCEpython\n\nx = = 1\nFENCE\n", "p:3: this is no Python"),
        ("````text\n<!-- notskip: x -->\nFENCEpy\nFENCE\n````\n", ""),
    ],
)
def test_comments(tmp_path: Path, text: str, problem: str) -> None:
    """A comment that would be ignored is a failure with page and line."""
    problems = read(page(tmp_path, text), "p").problems
    assert len(problems) == bool(problem), problems
    assert all(problem in one for one in problems)


def test_python_blocks(tmp_path: Path) -> None:
    """Blocks share their names, know their folder, and their output is compared."""
    file = page(
        tmp_path,
        """
        FENCEpython
        import os
        from dataclasses import dataclass
        @dataclass
        class A:
            x: int
        FENCE

        <!-- cwd: examples/flask_app -->
        FENCEpython
        print(A(1), os.path.exists("app.py"))
        FENCE

        FENCEtext
        A(x=…) True
        FENCE

        <!-- file: shop/web.py -->
        FENCEpython
        app = __file__
        FENCE

        FENCEpython
        from shop import web
        print(web.app.endswith("shop/web.py"), os.listdir("shop"))
        FENCE

        Not what it prints:

        FENCEtext
        other
        FENCE

        <!-- not-run: ends the process -->
        FENCEpython
        os._exit(3)
        FENCE
        """,
    )
    assert run_python(file, "p", tmp_path) == []


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("FENCEpython\nx = 1\n\nx.no\nFENCE\n", 'p:1: the block fails. .*page.md", line 4'),
        ("FENCEpython\nraise SystemExit(0)\nFENCE\n", "p:1: the block fails"),
        ("FENCEpython\nprint(1)\nFENCE\n\nFENCEtext\n2\nFENCE\n", "p:1: the text .*shown:   2"),
        ("FENCEpython\nprint(1)\nFENCE\nFENCEtext\n1\n2\nFENCE\n", "p:1: the text behind it"),
    ],
)
def test_python_blocks_that_fail(tmp_path: Path, text: str, failure: str) -> None:
    """Failures have page and line, and state what to do."""
    (found,) = run_python(page(tmp_path, text), "p", tmp_path)
    assert re.match(failure, found, re.DOTALL), found


CONSOLE = """
<!-- file: hello.txt -->
FENCEtext
hello
FENCE

FENCEconsole
$ cat hello.txt
hello
$ export X=1 && cd examples
$ echo $X $(basename "$PWD"); pwd
1 examples
/home/you/appsvc-runtime/examples
$ false
$ echo $?
1
$ printf 'a\\nb\\nc\\n'
a
…
$ echo a \\
    b
a b
FENCE

<!-- exit: 2 -->
FENCEconsole
$ appsvc explain nowhere
Error: …
FENCE

<!-- cwd: examples/flask_app -->
FENCEconsole
$ echo "$X"; ls app.py; appsvc --version

app.py
appsvc, version …
FENCE

<!-- not-run: needs a cloud -->
FENCEconsole
$ false
FENCE
"""

SERVER = """
<!-- cwd: examples/flask_app -->
FENCEconsole
$ appsvc serve --server waitress
Serving app:app (detected: …) on http://0.0.0.0:8000 with waitress, ready after … s.
FENCE

In another terminal:

FENCEconsole
$ curl -s -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:8000/healthz
200
FENCE

FENCEconsole
$ appsvc emulate examples/flask_app
…
Ready http://127.0.0.1:8000
…
^C
…
$ curl -s http://127.0.0.1:8000/ || echo nobody
nobody
FENCE

FENCEconsole
$ appsvc serve nothing:app
…
Error: …
…
$ echo $?
4
FENCE
"""


@bash
@pytest.mark.integration
@pytest.mark.parametrize("text", [CONSOLE, SERVER], ids=["commands", "servers"])
def test_console_blocks(tmp_path: Path, text: str) -> None:
    """Commands are run, their output is compared, and a server is stopped by Ctrl-C."""
    assert run_console(page(tmp_path, text), "p", tmp_path, tmp_path) == []


@bash
@pytest.mark.integration
@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("$ echo a\nb", "p:2: the output is not what is shown.\nshown:   b\nprinted: a"),
        ("$ true\n$ false\n$ true", "p:3: `false` ended with 1 and not with 0."),
        ("$ (exit 3)\n$ (exit 1)", "p:3: `(exit 3)` ended with 3 and not with 0."),
        ("$ appsvc serve no:app", "p:2: it ended by itself, with 4."),
        ("$ appsvc emulate nowhere\nReady …", "p:2: it ended by itself, with 2."),
    ],
)
def test_console_blocks_that_fail(tmp_path: Path, text: str, failure: str) -> None:
    """Failures have page and line, and state what to do."""
    # The comment is about the last command alone.
    comment = "<!-- exit: 1 -->\n" if text.endswith("(exit 1)") else ""
    file = page(tmp_path, f"{comment}FENCEconsole\n{text}\nFENCE\n")
    found = run_console(file, "p", tmp_path, tmp_path)
    assert found[0].startswith(failure), found
