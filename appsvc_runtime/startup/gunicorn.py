"""The platform's own command for a detected app: gunicorn, its arguments, and what they mean.

Pure. The arguments and their order are those of the container's start-up script (Oryx,
scriptgenerator.go). Must not know how an app is detected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..azure import names
from ..azure.booleans import parse_go

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CONFIG",
    "gunicorn_command",
    "gunicorn_config",
    "gunicorn_environment",
    "gunicorn_workers",
    "not_read",
    "notes",
    "refused",
]

# The file that gunicorn reads from its folder if it is given no other.
CONFIG = "gunicorn.conf.py"


def gunicorn_config(settings: Mapping[str, str]) -> str:
    """Return the configuration file that gunicorn is given for a detected app, or "".

    That is the image's own unless an app setting names another; an empty setting names none.
    """
    return settings.get(names.GUNICORN_CONFIG_PATH, names.IMAGE_GUNICORN_CONFIG)


def gunicorn_workers(settings: Mapping[str, str], cores: int) -> str:
    """Return the number of workers for a detected app as the script writes it, or "" for one.

    Since spring 2026 there are 2 * cores + 1 (azure.github.io/AppService, 2026-05-18); a setting
    that is false brings the one worker of before. The public script checks nothing in a number.
    """
    if parse_go(settings.get(names.ENABLE_MULTIWORKERS, "")) is False:
        return ""
    return settings.get(names.CUSTOM_WORKERS) or str(2 * cores + 1)


def gunicorn_environment(settings: Mapping[str, str], folder: str, cores: int) -> str:
    """Return the arguments that the container's script puts into `GUNICORN_CMD_ARGS`.

    `cores` sets the number of workers. The address is not among them: gunicorn takes the port from
    `PORT`. The script overwrites a user's own `GUNICORN_CMD_ARGS`.
    """
    words = [f"--timeout {names.GUNICORN_TIMEOUT} --access-logfile '-' --error-logfile '-'"]
    config = gunicorn_config(settings)
    if config:
        words.append(f"-c {config}")
    workers = gunicorn_workers(settings, cores)
    if workers:
        words.append(f"--workers={workers}")
        threads = settings.get(names.CUSTOM_THREADS)
        if threads:
            words.append(f"--threads={threads}")
    words.append(f"--chdir={folder}")
    return " ".join(words)


def gunicorn_command(arguments: str, environment: str) -> str:
    """Return the script's own shell command: the variable, gunicorn, and its arguments."""
    return f'GUNICORN_CMD_ARGS="{environment}" gunicorn {arguments}'


def notes(settings: Mapping[str, str], cores: int) -> list[str]:
    """Return what the command means for an app, one sentence each."""
    found = [
        f"{names.APP_PATH} is {names.BUILT_PARENT}/<id> for a site that was built, else "
        f"{names.SITE_FOLDER}."
    ]
    workers, config = gunicorn_workers(settings, cores), gunicorn_config(settings)
    if workers:
        own = settings.get(names.CUSTOM_WORKERS)
        why = f"by {names.CUSTOM_WORKERS}" if own else f"2 * {cores} cores of this machine + 1"
        found.append(
            f"{workers} gunicorn workers ({why}): each is a process with its own memory, and "
            "serves one request at a time."
        )
    else:
        found.append(f"One gunicorn worker, by {names.ENABLE_MULTIWORKERS}.")
    if config == names.IMAGE_GUNICORN_CONFIG:
        found.append(
            f"gunicorn is configured by the image, in {config}, not by a file of the site."
        )
    return found


def refused(settings: Mapping[str, str]) -> list[str]:
    """Return a warning if the script ends with an error, because of a setting that it reads."""
    text = settings.get(names.ENABLE_MULTIWORKERS, "")
    if not text or parse_go(text) is not None:
        return []
    return [
        f"{names.ENABLE_MULTIWORKERS} is neither true nor false to the platform's start script, "
        "which ends with an error: write true or false."
    ]


def not_read(settings: Mapping[str, str]) -> list[str]:
    """Return a warning if gunicorn does not read a gunicorn.conf.py that a site has."""
    config = gunicorn_config(settings)
    if config != names.IMAGE_GUNICORN_CONFIG:
        return []
    return [
        f"{CONFIG} is not read: gunicorn gets the image's own, {config}. To have it read, set a "
        "startup command, such as `exec appsvc serve`."
    ]
