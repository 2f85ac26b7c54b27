"""How a site's packages are installed: by which file, with which tool, and what else if that fails.

Reads the folder's files; runs nothing. The rules are those of Oryx's build script
(github.com/microsoft/Oryx, src/BuildScriptGenerator/Python/PythonBashBuildSnippet.sh.tpl).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ....redaction.masking import mask_command
from ....system import exact_names
from .. import booleans
from .contents import count
from .local_sources import PROJECT_FILES, LocalSources, in_project, in_variables
from .requirement_files import refuse_special
from .requirements import Requirements, read_requirements
from .steps import CUSTOM_REQUIREMENTS, Step

__all__ = ["CUSTOM_COMMAND", "Packages", "choose_packages", "pip_install", "uv_install"]

CUSTOM_COMMAND = "CUSTOM_BUILD_COMMAND"
REQUIREMENTS = "requirements.txt"
pip_install = ("python", "-m", "pip", "install")
uv_install = ("uv", "pip", "install")
# uv reads none of these, so that it does not find what pip would.
_PIP_INDEXES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS")


@dataclass(frozen=True)
class Packages:
    """How the packages are installed: the `kind`, its steps, and when they are kept.

    `digest`: covers all that decides what is installed. `fixed`: the same digest means the same
    packages, as long as `sources`, the digest of folders elsewhere, is the same. `uncached`: pip
    must not use or keep wheels of earlier builds, `uncached_by_uv`: nor must uv. `fallback` are the
    steps to try if the last of `steps` fails; `retry` is then printed, with {code} for its exit
    code. `before` is printed first. `by_uv`: uv makes the virtual environment. `repeated`: the
    steps are run in each build. `requirements` are what was read of the requirements file, if it
    exists.
    """

    kind: str
    file: str
    steps: tuple[Step, ...]
    digest: str = ""
    sources: str = ""
    fixed: bool = False
    uncached: bool = False
    uncached_by_uv: bool = False
    names_own: bool = False
    fallback: tuple[Step, ...] = ()
    retry: str = ""
    before: tuple[str, ...] = ()
    by_uv: bool = False
    repeated: bool = False
    warnings: tuple[str, ...] = ()
    requirements: Requirements | None = None


def choose_packages(
    folder: Path, settings: Mapping[str, str], variables: Mapping[str, str] | None = None
) -> Packages:
    """Return how the packages of the site in `folder` are installed: by the first file that exists.

    `variables` are those of the steps; pip and uv read some of them. Raise ConfigError for files
    and settings that no tool can use.
    """
    packages, local = _choose(folder, settings, variables or {})
    if packages.kind == "none":
        return packages
    # Not the machine's variables: they name an index of its user, like any other index.
    named = in_variables(settings, folder)
    for path in named.files:
        refuse_special(path, str(path))
    local.update(named)
    counted = count(local, folder)
    return replace(
        packages,
        digest=f"{packages.digest} {counted.archives}",
        sources=counted.sources,
        uncached=counted.uncached,
        uncached_by_uv=counted.uncached or counted.uncached_by_uv,
    )


def _has(folder: Path, name: str) -> bool:
    return (folder / name).exists() and exact_names.is_listed(folder, name)


def _choose(
    folder: Path, settings: Mapping[str, str], variables: Mapping[str, str]
) -> tuple[Packages, LocalSources]:
    name = settings.get(CUSTOM_REQUIREMENTS) or REQUIREMENTS
    found = _has(folder, name)
    if settings.get(CUSTOM_COMMAND, "").strip():
        return _by_command(folder, name if found else "", settings, variables)
    if found:
        return _by_requirements(folder, name, settings, variables)
    warnings = []
    if settings.get(CUSTOM_REQUIREMENTS):
        warnings.append(
            f"{CUSTOM_REQUIREMENTS} names {name}, which does not exist: requirements.txt is not "
            "used in its place."
        )
    if _has(folder, "setup.py"):
        steps = (
            Step("packages", (*pip_install, "setuptools")),
            Step(
                "packages",
                (*pip_install, ".", "--prefer-binary"),
                "Fix setup.py until `pip install .` works.",
            ),
        )
        packages = Packages("setup.py", "setup.py", steps, warnings=tuple(warnings))
        return _by_project(folder, packages)
    if _has(folder, "pyproject.toml"):
        return _by_project(folder, _by_pyproject(folder, settings, warnings))
    warnings.append(
        "The site has no requirements.txt, setup.py or pyproject.toml: no package is installed."
    )
    packages = Packages("none", "", (), digest="none", fixed=True, warnings=tuple(warnings))
    return packages, LocalSources()


def _by_command(
    folder: Path, name: str, settings: Mapping[str, str], variables: Mapping[str, str]
) -> tuple[Packages, LocalSources]:
    """Return the user's own command, which takes the place of every other way."""
    command = settings[CUSTOM_COMMAND]
    shell = shutil.which("bash", path=variables.get("PATH")) or "sh"
    read = read_requirements(folder / name, folder, variables) if name else None
    step = Step(
        "packages",
        (shell, "-ec", command),
        f"Fix the command in {CUSTOM_COMMAND}, or try it in the built folder.",
        command,
    )
    packages = Packages(
        "command",
        "",
        (step,),
        digest=hashlib.sha256(command.encode("utf-8", "surrogateescape")).hexdigest(),
        before=(f"Running custom build command '{mask_command(command)}'...",),
        repeated=True,
        requirements=read,
    )
    return packages, LocalSources()


def _by_project(folder: Path, packages: Packages) -> tuple[Packages, LocalSources]:
    """Add the digest of the project's files, and return what they name on this disk."""
    texts = []
    for name in PROJECT_FILES:
        refuse_special(folder / name, name)
        try:
            text = (folder / name).read_text("utf-8", "replace")
        except OSError:
            text = ""
        texts.append(text)
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "replace")).hexdigest()
    return replace(packages, digest=digest), in_project(folder, texts)


def _by_requirements(
    folder: Path, name: str, settings: Mapping[str, str], variables: Mapping[str, str]
) -> tuple[Packages, LocalSources]:
    try:
        read = read_requirements(folder / name, folder, variables)
    except OSError:
        read = None  # pip reports why
    pip = Step(
        "packages",
        (*pip_install, "--prefer-binary", "-r", name),
        f"Fix {name}: try `pip install -r {name}` in a new virtual environment.",
    )
    packages = Packages(
        "requirements",
        name,
        (pip,),
        digest=read.digest if read else "",
        fixed=read.fixed if read else False,
        names_own=read.names_own if read else False,
        warnings=read.warnings if read else (),
        before=("Running pip install...",),
        requirements=read,
    )
    if booleans.is_on(settings, booleans.FAST_BUILD):
        packages = _fast(packages, name, pip, settings)
    return packages, read.local if read else LocalSources()


def _fast(packages: Packages, name: str, pip: Step, settings: Mapping[str, str]) -> Packages:
    """Return the same with uv first, in the platform's words."""
    uv = Step("packages", (*uv_install, "--compile-bytecode", "-r", name), pip.hint)
    unread = [found for found in _PIP_INDEXES if settings.get(found)]
    warnings = [
        f"uv, which is tried first, does not read {', '.join(unread)}: put the option into "
        f"{name}, or set {booleans.FAST_BUILD}=false."
    ]
    return replace(
        packages,
        digest=f"{packages.digest} uv",
        steps=(uv,),
        fallback=(pip,),
        retry="uv pip install failed with exit code {code}, falling back to pip install...",
        before=("Fast build is enabled", "Running uv pip install..."),
        warnings=(*packages.warnings, *(warnings if unread else ())),
    )


def _by_pyproject(folder: Path, settings: Mapping[str, str], warnings: list[str]) -> Packages:
    if _has(folder, "uv.lock"):
        step = Step(
            "packages",
            ("uv", "sync", "--active", "--link-mode", "copy"),
            "Bring uv.lock up to date with `uv lock`.",
        )
        return Packages(
            "uv",
            "uv.lock",
            (step,),
            before=("Detected uv.lock. Installing dependencies with uv...",),
            by_uv=not booleans.is_on(settings, booleans.PLAIN_VENV),
            warnings=tuple(warnings),
        )
    steps = (
        Step("packages", (*pip_install, "poetry")),
        Step("packages", ("python", "-m", "poetry", "install", "--only", "main")),
    )
    fallback = (
        Step("packages", (*pip_install, "poetry==1.8.5")),
        Step(
            "packages",
            ("python", "-m", "poetry", "install", "--no-dev"),
            "The platform installs a pyproject.toml without uv.lock with Poetry: fix it, add a "
            "uv.lock, or write a requirements.txt.",
        ),
    )
    return Packages(
        "poetry",
        "pyproject.toml",
        steps,
        fallback=fallback,
        retry="poetry install failed with --only main flag, falling back to --no-dev",
        warnings=tuple(warnings),
    )
