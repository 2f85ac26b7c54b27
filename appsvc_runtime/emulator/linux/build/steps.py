"""The steps of a build, in the platform's order, and why there is one or none.

Looks at the folder's files; runs nothing. The rules are those of Oryx's build script
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
_LOOK_ABOVE = "What it printed is above."


@dataclass(frozen=True)
class Step:
    """One command of a build. `hint`: what to do where it fails.

    Words of `argv` that are `python` or `uv` stand for the virtual environment's and for the tool.
    """

    name: str
    argv: tuple[str, ...]
    hint: str = _LOOK_ABOVE
    shown: str = ""


@dataclass(frozen=True)
class Packages:
    """How the packages are installed: the `kind`, its steps, and what decides on their being kept.

    `digest`: of all that decides what is installed; `fixed`: the same digest means the same
    packages, while `sources` is the same, that of folders elsewhere. `uncached`: pip is to keep and
    use no wheels of earlier builds. `fallback` are the steps that are tried where the last of
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
    """Return what names the packages of the site in `folder`: the first of the files that is there.

    `variables` are those of the steps, of which pip and uv read some.
    """
    packages, local = _choose(folder, settings, variables or {})
    if packages.kind == "none":
        return packages
    # What the machine's own variables name is an index of its user, as any other.
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
        warnings.append(f"{_FAST_BUILD} is set: the platform would install by uv, here pip does.")
    if (folder / name).is_file():
        return _by_requirements(folder, name, warnings, variables)
    if settings.get(CUSTOM_REQUIREMENTS):
        warnings.append(
            f"{CUSTOM_REQUIREMENTS} names {name}, which is not there: requirements.txt is not "
            "looked for in its place."
        )
    if (folder / "setup.py").is_file():
        steps = (
            Step("packages", ("python", "-m", "pip", "install", "setuptools")),
            Step(
                "packages",
                ("python", "-m", "pip", "install", ".", "--prefer-binary"),
                "Mend setup.py until `pip install .` works.",
            ),
        )
        packages = Packages("setup.py", "setup.py", steps, warnings=tuple(warnings))
        return _by_project(folder, packages)
    if (folder / "pyproject.toml").is_file():
        return _by_project(folder, _by_pyproject(folder, warnings))
    warnings.append(
        "No requirements.txt, setup.py or pyproject.toml is here: no package is installed."
    )
    packages = Packages("none", "", (), digest="none", fixed=True, warnings=tuple(warnings))
    return packages, LocalSources()


def _by_project(folder: Path, packages: Packages) -> tuple[Packages, LocalSources]:
    """Count the files of the project, and what they name."""
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
        read = None  # pip says why
    step = Step(
        "packages",
        ("python", "-m", "pip", "install", "--prefer-binary", "-r", name),
        f"Mend {name}: try `pip install -r {name}` in a new virtual environment.",
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
            "The platform takes a pyproject.toml without uv.lock for Poetry's: mend it, add a "
            "uv.lock, or write a requirements.txt.",
        ),
    )
    return Packages("poetry", "pyproject.toml", steps, fallback=fallback, warnings=tuple(warnings))


def collect_static(
    folder: Path, settings: Mapping[str, str], packages: Packages
) -> tuple[Step | None, str]:
    """Give the step that collects Django's static files, or None; and what is to be said of it."""
    if settings.get(_DISABLE_COLLECTSTATIC, "").strip().lower() == "true":
        return None, f"collectstatic is not run, as {_DISABLE_COLLECTSTATIC} says."
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
        why = "is not there" if read is None else "does not mention Django"
        if read is not None and read.encoding in ("utf-16", "utf-32"):
            why = f"is in {read.encoding.upper()}, in whose bytes the platform sees no Django"
        return None, (
            f"Warning: collectstatic is not run: manage.py is here, but {file} {why}. Add django "
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
    """Give the step of `PRE_BUILD_…` or `POST_BUILD_…` (`when`: PRE or POST), None for none.

    The script wins over the command. What names a file is run as one, made executable.
    """
    for name in (f"{when}_BUILD_SCRIPT_PATH", f"{when}_BUILD_COMMAND"):
        text = settings.get(name, "").strip()
        if not text:
            continue
        path = folder / text
        hint = f"Mend what {name} names, or try it in the built folder."
        try:
            if path.is_file():
                # Another file than one of the copy is the user's own.
                own_files.make_executable(folder, path)
                quoted = shlex.quote(os.path.abspath(path))
                return Step(f"{when.lower()}-build", (shell, "-ec", quoted), hint, text)
        except (OSError, ValueError):
            pass  # no name of a file
        commands = "\n".join(split_commands(text))
        return Step(f"{when.lower()}-build", (shell, "-ec", commands), hint, text)
    return None


def split_commands(text: str) -> list[str]:
    """Return the commands of a text in which commas part them; not those in quotes or brackets.

    The documentation has commas as what parts several commands; the build script itself takes the
    text for one of a shell, so that a comma which a shell needs must stay.
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
    """Give what a step runs, with the virtual environment's Python and the tool in their places."""
    first, *rest = step.argv
    if first == "python":
        return (python, *rest)
    if first == "uv":
        return (*uv, *rest)
    return step.argv
