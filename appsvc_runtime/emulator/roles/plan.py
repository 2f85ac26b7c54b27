r"""What is to be emulated of a Cloud Service: its worker roles, their instances, all checked.

Looks at files and makes the folders that the fabric gives an instance; starts nothing. Must not
know of processes. Sources: the templates' `ps.cmd` and LaunchWorker.ps1; the schemas of
ServiceDefinition.csdef and ServiceConfiguration.cscfg.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ConfigError
from ...findings import Finding, errors
from ..processes import requirement
from ..processes.environment import plain_environ
from ..processes.interpreter import app_environ
from ..processes.project_python import ProjectPython, choose_python
from . import definition as roles_definition
from . import folders
from .entry_point import python_arguments
from .model import Role, RoleConfiguration
from .xpath import InstanceFacts, resolve_xpath

__all__ = ["Instance", "RoleOptions", "RolePlan", "find_definition", "make_role_plan"]

DEFINITION = "ServiceDefinition.csdef"
# The local one first, as it is the emulator's in Microsoft's tools too.
CONFIGURATIONS = ("ServiceConfiguration.Local.cscfg", "ServiceConfiguration.cscfg",
                  "ServiceConfiguration.Cloud.cscfg")  # fmt: skip
_SCRIPT = "worker.py"
_LAUNCHER = "LaunchWorker.ps1"
_VARIABLE = re.compile(r"%([^%=]+)%")
# Domains of the fabric: how many there are at least.
_FAULT_DOMAINS, _UPDATE_DOMAINS = 2, 5


@dataclass(frozen=True)
class RoleOptions:
    """What a user asks for; all but the folder has a default.

    `settings` are ConfigurationSettings, and variables besides. `instances`: None is what the
    configuration says, else 1.
    """

    folder: Path
    python: str = ""
    settings: Sequence[tuple[str, str]] = field(default=(), repr=False)
    instances: int | None = None


@dataclass(frozen=True)
class Instance:
    """One instance of a role: a command line, its variables, its folders.

    `shown` is the command line as the definition has it, its variables not filled in: they may be
    secrets. `root` is the role root, in which the command runs, `log_folder` where ps.cmd writes,
    `cleaned` the folders that are emptied when the instance is recycled.
    """

    label: str
    argv: tuple[str, ...]
    shown: str
    environ: Mapping[str, str] = field(repr=False)
    root: Path = Path()
    log_folder: Path = Path()
    cleaned: tuple[Path, ...] = ()


@dataclass(frozen=True)
class RolePlan:
    """The instances that are to run, and what was found wrong on the way."""

    instances: tuple[Instance, ...]
    findings: tuple[Finding, ...]
    python: ProjectPython


def make_role_plan(options: RoleOptions, environ: Mapping[str, str]) -> RolePlan:
    """Look at a project and say what is run of it; `environ` are this process's own variables.

    The folder holds a ServiceDefinition.csdef, or is a role's own, with a worker.py. ConfigError
    for one of which nothing can be run.
    """
    site = Path(os.path.abspath(options.folder))
    if not site.is_dir():
        what = "is a file, not a folder" if site.exists() else "is not there"
        raise ConfigError(
            f"The project folder {str(site)!r} {what}.", hint="Name the one with the role in it."
        )
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
        configuration = configurations.get(role.name)
        settings = {
            **dict.fromkeys(role.settings, ""),
            **(configuration.settings if configuration else {}),
            **dict(options.settings),
        }
        root = _role_root(site, role)
        count = options.instances or (configuration.instances if configuration else 1)
        told += _told(role, definition)
        for number in range(count):
            label = role.name if len(roles) == 1 and count == 1 else f"{role.name}_{number}"
            made, more = _plan_instance(
                role, number, label, root, site, python, deployment, settings, options, environ
            )
            instances.append(made)
            told += more if number == 0 else []
    return RolePlan(tuple(instances), (*findings, *told), python)


def find_definition(site: Path) -> Path | None:
    """Give a project's ServiceDefinition.csdef, None where it has none."""
    return folders.find(site, DEFINITION)


def _read(
    site: Path, definition: Path
) -> tuple[tuple[Role, ...], dict[str, RoleConfiguration], tuple[Finding, ...]]:
    """Give the roles that Python runs; ConfigError where there is none."""
    roles, findings = roles_definition.read_definition(folders.read(definition), definition.name)
    configurations: dict[str, RoleConfiguration] = {}
    file = next((found for name in CONFIGURATIONS if (found := folders.find(site, name))), None)
    if file is not None:
        read, more = roles_definition.read_configuration(folders.read(file), file.name)
        configurations = {one.name: one for one in read}
        known = {role.name for role in roles}
        unknown = [
            Finding(
                "unknown-role",
                "warning",
                file.name,
                f"The role {one.name!r} is none of {definition.name}'s: it is left out.",
            )
            for one in read
            if one.name not in known
        ]
        findings = (*findings, *more, *unknown)
    fit = tuple(role for role in roles if python_arguments(role.command_line or "") is not None)
    if not fit:
        wrong = list(errors(findings) or findings)
        why = "; ".join(f"{finding.where}: {finding.message}" for finding in wrong)
        raise ConfigError(
            f"{definition} has no worker role that Python runs{f': {why}' if why else '.'}",
            hint=r"An entry point is written as bin\ps.cmd LaunchWorker.ps1 worker.py.",
        )
    return fit, configurations, findings


def _bare_role(site: Path) -> Role:
    """Give the role of a folder without a definition, as the templates' would be."""
    if not (site / _SCRIPT).is_file():
        raise ConfigError(
            f"There is no {DEFINITION} in {site}, and no {_SCRIPT} that would make it a role.",
            hint="Name the project's folder, or the role's.",
        )
    return Role(
        name=site.name,
        command_line=rf"bin\ps.cmd {_LAUNCHER} {_SCRIPT}",
        ready_on_start=True,
        variables=(),
        settings=(),
        storage=(),
        endpoints=(),
        startup=(),
        line=0,
    )


def _role_root(site: Path, role: Role) -> Path:
    """Give the folder that becomes approot: one of the role's name, or the project's."""
    for folder in (site / role.name, site.parent / role.name):
        if folder.is_dir():
            return folder
    return site


def _told(role: Role, definition: Path | None) -> list[Finding]:
    """Give what is not emulated of a role."""
    where = f"{definition.name}:{role.line}" if definition else role.name
    return [
        Finding(
            "startup-task",
            "warning",
            f"{definition.name}:{task.line}" if definition else where,
            f'The startup task "{task.command_line}" is not run here.',
            "What it installs must be in the interpreter that --python names.",
        )
        for task in role.startup
    ]


def _plan_instance(
    role: Role,
    number: int,
    label: str,
    root: Path,
    site: Path,
    python: ProjectPython,
    deployment: str,
    settings: Mapping[str, str],
    options: RoleOptions,
    environ: Mapping[str, str],
) -> tuple[Instance, list[Finding]]:
    name = f"{role.name}_IN_{number}"
    own = folders.make_folders(site, name, root, role)
    storage = {one.name: f"{own / 'LocalStorage' / one.name}{os.sep}" for one in role.storage}
    known = InstanceFacts(
        deployment_id=deployment,
        instance_id=f"{deployment}.{site.name}.{name}",
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
    variables = {
        **plain_environ(environ),
        "PYTHONUNBUFFERED": "1",  # what is printed is shown as it comes
        "DiagnosticStore": str(own / "DiagnosticStore"),
        "RoleDeploymentID": deployment,
        "RoleInstanceID": known.instance_id,
        "RoleName": role.name,
        "RoleRoot": str(own),
        "TEMP": str(own / "temp"),
        "TMP": str(own / "temp"),
        "TMPDIR": str(own / "temp"),
        "EMULATED": "true",
    }
    findings: list[Finding] = []
    for variable in role.variables:
        value = resolve_xpath(variable.xpath, known) if variable.value is None else variable.value
        if value is None:
            findings.append(
                Finding(
                    "xpath",
                    "warning",
                    role.name,
                    f"The variable {variable.name} is not set: {variable.xpath!r} gives nothing.",
                    "Declare what it names, or give it a value.",
                )
            )
        elif variable.name.upper() == "PYTHON":
            findings.append(
                Finding(
                    "python",
                    "warning",
                    role.name,
                    f"PYTHON is {python.path} here, not what {DEFINITION} says.",
                )
            )
        else:
            variables[variable.name] = value
    variables.update(options.settings)
    variables["PYTHON"] = python.path
    words = python_arguments(role.command_line) or []
    if not words:
        raise ConfigError(
            f"The entry point of {role.name} gives Python nothing to run.",
            hint=rf"Write it as bin\ps.cmd {_LAUNCHER} {_SCRIPT}.",
        )
    arguments = [_local(_expand(word, variables), root) for word in words]
    requirement.need_runtime(
        python.interpreter, role.name, requirement.runtime_in(arguments), root, variables
    )
    if arguments[0].endswith(".py") and not (root / arguments[0]).is_file():
        findings.append(
            Finding(
                "no-script",
                "warning",
                role.name,
                f"The script {words[0]} of the entry point is not in {root}.",
            )
        )
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


def _expand(word: str, variables: Mapping[str, str]) -> str:
    """Replace %NAME% as cmd does, in any case; what is not set stays."""
    upper = {name.upper(): value for name, value in variables.items()}
    return _VARIABLE.sub(lambda found: upper.get(found[1].upper(), found[0]), word)


def _local(word: str, root: Path) -> str:
    """Give a Windows path as it is here, where there is such a file."""
    other = word.replace("\\", os.sep)
    return other if other != word and (root / other).exists() else word
