"""One instance of a worker role: its command line, its variables, its folders.

Makes the folders that the fabric makes for it; starts nothing. Must not know of the definition's
XML or of other roles.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ConfigError
from ...findings import Finding
from ..processes import requirement
from ..processes.environment import plain_environ
from ..processes.project_python import ProjectPython
from . import folders
from .definition import DEFINITION
from .entry_point import python_arguments
from .model import Role
from .xpath import InstanceFacts, resolve_xpath

__all__ = ["Instance", "plan_instance"]

_VARIABLE = re.compile(r"%([^%=]+)%")
# Fault and update domains of the fabric: the least numbers.
_FAULT_DOMAINS, _UPDATE_DOMAINS = 2, 5


@dataclass(frozen=True)
class Instance:
    """One instance of a role: a command line, its variables, its folders.

    `shown` is the command line of the definition, in which variables are not replaced: they may be
    secrets. `root` is the role root, in which the command runs, `log_folder` is where ps.cmd
    writes, `cleaned` are the folders that are emptied when the instance is recycled.
    """

    label: str
    argv: tuple[str, ...]
    shown: str
    environ: Mapping[str, str] = field(repr=False)
    root: Path = Path()
    log_folder: Path = Path()
    cleaned: tuple[Path, ...] = ()


def plan_instance(
    role: Role,
    number: int,
    label: str,
    root: Path,
    site: Path,
    python: ProjectPython,
    deployment: str,
    settings: Mapping[str, str],
    own_variables: Sequence[tuple[str, str]],
    environ: Mapping[str, str],
) -> tuple[Instance, list[Finding]]:
    """Return instance `number` of a role, with its folders made, and findings about it.

    `settings` are its ConfigurationSettings, `own_variables` are set after the definition's,
    `environ` holds this process's. Raise ConfigError if its entry point gives Python nothing to
    run.
    """
    name = f"{role.name}_IN_{number}"
    own = folders.make_folders(site, name, root, role)
    storage = {one.name: f"{own / 'LocalStorage' / one.name}{os.sep}" for one in role.storage}
    known = _facts(role, number, f"{deployment}.{site.name}.{name}", deployment, settings, storage)
    given, findings = _given_variables(role, known, python)
    variables = {
        **plain_environ(environ),
        **_fabric_variables(known, own),
        **given,
        **dict(own_variables),
        "PYTHON": python.path,
    }
    words = _words(role)
    arguments = [_local(_expand(word, variables), root) for word in words]
    requirement.need_runtime(
        python.interpreter, role.name, requirement.runtime_in(arguments), root, variables
    )
    if arguments[0].endswith(".py") and not (root / arguments[0]).is_file():
        message = f"The script {words[0]} of the entry point is not in {root}."
        findings.append(Finding("no-script", "warning", role.name, message))
    return (
        Instance(
            label=label,
            argv=(python.path, *arguments),
            shown=f"python {' '.join(words)}",
            environ=variables,
            root=root,
            log_folder=own / "DiagnosticStore" / "LogFiles",
            cleaned=tuple(Path(storage[one.name]) for one in role.storage if one.clean),
        ),
        findings,
    )


def _words(role: Role) -> list[str]:
    words = python_arguments(role.command_line)
    if not words:
        raise ConfigError(
            f"The entry point of {role.name} gives Python nothing to run.",
            hint=r"Write it as bin\ps.cmd LaunchWorker.ps1 worker.py.",
        )
    return words


def _facts(
    role: Role,
    number: int,
    instance_id: str,
    deployment: str,
    settings: Mapping[str, str],
    storage: Mapping[str, str],
) -> InstanceFacts:
    return InstanceFacts(
        deployment_id=deployment,
        instance_id=instance_id,
        role_name=role.name,
        emulated=True,
        fault_domain=number % _FAULT_DOMAINS,
        update_domain=number % _UPDATE_DOMAINS,
        settings=settings,
        storage=storage,
        storage_mb={one.name: one.size_mb for one in role.storage},
        endpoints={
            one.name: (one.protocol, "127.0.0.1", one.local_port or one.port or 0)
            for one in role.endpoints
        },
    )


def _fabric_variables(known: InstanceFacts, own: Path) -> dict[str, str]:
    """Return the variables of the fabric and its scripts; `own` is the instance's folder."""
    return {
        "PYTHONUNBUFFERED": "1",  # output is shown as it comes
        "DiagnosticStore": str(own / "DiagnosticStore"),
        "RoleDeploymentID": known.deployment_id,
        "RoleInstanceID": known.instance_id,
        "RoleName": known.role_name,
        "RoleRoot": str(own),
        "TEMP": str(own / "temp"),
        "TMP": str(own / "temp"),
        "TMPDIR": str(own / "temp"),
        "EMULATED": "true",
    }


def _given_variables(
    role: Role, known: InstanceFacts, python: ProjectPython
) -> tuple[dict[str, str], list[Finding]]:
    """Return the definition's variables, and findings about them."""
    variables: dict[str, str] = {}
    findings: list[Finding] = []
    for variable in role.variables:
        value = resolve_xpath(variable.xpath, known) if variable.value is None else variable.value
        if value is None:
            message = f"The variable {variable.name} is not set: {variable.xpath!r} has no value."
            hint = "Declare what the xpath names, or set a value."
            findings.append(Finding("xpath", "warning", role.name, message, hint))
        elif variable.name.upper() == "PYTHON":
            message = f"PYTHON is {python.path} here, not the value in {DEFINITION}."
            findings.append(Finding("python", "warning", role.name, message))
        else:
            variables[variable.name] = value
    return variables, findings


def _expand(word: str, variables: Mapping[str, str]) -> str:
    """Replace %NAME% as cmd does, in any letter case; unknown names stay."""
    upper = {name.upper(): value for name, value in variables.items()}
    return _VARIABLE.sub(lambda found: upper.get(found[1].upper(), found[0]), word)


def _local(word: str, root: Path) -> str:
    """Return a Windows path as a local one, if there is such a file."""
    other = word.replace("\\", os.sep)
    return other if other != word and (root / other).exists() else word
