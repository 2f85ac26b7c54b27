"""The platform's own command for a detected app: its arguments, and what they mean."""

from __future__ import annotations

import pytest

from appsvc_runtime.startup.command import split
from appsvc_runtime.startup.gunicorn import (
    gunicorn_command,
    gunicorn_environment,
    not_read,
    notes,
    refused,
)

START = "--timeout 600 --access-logfile '-' --error-logfile '-'"
MULTI = "PYTHON_ENABLE_GUNICORN_MULTIWORKERS"
WORKERS = "PYTHON_GUNICORN_CUSTOM_WORKER_NUM"
THREADS = "PYTHON_GUNICORN_CUSTOM_THREAD_NUM"
IMAGES = "-c /opt/startup/gunicorn.conf.py"
CONFIG = "PYTHON_USE_GUNICORN_CONFIG_FROM_PATH"


@pytest.mark.parametrize(
    ("settings", "middle"),
    [
        pytest.param({}, f"{IMAGES} --workers=9", id="nothing-set"),
        pytest.param({"PORT": "80"}, f"{IMAGES} --workers=9", id="port-is-a-variable"),
        pytest.param({CONFIG: "conf.py"}, "-c conf.py --workers=9", id="config"),
        pytest.param({CONFIG: ""}, "--workers=9", id="no-config"),
        pytest.param({MULTI: "true"}, f"{IMAGES} --workers=9", id="switched-on"),
        pytest.param({MULTI: ""}, f"{IMAGES} --workers=9", id="switch-empty"),
        pytest.param({MULTI: "false", WORKERS: "3", THREADS: "5"}, IMAGES, id="switched-off"),
        pytest.param({MULTI: "0"}, IMAGES, id="zero"),
        pytest.param({MULTI: "F"}, IMAGES, id="letter"),
        pytest.param({WORKERS: "3"}, f"{IMAGES} --workers=3", id="workers"),
        pytest.param({WORKERS: ""}, f"{IMAGES} --workers=9", id="workers-empty"),
        pytest.param({THREADS: "5"}, f"{IMAGES} --workers=9 --threads=5", id="threads"),
        pytest.param(
            {CONFIG: "c.py", MULTI: "true", WORKERS: "3", THREADS: "5", "PORT": "90"},
            "-c c.py --workers=3 --threads=5",
            id="everything",
        ),
        pytest.param(
            {"GUNICORN_CMD_ARGS": "--workers 7"}, f"{IMAGES} --workers=9", id="own-is-overwritten"
        ),
    ],
)
def test_gunicorns_variable_is_the_scripts(settings: dict[str, str], middle: str) -> None:
    """The order is the script's: logs, configuration, workers (four cores), folder."""
    expected = f"{START} {middle} --chdir=/site"
    assert gunicorn_environment(settings, "/site", 4) == expected


def test_the_command_is_one_line_of_shell() -> None:
    """The variable is in double quotes, which work with the script's single quotes."""
    line = gunicorn_command("app:app", f"{START} --chdir=/site")
    assert split(line) == [
        "GUNICORN_CMD_ARGS=--timeout 600 --access-logfile '-' --error-logfile '-' --chdir=/site",
        "gunicorn",
        "app:app",
    ]


def told(**settings: str) -> str:
    return "\n".join(notes(settings, 4))


def test_what_the_command_means() -> None:
    """The number of workers and its reason, the folder, the configuration that counts."""
    assert "9 gunicorn workers (2 * 4 cores of this machine + 1)" in told()
    assert "APP_PATH is /tmp/<id> for a site that was built, else /home/site/wwwroot." in told()
    assert "configured by the image, in /opt/startup/gunicorn.conf.py" in told()
    assert f"3 gunicorn workers (by {WORKERS})" in told(**{WORKERS: "3"})
    assert f"One gunicorn worker, by {MULTI}." in told(**{MULTI: "false"})
    assert "configured by the image" not in told(**{CONFIG: "conf.py"})


def test_a_file_that_is_not_read() -> None:
    """Only the image's own file takes its place; a setting of the user's is the user's choice."""
    assert "gunicorn.conf.py is not read: gunicorn gets the image's own" in not_read({})[0]
    assert not_read({CONFIG: "conf.py"}) == not_read({CONFIG: ""}) == []


@pytest.mark.parametrize("text", ["yes", "TrUe", " true", "2"])
def test_a_switch_that_the_script_refuses(text: str) -> None:
    """The script ends, whatever the user means: that is a warning."""
    assert "neither true nor false" in refused({MULTI: text})[0]
    assert refused({MULTI: "T"}) == refused({MULTI: ""}) == refused({}) == []
