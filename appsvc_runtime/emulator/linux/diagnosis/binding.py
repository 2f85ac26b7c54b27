"""How each server is told to listen on all addresses and on the port in PORT. Pure."""

from __future__ import annotations

import re

from ....startup.command import split

__all__ = ["listen_on"]

_HOST_AND_PORT = "--host 0.0.0.0 --port $PORT"
_BIND = "--bind 0.0.0.0:$PORT"
# By the program, or by `python -m`; a second word is the program's own command.
_OPTIONS = {
    "gunicorn": _BIND,
    "hypercorn": _BIND,
    "uvicorn": _HOST_AND_PORT,
    "granian": _HOST_AND_PORT,
    "appsvc serve": _HOST_AND_PORT,
    "appsvc_runtime serve": _HOST_AND_PORT,
    "flask run": _HOST_AND_PORT,
    "fastapi run": _HOST_AND_PORT,
    "fastapi dev": _HOST_AND_PORT,
    "waitress-serve": "--listen=*:$PORT",
    "waitress": "--listen=*:$PORT",
    "daphne": "-b 0.0.0.0 -p $PORT",
    "manage.py runserver": "python manage.py runserver 0.0.0.0:$PORT",
}
# The commands of a line; `2>&1` is a part of one.
_BETWEEN = re.compile(r"&&|\|\||[;\n]|(?<![>&])&(?![>&])")
_VARIABLE = re.compile(r"[A-Za-z_]\w*=")
_PYTHON = re.compile(r"python[\d.]*")


def listen_on(command: str, which: str = "") -> str:
    """Return what to do, as a sentence, so that a command line listens where it should.

    `which` is a clause about the port.
    """
    start = f"Have it listen on 0.0.0.0 and the port in PORT{which}"
    words = _last_command(command)
    options = _options(words)
    if options:
        return f"{start}: {options}."
    if len(words) > 1 and _PYTHON.fullmatch(_name(words[0])):
        script = next((word for word in words[1:] if word.endswith(".py")), "")
        if script and _name(script) != "manage.py" and not {"-m", "-c"}.intersection(words):
            return (
                f'{start}: in {script}, pass host="0.0.0.0" and port=int(os.environ["PORT"]) to '
                "its run()."
            )
    return f"{start}."


def _last_command(line: str) -> list[str]:
    """Return the words of the last command of a line, without what only waits or reads."""
    parts = [part.partition("|")[0] for part in _BETWEEN.split(line)]
    found = [words for part in parts if (words := split(part)) and words != ["wait"]]
    words = found[-1] if found else []
    while words and (words[0] in ("exec", "env", "nohup") or _VARIABLE.match(words[0])):
        words = words[1:]
    return words


def _options(words: list[str]) -> str:
    """Return the options of the first server that a command names, "" if it names none."""
    names = [_name(word) for word in words]
    for index, name in enumerate(names):
        if name in _OPTIONS:
            return _OPTIONS[name]
        for following in names[index + 1 :]:
            # Between them may be options: `flask --app shop run`.
            if f"{name} {following}" in _OPTIONS:
                return _OPTIONS[f"{name} {following}"]
    return ""


def _name(word: str) -> str:
    return word.rpartition("/")[2]
