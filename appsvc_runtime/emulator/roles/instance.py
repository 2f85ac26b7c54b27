"""One instance of a worker role: its command line, its variables, its folders.

Makes the folders that the fabric makes for it; starts nothing. Must not know of the definition's
XML or of other roles.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...findings import Finding
from ..processes import requirement
from ..processes.environment import plain_environ
from ..processes.project_python import ProjectPython
from . import folders
from .definition import DEFINITION
from .model import Role
from .worker_command import find_worker_command
from .xpath import InstanceFacts, resolve_xpath

__all__ = ["Instance", "plan_instance"]

# Fault and update domains of the fabric: the least numbers.
_FAULT_DOMAINS, _UPDATE_DOMAINS = 2, 5


@dataclass(frozen=True)
class Instance:
    """One instance of a role: a command line, its variables, its folders.

    `shown` is the command line as it is written, in which variables are not replaced: they may be
    secrets. It runs in `folder`. ps.cmd writes its output into files in `log_folder`, whose names
    begin with `log_name`. `cleaned` are emptied when the instance is recycled.
    """

    label: str
    argv: tuple[str, ...]
    shown: str
    environ: Mapping[str, str] = field(repr=False)
    folder: Path = Path()
    log_folder: Path = Path()
    log_name: str = ""
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
    command = find_worker_command(role, root, variables)
    variables |= command.variables
    requirement.need_runtime(
        python.interpreter,
        role.name,
        requirement.runtime_in(command.arguments),
        command.folder,
        variables,
    )
    return (
        Instance(
            label=label,
            argv=(python.path, *command.arguments),
            shown=f"python {' '.join(command.shown)}",
            environ=variables,
            folder=command.folder,
            log_name=command.log,
            log_folder=own / "DiagnosticStore" / "LogFiles",
            cleaned=tuple(Path(storage[one.name]) for one in role.storage if one.clean),
        ),
        [*findings, *command.findings],
    )


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
