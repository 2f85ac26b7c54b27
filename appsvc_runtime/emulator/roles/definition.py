r"""A Cloud Service's files: worker roles from ServiceDefinition.csdef, their settings from .cscfg.

Takes bytes, returns roles and findings, never raises. Must not know of folders or processes. The
entry point of a worker role that runs Python is such as `bin\ps.cmd LaunchWorker.ps1 worker.py`.

Sources: the schemas of the service definition (WorkerRole) and of the service configuration; the
templates' `ps.cmd` and LaunchWorker.ps1.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...findings import Finding
from ..xml.place import Place
from ..xml.tree import Element, read_tree
from .entry_point import read_entry_point
from .model import Endpoint, LocalStorage, Role, RoleConfiguration, StartupTask, Variable

__all__ = ["DEFINITION", "read_configuration", "read_definition"]

DEFINITION = "ServiceDefinition.csdef"
_NAMESPACE = "http://schemas.microsoft.com/ServiceHosting/2008/10/"
_READER = "this reader"
# The most that the emulator starts.
_MAX_INSTANCES = 30
_MAX_PORT = 65535
# The fabric's default for sizeInMB.
_STORAGE_MB = 100
_ENDPOINTS = {
    "InputEndpoint": "input",
    "InternalEndpoint": "internal",
    "InstanceInputEndpoint": "instanceinput",
}


def read_definition(data: bytes, file: str) -> tuple[tuple[Role, ...], tuple[Finding, ...]]:
    """Read a ServiceDefinition.csdef; findings name `file` and the line.

    Codes in addition to those of `xml.tree`: `namespace`, `web-role`, `no-worker-role`, `no-name`,
    `duplicate`, `no-entry-point`, `not-python`, `variable`, `number`.
    """
    reader = _Reader(file)
    root, findings = reader.root(data, "ServiceDefinition")
    if root is None:
        return (), findings
    roles: dict[str, Role] = {}
    for element in root.children:
        kind = _local(element)
        if kind == "WebRole":
            reader.warn(
                "web-role", element, f"The web role {_name(element)!r} is not a worker.",
                "Emulate its site with --as fastcgi or --as httpplatform.",
            )  # fmt: skip
        elif kind == "WorkerRole":
            role = reader.role(element)
            if not _is_folder_name(role.name):
                reader.error(
                    "no-name", element, "A worker role has no name that a folder can have."
                )
            elif role.name in roles:
                reader.error("duplicate", element, f"There are two roles {role.name!r}.")
            else:
                roles[role.name] = role
    if not roles:
        reader.error("no-worker-role", root, "There is no worker role.")
    return tuple(roles.values()), (*findings, *reader.findings)


def read_configuration(
    data: bytes, file: str
) -> tuple[tuple[RoleConfiguration, ...], tuple[Finding, ...]]:
    """Read a ServiceConfiguration's .cscfg, as `read_definition` reads the definition.

    Of two roles with the same name, the first is used. No finding contains the value of a setting.
    """
    reader = _Reader(file)
    root, findings = reader.root(data, "ServiceConfiguration")
    if root is None:
        return (), findings
    found: dict[str, RoleConfiguration] = {}
    for role in _children(root, "Role"):
        name = _name(role)
        if not name:
            reader.error("no-name", role, "A role has no name: it is ignored.")
            continue
        if name in found:
            reader.error("duplicate", role, f"There are two roles {name!r}: the first is used.")
            continue
        instances = 1
        for element in _children(role, "Instances"):
            instances = reader.number(element, "count", 1, _MAX_INSTANCES) or 1
        settings = {
            _name(setting): setting.attributes.get("value", "")
            for part in _children(role, "ConfigurationSettings")
            for setting in _children(part, "Setting")
            if _name(setting)
        }
        found[name] = RoleConfiguration(name, instances, settings)
    return tuple(found.values()), (*findings, *reader.findings)


class _Reader:
    """Reads elements of one file, and collects findings about them."""

    def __init__(self, file: str) -> None:
        self.findings: list[Finding] = []
        self._file = file

    def warn(self, code: str, element: Element, message: str, hint: str = "") -> None:
        where = str(Place(self._file, element.line))
        self.findings.append(Finding(code, "warning", where, message, hint))

    def error(self, code: str, element: Element, message: str, hint: str = "") -> None:
        where = str(Place(self._file, element.line))
        self.findings.append(Finding(code, "error", where, message, hint))

    def root(self, data: bytes, name: str) -> tuple[Element | None, tuple[Finding, ...]]:
        root, findings = read_tree(
            data, self._file, root_name=name, reader=_READER, prefixed=True
        )  # fmt: skip
        if root is not None:
            prefix = root.name.rpartition(":")[0]
            if root.attributes.get(f"xmlns:{prefix}" if prefix else "xmlns") != _NAMESPACE + name:
                self.warn(
                    "namespace", root, f"The platform needs the namespace {_NAMESPACE}{name}.",
                    "Add it to the root element as xmlns.",
                )  # fmt: skip
        return root, findings

    def number(self, element: Element, attribute: str, least: int, most: int) -> int | None:
        text = element.attributes.get(attribute, "").strip()
        if not text or text == "*":
            return None
        if text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most:
            return int(text)
        self.error(
            "number", element, f"{attribute} is not a whole number from {least} to {most}.",
        )  # fmt: skip
        return None

    def role(self, element: Element) -> Role:
        runtime = list(_children(element, "Runtime"))
        entries = [entry for part in runtime for entry in _children(part, "EntryPoint")]
        programs = [one for entry in entries for one in _children(entry, "ProgramEntryPoint")]
        ready = programs[0].attributes.get("setReadyOnProcessStart", "") if programs else ""
        return Role(
            name=_name(element),
            command_line=self.command_line(element, programs),
            ready_on_start=_true(ready),
            variables=tuple(one for part in runtime for one in self.variables(part)),
            settings=tuple(_setting_names(element)),
            storage=tuple(self.storage(element)),
            endpoints=tuple(self.endpoints(element)),
            startup=tuple(_startup_tasks(element)),
            line=element.line,
        )

    def command_line(self, role: Element, programs: list[Element]) -> str:
        name = _name(role)
        command = programs[0].attributes.get("commandLine", "").strip() if programs else ""
        if not command:
            self.error(
                "no-entry-point", role, f"The worker role {name!r} has no program entry point.",
                "In Runtime/EntryPoint, write "
                r'<ProgramEntryPoint commandLine="bin\ps.cmd LaunchWorker.ps1 worker.py"/>.',
            )  # fmt: skip
        elif read_entry_point(command) is None:
            # The command line is not shown: arguments may be keys and passwords.
            self.warn(
                "not-python", programs[0], f"The entry point of {name!r} does not run Python.",
                r"Write it as bin\ps.cmd LaunchWorker.ps1 worker.py.",
            )  # fmt: skip
        return command

    def variables(self, runtime: Element) -> Iterator[Variable]:
        for environment in _children(runtime, "Environment"):
            for element in _children(environment, "Variable"):
                variable = self.variable(element)
                if variable is not None:
                    yield variable

    def variable(self, element: Element) -> Variable | None:
        name = _name(element)
        values = list(_children(element, "RoleInstanceValue"))
        value = element.attributes.get("value")
        xpath = values[0].attributes.get("xpath", "") if values else ""
        if not name or "=" in name or "\0" in name:
            self.error("variable", element, "A variable has no valid name.")
            return None
        if value is not None and values:
            self.error("variable", element, f"{name} has a value and a RoleInstanceValue.")
            return Variable(name, value)
        if value is None and not xpath:
            self.error("variable", element, f"{name} has no value and no xpath.")
            return None
        return Variable(name, value, xpath)

    def storage(self, role: Element) -> Iterator[LocalStorage]:
        for part in _children(role, "LocalResources"):
            for element in _children(part, "LocalStorage"):
                if not _is_folder_name(_name(element)):
                    message = "A LocalStorage has no valid folder name: it is ignored."
                    self.error("no-name", element, message)
                    continue
                yield LocalStorage(
                    _name(element),
                    self.number(element, "sizeInMB", 1, 10**9) or _STORAGE_MB,
                    _true(element.attributes.get("cleanOnRoleRecycle", "true")),
                )

    def endpoints(self, role: Element) -> Iterator[Endpoint]:
        for part in _children(role, "Endpoints"):
            for element in part.children:
                kind = _ENDPOINTS.get(_local(element))
                if kind and _name(element):
                    yield Endpoint(
                        _name(element),
                        kind,
                        element.attributes.get("protocol", "tcp").lower(),
                        self.number(element, "port", 1, _MAX_PORT),
                        self.number(element, "localPort", 1, _MAX_PORT),
                    )


def _setting_names(role: Element) -> Iterator[str]:
    for part in _children(role, "ConfigurationSettings"):
        yield from filter(None, map(_name, _children(part, "Setting")))


def _startup_tasks(role: Element) -> Iterator[StartupTask]:
    for part in _children(role, "Startup"):
        for task in _children(part, "Task"):
            kind = task.attributes.get("taskType", "simple").lower()
            yield StartupTask(task.attributes.get("commandLine", ""), kind, task.line)


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element.children if _local(child) == name)


def _local(element: Element) -> str:
    return element.name.rpartition(":")[2]


def _name(element: Element) -> str:
    return element.attributes.get("name", "").strip()


def _true(text: str) -> bool:
    return text.strip().lower() in ("true", "1")


def _is_folder_name(name: str) -> bool:
    """Return whether a name is a valid folder name that does not lead elsewhere."""
    return bool(name) and not any(c in name for c in '/\\:\0"<>|?*') and name.strip(". ") != ""
