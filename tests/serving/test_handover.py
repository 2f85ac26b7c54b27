"""The handover of a plan to the process that serves; nothing of it remains in the environment."""

from __future__ import annotations

import json
import os

import pytest

from appsvc_runtime.serving import handover
from appsvc_runtime.serving.servers import SERVERS
from tests.support.plans import planned

PLAN = "APPSVC_LAUNCH_PLAN"
ACCESS_LOG = "APPSVC_ACCESS_LOG"


@pytest.mark.parametrize("server", SERVERS)
def test_a_plan_arrives_once(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is unchanged, and the variables of the process are restored."""
    plan = planned({"PORT": "81", "APPSVC_LOG_PROBES": "1"}, server, workers=2)
    monkeypatch.setattr(os, "environ", {"A": "b"})
    os.environ.update(handover.write(plan, os.environ))
    taken = handover.take()
    assert taken is not None
    assert taken.given == {"APPSVC_WORKERS": 2}
    for name in vars(plan):
        if name != "warnings":  # these have been printed
            assert getattr(taken, name) == getattr(plan, name)
    assert os.environ == {"A": "b"}
    assert handover.take() is None


def test_writing_changes_no_variable() -> None:
    """Only the started program gets the variable."""
    before = dict(os.environ)
    assert PLAN in handover.write(planned({}, "waitress"), os.environ)
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[]", "null", "7", '{"app": "app:app"}', '{"own": {"more": 1}}', '{"own": 5}'],
)
def test_what_is_no_plan_of_this_release_is_left_out(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is also removed: gunicorn re-executes itself with the variables of an older release."""
    monkeypatch.setenv(PLAN, text)
    assert handover.take() is None
    assert PLAN not in os.environ


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "x"), ("workers", None), ("address", None), ("began", "x"), ("warmup_path", 5),
     ("named", 1), ("own", {"location": 5}), ("given", [])],
)  # fmt: skip
def test_a_plan_with_a_value_of_another_type_is_left_out(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gunicorn would make a traceback of it."""
    monkeypatch.setattr(os, "environ", handover.write(planned({}, "gunicorn"), {}))
    os.environ[PLAN] = json.dumps({**json.loads(os.environ[PLAN]), name: value})
    assert handover.take() is None


def test_a_text_without_end_is_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """As deep as a variable can be."""
    monkeypatch.setenv(PLAN, "[" * 100_000)
    assert handover.take() is None


@pytest.mark.parametrize("before", [None, "", " "])
@pytest.mark.parametrize("fails", [False, True])
def test_access_lines_are_switched_on_for_a_while(
    before: str | None, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is set while the app is imported, as its own middlewares read it.

    It is also restored if the import fails.
    """
    monkeypatch.delenv(ACCESS_LOG, raising=False)
    if before is not None:
        monkeypatch.setenv(ACCESS_LOG, before)
    plan = planned({}, "waitress")
    try:
        with handover.access_lines(plan):
            assert os.environ[ACCESS_LOG] == "true"
            if fails:
                raise LookupError
    except LookupError:
        assert fails
    assert os.environ.get(ACCESS_LOG) == before


@pytest.mark.parametrize(("container", "variable"), [(True, "false"), (False, None), (True, "yes")])
def test_what_the_user_says_of_access_lines_stays(
    container: bool, variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's value is not changed, and nothing is set if no lines are wanted."""
    monkeypatch.delenv(ACCESS_LOG, raising=False)
    if variable is not None:
        monkeypatch.setenv(ACCESS_LOG, variable)
    plan = planned(os.environ, "waitress", container=container)
    with handover.access_lines(plan):
        assert os.environ.get(ACCESS_LOG) == variable
    assert os.environ.get(ACCESS_LOG) == variable
