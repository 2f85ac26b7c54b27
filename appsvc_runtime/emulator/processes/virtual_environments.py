"""Where the virtual environments of a project are: active, in its folder, or a tool's own.

Looks at files, and runs Poetry and Pipenv to find theirs. Must not know what is run in one.
Sources: uv's "Python environments" and UV_PROJECT_ENVIRONMENT; Poetry's EnvManager and Pipenv's
Project.virtualenv_location for names and for the content of a file `.venv`; conda's own variables.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigError
from ...system import folders
from ...system.plain_file import read_plain
from .asking import ask_program

__all__ = ["Environment", "built_for", "find_environments", "locate_python"]

_NAMES = (".venv", "venv", "env", ".env")
_MARKER = "pyvenv.cfg"
_REPOSITORY = (".git", ".hg")
_PROJECT = ("pyproject.toml", "uv.lock", "poetry.lock", "Pipfile")
_DEEPEST = 16
_MAX_TEXT = 4096
_TIMEOUT = 30
_NAME = re.compile(r"^\s*name\s*=\s*[\"']([^\"']+)[\"']", re.MULTILINE)
_SECTION = re.compile(r"^\[(?:tool\.poetry|project)\]\s*$(.*?)(?=^\[|\Z)", re.MULTILINE | re.DOTALL)
_POETRYS = re.compile(r"^\[tool\.poetry[.\]]", re.MULTILINE)
_AGAIN = "Make it again, or name another interpreter with --python."


@dataclass(frozen=True)
class Environment:
    """A possible environment: its folder, and its name in messages."""

    folder: Path
    called: str


def find_environments(
    site: Path, environ: Mapping[str, str], *, ask: bool = True
) -> Iterator[Environment]:
    """Yield the environments of a site, the most likely first.

    These are the active one, then those in the site's folder, then those in the folders above it
    that belong to the same project. With `ask`, run Poetry and Pipenv if they are installed. Raise
    ConfigError for a file `.venv` without a valid folder.
    """
    if environ.get("VIRTUAL_ENV"):
        yield Environment(Path(environ["VIRTUAL_ENV"]), f"VIRTUAL_ENV ({environ['VIRTUAL_ENV']})")
    conda = environ.get("CONDA_PREFIX", "")
    is_base = environ.get("CONDA_DEFAULT_ENV", "base") == "base"
    if conda and not is_base:
        yield Environment(Path(conda), f"CONDA_PREFIX ({conda})")
    for folder in _project_folders(site):
        where = "the site" if folder == site else str(folder)
        yield from _in_folder(folder, where, environ)
        yield from _of_tools(folder, environ, ask=ask)
    if conda and is_base:  # most users of conda have it active all the time
        yield Environment(Path(conda), f"conda's base ({conda})")


def locate_python(environment: Environment) -> str:
    """Return an environment's interpreter; raise ConfigError, one sentence, if it cannot run."""
    folder, called = environment.folder, environment.called
    if not folder.is_dir():
        link = f"leads to {os.readlink(folder)}, which " if folder.is_symlink() else ""
        raise ConfigError(f"{called} {link}does not exist.", hint=_AGAIN)
    python = folders.python_in(folder)
    if python.is_file():
        if not os.access(python, os.X_OK):
            raise ConfigError(f"{called}: {python} may not be run by this user.", hint=_AGAIN)
        return str(python)
    if python.is_symlink():
        target = os.readlink(python)
        raise ConfigError(
            f"{called} is broken: its interpreter leads to {target}, which does not exist.",
            hint=_AGAIN,
        )
    foreign = folders.foreign_python_in(folder)
    if foreign.exists():
        made = f"on {folders.other_systems()} ({foreign.relative_to(folder)})"
        raise ConfigError(f"{called} was made {made} and cannot run here.", hint=_AGAIN)
    inside = python.relative_to(folder)
    raise ConfigError(f"{called} is broken: it holds no {inside}.", hint=_AGAIN)


def built_for(environment: Environment) -> tuple[int, ...] | None:
    """Return the Python version that an environment was made for, if it is recorded there."""
    try:
        text = read_plain(environment.folder / _MARKER, _MAX_TEXT).decode("utf-8", "replace")
    except OSError:
        return None
    found = re.search(
        r"^version(?:_info)?[ \t]*=[ \t]*(\d{1,3}(?:\.\d{1,3}){1,2})", text, re.M | re.A
    )
    return tuple(map(int, found[1].split("."))) if found else None


def _project_folders(site: Path) -> Iterator[Path]:
    """Yield the site's folder and those above it up to the repository's, or the project's.

    Skip folders that another user could have written to: an interpreter in them will be run.
    """
    above = [site, *list(site.parents)[:_DEEPEST]]
    home = Path(os.path.expanduser("~"))
    last = 0
    for number, folder in enumerate(above):
        if number and (folder == home or folder.parent == folder or not _is_trusted(folder, site)):
            break
        if any((folder / name).exists() for name in (*_REPOSITORY, *_PROJECT)):
            last = number
            if any((folder / name).exists() for name in _REPOSITORY):
                break
    yield from above[: last + 1]


def _is_trusted(folder: Path, site: Path) -> bool:
    try:
        status, own = folder.stat(), site.stat()
    except OSError:
        return False
    return folders.has_one_writer(status, own)


def _in_folder(folder: Path, where: str, environ: Mapping[str, str]) -> Iterator[Environment]:
    named = environ.get("UV_PROJECT_ENVIRONMENT", "")
    made = folder / named
    if named and _is_uv_project(folder) and made.is_dir():
        yield Environment(made, f"UV_PROJECT_ENVIRONMENT ({made})")
    for name in _NAMES:
        path = folder / name
        if name == ".venv" and path.is_file():
            yield _named_by(path, where, environ)
        elif _is_environment(path) or (name == ".venv" and os.path.lexists(path)):
            yield Environment(path, f"{name} of {where}")


def _is_uv_project(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("pyproject.toml", "uv.lock"))


def _is_environment(folder: Path) -> bool:
    return (folder / _MARKER).is_file() or any(
        python.exists() for python in (folders.python_in(folder), folders.foreign_python_in(folder))
    )


def _named_by(file: Path, where: str, environ: Mapping[str, str]) -> Environment:
    """Return the environment in a file `.venv`, which holds a path or, for Pipenv, a name."""
    try:
        text = read_plain(file, _MAX_TEXT).decode("utf-8", "replace").strip()
    except OSError as error:
        raise ConfigError(
            f"The file .venv of {where} cannot be read: {error.strerror}.",
            hint="Name an interpreter with --python.",
        ) from None
    for folder in _meant_by(text, file, environ):
        if folder != file and folder.is_dir():
            return Environment(folder, f".venv of {where} ({folder})")
    shown = repr(text[:80]) if text else "nothing"
    raise ConfigError(
        f"The file .venv of {where} names {shown}, which is not a folder.",
        hint="Write the environment's folder into it, or name an interpreter with --python.",
    )


def _meant_by(text: str, file: Path, environ: Mapping[str, str]) -> list[Path]:
    """Return the folders that the text of a file `.venv` may mean, the likeliest first."""
    if not text or not text.isprintable():
        return []
    named = [file.parent / os.path.expanduser(text)]
    if re.search(r"[\\/]", text):
        return named
    homes = [Path(environ["WORKON_HOME"])] if environ.get("WORKON_HOME") else []
    homes += [Path("~/.local/share/virtualenvs"), Path("~/.virtualenvs")]
    return named + [home.expanduser() / text for home in homes]


def _of_tools(folder: Path, environ: Mapping[str, str], *, ask: bool) -> Iterator[Environment]:
    """Yield the environments that Poetry and Pipenv keep elsewhere for a project."""
    try:
        project = read_plain(folder / "pyproject.toml").decode("utf-8", "replace")
    except OSError:
        project = ""
    if (folder / "poetry.lock").is_file() or _POETRYS.search(project):
        made = _ask(["poetry", "env", "info", "--path"], folder, environ) if ask else None
        made = made or _poetry_cache(folder, project, environ)
        if made is not None:
            yield Environment(made, f"Poetry's environment {made}")
    if ask and (folder / "Pipfile").is_file():
        made = _ask(["pipenv", "--venv"], folder, environ)
        if made is not None:
            yield Environment(made, f"Pipenv's environment {made}")


def _ask(argv: list[str], folder: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the folder that a tool prints; None if the tool is missing or has none."""
    found = shutil.which(argv[0], path=environ.get("PATH"))
    if found is None or Path(os.path.abspath(found)).is_relative_to(folder):
        return None  # a program inside the site must not be run only to find an environment
    variables = {**environ, "PIPENV_VERBOSITY": "-1"}
    printed = ask_program([found, *argv[1:]], environ=variables, seconds=_TIMEOUT, cwd=folder)
    lines = (printed or "").strip().splitlines()
    with contextlib.suppress(OSError, ValueError):
        if lines and Path(lines[-1]).is_dir():
            return Path(lines[-1])
    return None


def _poetry_cache(folder: Path, project: str, environ: Mapping[str, str]) -> Path | None:
    """Return the environment in Poetry's cache folder, by the name that Poetry derives."""
    base = _poetry_name(folder, project)
    cache = _poetry_folder(environ)
    if not base or cache is None:
        return None
    try:
        made = [path for path in cache.iterdir() if path.name.startswith(f"{base}-py")]
        chosen = cache / "envs.toml"
        text = chosen.read_text("utf-8", "replace") if chosen.is_file() else ""
    except OSError:
        return None
    active = re.search(
        rf"^\[\"?{re.escape(base)}\"?\][^\[]*?^minor\s*=\s*\"([\d.]+)\"", text, re.M | re.S
    )
    if active and (named := cache / f"{base}-py{active[1]}") in made:
        return named
    return max(made, key=lambda path: path.stat().st_mtime, default=None)


def _poetry_name(folder: Path, project: str) -> str:
    """Return Poetry's name of a project's environment, without the Python; "" if not a project."""
    names = [found[1] for part in _SECTION.findall(project) if (found := _NAME.search(part))]
    if not names:
        return ""
    key = hashlib.sha256(os.fsencode(os.path.normcase(os.path.realpath(folder)))).digest()
    clean = re.sub(r'[ $`!*@"\\\r\n\t]', "_", names[0].lower())[:42]
    return f"{clean}-{base64.urlsafe_b64encode(key).decode()[:8]}"


def _poetry_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the folder of Poetry's environments, or None without a known home folder."""
    if environ.get("POETRY_VIRTUALENVS_PATH"):
        return Path(environ["POETRY_VIRTUALENVS_PATH"])
    home = environ.get("POETRY_CACHE_DIR") or folders.user_cache(environ, "pypoetry")
    return Path(home, "virtualenvs") if home is not None else None
