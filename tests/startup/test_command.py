"""The command line that starts a site: parsing the user's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.startup.command import (
    app_in,
    read_command,
    reads_gunicorn_config,
    split,
    timeout_in,
)

AS_IS = "the startup command is used as it is"


@pytest.mark.parametrize(
    ("command", "seconds"),
    [
        pytest.param("gunicorn --timeout 600 app:app", 600, id="long"),
        pytest.param("gunicorn --timeout=600 app:app", 600, id="long-equals"),
        pytest.param("gunicorn -t 600 app:app", 600, id="short"),
        pytest.param("gunicorn -t600 app:app", 600, id="short-joined"),
        pytest.param("gunicorn --timeout '600' app:app", 600, id="quoted"),
        pytest.param('gunicorn "--timeout=600" app:app', 600, id="quoted-option"),
        pytest.param("gunicorn app:app --timeout 0", 0, id="zero"),
        pytest.param("gunicorn --timeout 30 --timeout 600 app:app", 600, id="the-last-of-two"),
        pytest.param("gunicorn -t 600 --timeout=30 app:app", 30, id="the-last-of-two-forms"),
        pytest.param("gunicorn --timeout 30 -t x app:app", 30, id="one-of-two-is-no-number"),
        pytest.param("gunicorn --timeout 600 'app:app", 600, id="unclosed-quote"),
        pytest.param("gunicorn app:app", None, id="none"),
        pytest.param("", None, id="empty"),
        pytest.param("gunicorn --timeout", None, id="nothing-follows"),
        pytest.param("gunicorn --timeout= 600 app:app", None, id="nothing-after-equals"),
        pytest.param("gunicorn --timeout -600 app:app", None, id="negative"),
        pytest.param("gunicorn --timeout 1.5 app:app", None, id="fraction"),
        pytest.param("gunicorn --timeout 1_000 app:app", None, id="underscore"),
        pytest.param("gunicorn --timeout ٦٦٦ app:app", None, id="arabic-digits"),
        pytest.param("gunicorn -t٦٦٦ app:app", None, id="arabic-digits-joined"),
        pytest.param("gunicorn -t ² app:app", None, id="superscript"),
        pytest.param("gunicorn -t " + "9" * 5_000, None, id="five-thousand-digits"),
        pytest.param("gunicorn --threads 600 app:app", None, id="threads"),
        pytest.param("gunicorn --graceful-timeout 600 app:app", None, id="graceful-timeout"),
        pytest.param("gunicorn --graceful-timeout=600 app:app", None, id="graceful-equals"),
    ],
)
def test_the_timeout_is_read_as_gunicorn_reads_it(command: str, seconds: int | None) -> None:
    """The timeout is in whole seconds; the last one counts, and other texts are ignored."""
    assert timeout_in(command) == seconds


@pytest.mark.parametrize(
    ("command", "app"),
    [
        pytest.param("gunicorn app:app", "app:app", id="gunicorn"),
        pytest.param("gunicorn --bind=0.0.0.0 --timeout 600 app:app", "app:app", id="options"),
        pytest.param("gunicorn app:app --bind localhost:8000", "app:app", id="app-first"),
        pytest.param("gunicorn app:app -b unix:app.sock", "app:app", id="unix-socket-last"),
        pytest.param("gunicorn --chdir src site.main:api", "site.main:api", id="dotted"),
        pytest.param("gunicorn 'app:make_app(1, \"x\")'", 'app:make_app(1, "x")', id="factory"),
        pytest.param("gunicorn mysite.wsgi", "mysite.wsgi", id="django"),
        pytest.param("gunicorn -w 2 a.b.wsgi --log-level debug", "a.b.wsgi", id="django-deep"),
        pytest.param("uvicorn mysite.asgi --port 80", "mysite.asgi", id="django-asgi"),
        pytest.param("gunicorn mysite.wsgi:application", "mysite.wsgi:application", id="both"),
        pytest.param(
            "gunicorn -c python:appsvc_runtime.gunicorn_conf app:app", "app:app", id="config"
        ),
        pytest.param(
            "gunicorn -c python:appsvc_runtime.gunicorn_conf mysite.wsgi",
            "mysite.wsgi",
            id="config-and-django",
        ),
        pytest.param("gunicorn -c file:conf.py", None, id="config-alone"),
        pytest.param(
            "gunicorn -k uvicorn_worker.UvicornWorker main:app", "main:app", id="worker-class"
        ),
        pytest.param("/antenv/bin/gunicorn app:app", "app:app", id="full-path"),
        pytest.param("python -m gunicorn app:app", "app:app", id="as-a-module"),
        pytest.param("cd src && exec gunicorn app:app", "app:app", id="after-cd"),
        pytest.param('GUNICORN_CMD_ARGS="-w 2" gunicorn app:app', "app:app", id="variable"),
        pytest.param("uvicorn main:app --host 0.0.0.0", "main:app", id="uvicorn"),
        pytest.param("hypercorn main:app", "main:app", id="hypercorn"),
        pytest.param("granian --interface wsgi main:app", "main:app", id="granian"),
        pytest.param("waitress-serve --port=8000 app:app", "app:app", id="waitress"),
        pytest.param("appsvc serve app:app", "app:app", id="appsvc"),
        pytest.param("appsvc serve", None, id="appsvc-detects"),
        pytest.param("gunicorn 'app:app", None, id="unclosed-quote"),
        pytest.param("gunicorn", None, id="no-app"),
        pytest.param("gunicorn app.py", None, id="a-file"),
        pytest.param("gunicorn app", None, id="a-bare-module"),
        pytest.param("gunicorn äpp:app", None, id="non-ascii"),
        pytest.param("gunicron app:app", None, id="typo"),
        pytest.param("python app.py", None, id="python"),
        pytest.param("echo app:app", None, id="no-server"),
        pytest.param("", None, id="empty"),
    ],
)
def test_the_app_is_the_word_that_names_one_for_a_server(command: str, app: str | None) -> None:
    """`module:attr` or Django's module; addresses, sockets and configuration are not apps."""
    assert app_in(command) == app


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("a 'b c' \"d e\"", ["a", "b c", "d e"], id="quotes"),
        pytest.param("a 'b c", ["a", "'b", "c"], id="unclosed"),
        pytest.param("a b\\", ["a", "b\\"], id="backslash-at-the-end"),
        pytest.param("a # b", ["a", "#", "b"], id="no-comments"),
        pytest.param("  ", [], id="blank"),
    ],
)
def test_a_line_is_split_as_a_shell_does_and_else_at_blanks(text: str, words: list[str]) -> None:
    """A line that a shell would refuse still gives words."""
    assert split(text) == words


@pytest.mark.parametrize(
    ("content", "line", "empty"),
    [
        pytest.param(b"gunicorn app:app", "gunicorn app:app", False, id="one-line"),
        pytest.param(b"gunicorn a:b\ngunicorn c:d\n", "gunicorn a:b", False, id="first-of-two"),
        pytest.param(b"gunicorn app:app\r\n# x\r\n", "gunicorn app:app", False, id="windows-lines"),
        pytest.param(b"\xef\xbb\xbfgunicorn app:app", "gunicorn app:app", False, id="bom"),
        pytest.param(b"  gunicorn app:app \n", "gunicorn app:app", False, id="blanks-around"),
        pytest.param(b"echo \xff\n", "echo \ufffd", False, id="no-utf-8"),
        pytest.param(b"x" * 9_000, "x" * 8_192, False, id="endless-line"),
        pytest.param(b"", "", True, id="empty"),
        pytest.param(b"\ngunicorn app:app\n", "", True, id="first-line-empty"),
        pytest.param(b"\xef\xbb\xbf", "", True, id="nothing-but-a-bom"),
    ],
)
def test_of_a_file_the_first_line_is_run(
    tmp_path: Path, content: bytes, line: str, empty: bool
) -> None:
    """A byte order mark and blanks are dropped; an empty line is a warning."""
    (tmp_path / "startup.txt").write_bytes(content)
    rule = "the startup command names startup.txt, whose first line is run"
    problems = ["The first line of startup.txt is empty: nothing would be run."] if empty else []
    assert read_command("startup.txt", tmp_path) == (line, rule, problems)


def test_a_script_is_run_and_not_read(tmp_path: Path) -> None:
    """The lines of a `.sh` file are not read."""
    (tmp_path / "run.sh").write_text("#!/bin/sh\nexec gunicorn app:app\n")
    assert read_command("run.sh", tmp_path) == (
        "run.sh",
        "the startup command names the script run.sh, which is run",
        [],
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("gunicorn app:app", id="several-words"),
        pytest.param("folder", id="folder"),
        pytest.param("startup.txt now", id="file-and-more"),
        pytest.param("gunicorn 'app:app", id="unclosed-quote"),
        pytest.param("a\0b", id="nul"),
        pytest.param("a" * 5_000, id="longer-than-any-name"),
        pytest.param("", id="empty"),
    ],
)
def test_anything_else_is_used_as_it_is(tmp_path: Path, text: str) -> None:
    """Any other command is used unchanged, without a search for a file."""
    (tmp_path / "startup.txt").write_text("gunicorn app:app")
    (tmp_path / "folder").mkdir()
    assert read_command(text, tmp_path) == (text, AS_IS, [])


def test_a_file_in_a_folder_or_with_a_blank_in_its_name_is_found(tmp_path: Path) -> None:
    """The words are split as by a shell."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "my start.txt").write_text("gunicorn app:app")
    line, _, problems = read_command("'deploy/my start.txt'", tmp_path)
    assert (line, problems) == ("gunicorn app:app", [])


def test_a_file_that_cannot_be_read_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warning has the system's reason, and says that nothing would be run."""
    (tmp_path / "startup.txt").write_text("gunicorn app:app")

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    _, rule, problems = read_command("startup.txt", tmp_path)
    assert rule == "the startup command names the file startup.txt"
    assert problems == ["startup.txt cannot be read (Permission denied): nothing would be run."]


LINES = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(["gunicorn", "-t", "--timeout", "--timeout=", "'", '"', "\\"]) | st.text()
    ).map(" ".join),
)


@given(text=LINES)
def test_no_text_makes_a_reader_raise(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Each function returns a result for any line, and the app is a word of it."""
    seconds, app = timeout_in(text), app_in(text)
    assert seconds is None or seconds >= 0
    assert app is None or app in split(text)
    site = tmp_path_factory.getbasetemp() / "empty-site"
    site.mkdir(exist_ok=True)
    assert read_command(text, site)[:2] == (text, AS_IS)


@pytest.mark.parametrize("text", ["startup.tx", "/home/site/wwwroot/run.sh"])
def test_a_file_that_is_not_there_is_said(tmp_path: Path, text: str) -> None:
    """A missing file is a warning; the command is used anyway, as on the platform."""
    command, rule, problems = read_command(text, tmp_path)
    assert (command, rule) == (text, AS_IS)
    assert [text.rpartition("/")[2] in problem for problem in problems] == [True]


def test_the_sites_own_folder_in_a_command_is_the_site(tmp_path: Path) -> None:
    """In the container, the site is /home/site/wwwroot."""
    (tmp_path / "startup.txt").write_text("gunicorn app:app")
    command, _, problems = read_command("/home/site/wwwroot/startup.txt", tmp_path)
    assert (command, problems) == ("gunicorn app:app", [])


@pytest.mark.parametrize(
    ("command", "reads"),
    [
        pytest.param("gunicorn app:app", True, id="gunicorn"),
        pytest.param("exec antenv/bin/gunicorn -w 4 app:app", True, id="path"),
        pytest.param("exec appsvc serve", True, id="serve"),
        pytest.param("appsvc serve --server waitress", False, id="another-server"),
        pytest.param("gunicorn -c conf.py app:app", False, id="named"),
        pytest.param("gunicorn -cconf.py app:app", False, id="joined"),
        pytest.param("gunicorn --config=conf.py app:app", False, id="long"),
        pytest.param("gunicorn --config conf.py app:app", False, id="long-word"),
        pytest.param("uvicorn main:app", False, id="uvicorn"),
        pytest.param("appsvc emulate", False, id="another-command"),
        pytest.param("./start.sh", False, id="script"),
    ],
)
def test_which_commands_read_gunicorns_file(command: str, reads: bool) -> None:
    """gunicorn finds the file in its folder unless it is given another."""
    assert reads_gunicorn_config(command) is reads
