r"""What to emulate of a Cloud Service: its worker roles and their instances, all checked.

Looks at files and makes the folders that the fabric makes for an instance; starts nothing. Must not
know of processes. Sources: the templates' `ps.cmd` and LaunchWorker.ps1; the schemas of
ServiceDefinition.csdef and ServiceConfiguration.cscfg.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ConfigError
from ...findings import Finding, errors
from ...redaction import masking
from ..processes.interpreter import app_environ
from ..processes.project_python import ProjectPython, choose_python
from . import definition as roles_definition
from . import folders
from .definition import DEFINITION
from .entry_point import read_entry_point
from .instance import Instance, plan_instance
from .model import Role, RoleConfiguration
from .worker_command import template_command

__all__ = ["RoleOptions", "RolePlan", "find_definition", "make_role_plan"]

# The local one first, as in Microsoft's own emulator.
CONFIGURATIONS = ("ServiceConfiguration.Local.cscfg", "ServiceConfiguration.cscfg",
                  "ServiceConfiguration.Cloud.cscfg")  # fmt: skip
_SCRIPT = "worker.py"
_END = "31 March 2027"


@dataclass(frozen=True)
class RoleOptions:
    """A user's options; all but the folder have a default.

    `settings` are ConfigurationSettings, and also variables. `instances`: None for the number in
    the configuration, else 1.
    """

    folder: Path
    python: str = ""
    settings: Sequence[tuple[str, str]] = field(default=(), repr=False)
    instances: int | None = None


@dataclass(frozen=True)
class RolePlan:
    """The instances to run, and findings about the project."""

    instances: tuple[Instance, ...]
    findings: tuple[Finding, ...]
    python: ProjectPython


def make_role_plan(options: RoleOptions, environ: Mapping[str, str]) -> RolePlan:
    """Check a project and return what to run; `environ` holds this process's own variables.

    The folder has a ServiceDefinition.csdef, or is a role's own with a worker.py. Raise ConfigError
    if nothing can be run.
    """
    site = Path(os.path.abspath(options.folder))
    _check_folder(site)
    python = choose_python(site, options.python, environ)
    environ = app_environ(environ, python.interpreter)
    definition = find_definition(site)
    roles: tuple[Role, ...]
    configurations: dict[str, RoleConfiguration] = {}
    findings: tuple[Finding, ...] = ()
    if definition is None:
        roles = (_bare_role(site),)
    else:
        roles, configurations, findings = _read(site, definition)
    deployment = f"deployment({uuid.uuid5(uuid.NAMESPACE_URL, str(site)).hex[:8]})"
    instances: list[Instance] = []
    told: list[Finding] = []
    for role in roles:
        configuration = configurations.get(role.name) or RoleConfiguration(role.name)
        settings = {
            **dict.fromkeys(role.settings, ""),
            **configuration.settings,
            **dict(options.settings),
        }
        root = _role_root(site, role)
        count = options.instances or configuration.instances
        told += _told(role, definition)
        for number in range(count):
            label = role.name if len(roles) == 1 and count == 1 else f"{role.name}_{number}"
            made, more = plan_instance(
                role,
                number,
                label,
                root,
                site,
                python,
                deployment,
                settings,
                options.settings,
                environ,
            )
            instances.append(made)
            told += more if number == 0 else []
    return RolePlan(tuple(instances), (*findings, *told, _end(definition or site)), python)


def _check_folder(site: Path) -> None:
    if not site.is_dir():
        what = "is a file, not a folder" if site.exists() else "does not exist"
        raise ConfigError(
            f"The project folder {str(site)!r} {what}.", hint="Name the folder with the role in it."
        )


def find_definition(site: Path) -> Path | None:
    """Return a project's ServiceDefinition.csdef, or None."""
    return folders.find(site, DEFINITION)


def _read(
    site: Path, definition: Path
) -> tuple[tuple[Role, ...], dict[str, RoleConfiguration], tuple[Finding, ...]]:
    """Return the roles that run Python; raise ConfigError if there are none."""
    roles, findings = roles_definition.read_definition(folders.read(definition), definition.name)
    configurations, more = _read_configurations(site, definition, roles)
    findings = (*findings, *more)
    fit = tuple(role for role in roles if read_entry_point(role.command_line) is not None)
    if not fit:
        wrong = list(errors(findings) or findings)
        why = "; ".join(f"{finding.where}: {finding.message}" for finding in wrong)
        raise ConfigError(
            f"{definition} has no worker role that Python runs{f': {why}' if why else '.'}",
            hint=r"Write an entry point as bin\ps.cmd LaunchWorker.ps1 worker.py.",
        )
    return fit, configurations, findings


def _read_configurations(
    site: Path, definition: Path, roles: Iterable[Role]
) -> tuple[dict[str, RoleConfiguration], tuple[Finding, ...]]:
    file = next((found for name in CONFIGURATIONS if (found := folders.find(site, name))), None)
    if file is None:
        return {}, ()
    read, findings = roles_definition.read_configuration(folders.read(file), file.name)
    configurations = {one.name: one for one in read}
    known = {role.name for role in roles}
    unknown = [
        Finding(
            "unknown-role",
            "warning",
            file.name,
            f"The role {name!r} is not in {definition.name}: it is ignored.",
        )
        for name in configurations
        if name not in known
    ]
    return configurations, (*findings, *unknown)


def _bare_role(site: Path) -> Role:
    """Return the role of a folder without a definition, as in the templates."""
    command = template_command(site)
    if command.endswith(_SCRIPT) and not (site / _SCRIPT).is_file():
        raise ConfigError(
            f"There is no {DEFINITION} in {site}, and no {_SCRIPT}, which would make it a role.",
            hint="Name the project's folder, or the role's.",
        )
    return Role(name=site.name, command_line=command, ready_on_start=True)


def _role_root(site: Path, role: Role) -> Path:
    """Return the folder that becomes approot: one with the role's name, or the project's."""
    for above in (site, site.parent):
        folder = folders.find(above, role.name)
        if folder is not None and folder.is_dir():
            return folder
    return site


def _end(file: Path) -> Finding:
    """Return the finding that this host comes to an end, once for a project."""
    message = f"Microsoft's date for the end of Cloud Services (extended support) is {_END}."
    return Finding("end", "warning", file.name, message, "Plan to move this worker to a WebJob.")


def _told(role: Role, definition: Path | None) -> list[Finding]:
    """Return findings about parts of a role that are not emulated."""
    where = f"{definition.name}:{role.line}" if definition else role.name
    return [
        Finding(
            "startup-task",
            "warning",
            f"{definition.name}:{task.line}" if definition else where,
            f'The startup task "{masking.mask_command(task.command_line)}" is not run here.',
            "Install its packages for the interpreter that --python names.",
        )
        for task in role.startup
    ]
