"""The steps of a build, in the platform's order, and why a step is run or not.

Reads the folder's files; runs nothing. The rules are those of Oryx's build script
(github.com/microsoft/Oryx: BaseBashBuildScript.sh.tpl, PythonBashBuildSnippet.sh.tpl,
PreAndPostBuildCommandHelper.cs in src/BuildScriptGenerator).
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ....azure.names import VIRTUAL_ENVIRONMENT
from ....system import own_files
from .contents import count
from .local_sources import PROJECT_FILES, LocalSources, in_project, in_variables
from .requirements import Requirements, read_requirements

__all__ = [
    "Packages",
    "Step",
    "choose_packages",
    "collect_static",
    "shell_step",
    "split_commands",
    "words",
]

CUSTOM_REQUIREMENTS = "CUSTOM_REQUIREMENTSTXT_PATH"
_POST_BUILD = ("POST_BUILD_COMMAND", "POST_BUILD_SCRIPT_PATH")
_DISABLE_COLLECTSTATIC = "DISABLE_COLLECTSTATIC"
_FAST_BUILD = "PYTHON_FAST_BUILD_ENABLED"
_LOOK_ABOVE = "Its output is above."


@dataclass(frozen=True)
class Step:
    """One command of a build. `hint`: what to do if it fails.

    If the first word of `argv` is `python` or `uv`, it means the virtual environment's Python or
    uv.
    """

    name: str
    argv: tuple[str, ...]
    hint: str = _LOOK_ABOVE
    shown: str = ""


@dataclass(frozen=True)
class Packages:
    """How the packages are installed: the `kind`, its steps, and when they are kept.

    `digest`: covers all that decides what is installed. `fixed`: the same digest means the same
    packages, as long as `sources`, the digest of folders elsewhere, is the same. `uncached`: pip
    must not use or keep wheels of earlier builds. `fallback` are the steps to try if the last of
    `steps` fails.
    """

    kind: str
    file: str
    steps: tuple[Step, ...]
    digest: str = ""
    sources: str = ""
    fixed: bool = False
    uncached: bool = False
    names_own: bool = False
    fallback: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()
    requirements: Requirements | None = None


def choose_packages(
    folder: Path, settings: Mapping[str, str], variables: Mapping[str, str] | None = None
) -> Packages:
    """Return how the packages of the site in `folder` are installed: by the first file that exists.

    `variables` are those of the steps; pip and uv read some of them.
    """
    packages, local = _choose(folder, settings, variables or {})
    if packages.kind == "none":
        return packages
    # Not the machine's variables: they name an index of its user, like any other index.
    local.update(in_variables(settings, folder))
    counted = count(local, folder)
    return replace(
        packages,
        digest=f"{packages.digest} {counted.archives}",
        sources=counted.sources,
        fixed=packages.fixed,
        uncached=counted.uncached,
    )


def _choose(
    folder: Path, settings: Mapping[str, str], variables: Mapping[str, str]
) -> tuple[Packages, LocalSources]:
    name = settings.get(CUSTOM_REQUIREMENTS) or "requirements.txt"
    warnings = []
    if settings.get(_FAST_BUILD, "").strip().lower() == "true":
        warnings.append(f"{_FAST_BUILD} is set: the platform installs with uv, here pip does.")
    if (folder / name).is_file():
        return _by_requirements(folder, name, warnings, variables)
    if settings.get(CUSTOM_REQUIREMENTS):
        warnings.append(
            f"{CUSTOM_REQUIREMENTS} names {name}, which does not exist: requirements.txt is not "
            "used in its place."
        )
    if (folder / "setup.py").is_file():
        steps = (
            Step("packages", ("python", "-m", "pip", "install", "setuptools")),
            Step(
                "packages",
                ("python", "-m", "pip", "install", ".", "--prefer-binary"),
                "Fix setup.py until `pip install .` works.",
            ),
        )
        packages = Packages("setup.py", "setup.py", steps, warnings=tuple(warnings))
        return _by_project(folder, packages)
    if (folder / "pyproject.toml").is_file():
        return _by_project(folder, _by_pyproject(folder, warnings))
    warnings.append(
        "The site has no requirements.txt, setup.py or pyproject.toml: no package is installed."
    )
    packages = Packages("none", "", (), digest="none", fixed=True, warnings=tuple(warnings))
    return packages, LocalSources()


def _by_project(folder: Path, packages: Packages) -> tuple[Packages, LocalSources]:
    """Add the digest of the project's files, and return what they name on this disk."""
    texts = []
    for name in PROJECT_FILES:
        try:
            text = (folder / name).read_text("utf-8", "replace")
        except OSError:
            text = ""
        texts.append(text)
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()
    return replace(packages, digest=digest), in_project(folder, texts)


def _by_requirements(
    folder: Path, name: str, warnings: list[str], variables: Mapping[str, str]
) -> tuple[Packages, LocalSources]:
    try:
        read = read_requirements(folder / name, folder, variables)
    except OSError:
        read = None  # pip reports why
    step = Step(
        "packages",
        ("python", "-m", "pip", "install", "--prefer-binary", "-r", name),
        f"Fix {name}: try `pip install -r {name}` in a new virtual environment.",
    )
    packages = Packages(
        "requirements",
        name,
        (step,),
        digest=read.digest if read else "",
        fixed=read.fixed if read else False,
        names_own=read.names_own if read else False,
        warnings=(*warnings, *(read.warnings if read else ())),
        requirements=read,
    )
    return packages, read.local if read else LocalSources()


def _by_pyproject(folder: Path, warnings: list[str]) -> Packages:
    if (folder / "uv.lock").is_file():
        step = Step(
            "packages",
            ("uv", "sync", "--active", "--link-mode", "copy"),
            "Bring uv.lock up to date with `uv lock`.",
        )
        return Packages("uv", "uv.lock", (step,), warnings=tuple(warnings))
    install = Step("packages", ("python", "-m", "pip", "install", "poetry"))
    steps = (
        install,
        Step("packages", ("python", "-m", "poetry", "install", "--only", "main")),
    )
    fallback = (
        Step("packages", ("python", "-m", "pip", "install", "poetry==1.8.5")),
        Step(
            "packages",
            ("python", "-m", "poetry", "install", "--no-dev"),
            "The platform installs a pyproject.toml without uv.lock with Poetry: fix it, add a "
            "uv.lock, or write a requirements.txt.",
        ),
    )
    return Packages("poetry", "pyproject.toml", steps, fallback=fallback, warnings=tuple(warnings))


def collect_static(
    folder: Path, settings: Mapping[str, str], packages: Packages
) -> tuple[Step | None, str]:
    """Return the step that collects Django's static files, or None; and a line to print."""
    if settings.get(_DISABLE_COLLECTSTATIC, "").strip().lower() == "true":
        return None, f"collectstatic is not run, because of {_DISABLE_COLLECTSTATIC}."
    read = packages.requirements
    if not (folder / "manage.py").is_file():
        deeper = _deeper_manage_py(folder)
        done = any("collectstatic" in settings.get(name, "") for name in _POST_BUILD)
        if done or not deeper or read is None or not read.mentions_django:
            return None, ""
        command = shlex.join(["python", deeper, "collectstatic", "--noinput"])
        return None, (
            f"Warning: collectstatic is not run: {deeper} is not in the site's own folder, where "
            f"the platform looks for manage.py. Set POST_BUILD_COMMAND to `{command}` if your "
            "static files are missing."
        )
    if read is None or not read.mentions_django:
        file = settings.get(CUSTOM_REQUIREMENTS) or "requirements.txt"
        why = "does not exist" if read is None else "does not mention Django"
        if read is not None and read.encoding in ("utf-16", "utf-32"):
            why = f"is in {read.encoding.upper()}, in whose bytes the platform finds no Django"
        return None, (
            f"Warning: collectstatic is not run: manage.py exists, but {file} {why}. Add django "
            "to it, saved as UTF-8, if your static files are missing."
        )
    return (
        Step("collectstatic", ("python", "manage.py", "collectstatic", "--noinput")),
        "",
    )


def _deeper_manage_py(folder: Path) -> str:
    """Return the manage.py in a folder directly in the site, the first by name, or ""."""
    found = sorted(path.relative_to(folder) for path in folder.glob("*/manage.py"))
    own = (path for path in found if path.parts[0] != VIRTUAL_ENVIRONMENT)
    return next((path.as_posix() for path in own), "")


def shell_step(when: str, folder: Path, settings: Mapping[str, str], shell: str) -> Step | None:
    """Return the step of `PRE_BUILD_…` or `POST_BUILD_…` (`when`: PRE or POST), or None.

    The script wins over the command. A value that names a file is made executable and run as a
    script.
    """
    for name in (f"{when}_BUILD_SCRIPT_PATH", f"{when}_BUILD_COMMAND"):
        text = settings.get(name, "").strip()
        if not text:
            continue
        path = folder / text
        hint = f"Fix the command or script in {name}, or try it in the built folder."
        try:
            if path.is_file():
                # A file outside the copy is the user's own.
                own_files.make_executable(folder, path)
                quoted = shlex.quote(os.path.abspath(path))
                return Step(f"{when.lower()}-build", (shell, "-ec", quoted), hint, text)
        except (OSError, ValueError):
            pass  # not the name of a file
        commands = "\n".join(split_commands(text))
        return Step(f"{when.lower()}-build", (shell, "-ec", commands), hint, text)
    return None


def split_commands(text: str) -> list[str]:
    """Split a text at commas into commands, except at those in quotes or brackets.

    The documentation separates commands with commas; the build script itself runs the text as one
    shell command, so a comma that the shell needs must stay.
    """
    commands, start, quote, depth = [], 0, "", 0
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "," and depth <= 0:
            commands.append(text[start:at])
            start = at + 1
        else:
            depth += (letter in "({[") - (letter in ")}]")
    commands.append(text[start:])
    return [command.strip() for command in commands if command.strip()]


def words(step: Step, python: str, uv: Sequence[str]) -> tuple[str, ...]:
    """Return the command of a step, with the path of the environment's Python or of uv."""
    first, *rest = step.argv
    if first == "python":
        return (python, *rest)
    if first == "uv":
        return (*uv, *rest)
    return step.argv
