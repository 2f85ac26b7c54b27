"""A worker role as its definition and configuration describe it: plain data.

Knows nothing of XML, folders or processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Endpoint", "LocalStorage", "Role", "RoleConfiguration", "StartupTask", "Variable"]


@dataclass(frozen=True)
class Variable:
    """A variable of a role's processes: its `value`, or None if `xpath` selects it."""

    name: str
    value: str | None
    xpath: str = ""


@dataclass(frozen=True)
class LocalStorage:
    """A folder that the fabric makes; `clean`: emptied when the role is recycled."""

    name: str
    size_mb: int
    clean: bool


@dataclass(frozen=True)
class Endpoint:
    """An endpoint: `kind` is input, internal or instanceinput; a port is None if not set."""

    name: str
    kind: str
    protocol: str
    port: int | None
    local_port: int | None


@dataclass(frozen=True)
class StartupTask:
    """A command that runs before the entry point; `task_type`: simple, background or foreground."""

    command_line: str
    task_type: str
    line: int


@dataclass(frozen=True)
class Role:
    """A worker role. `command_line` is that of its entry point, or "".

    `settings` are the names of its ConfigurationSettings.
    """

    name: str
    command_line: str = ""
    ready_on_start: bool = False
    variables: tuple[Variable, ...] = field(default=(), repr=False)
    settings: tuple[str, ...] = ()
    storage: tuple[LocalStorage, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    startup: tuple[StartupTask, ...] = ()
    line: int = 0


@dataclass(frozen=True)
class RoleConfiguration:
    """The configuration of a role; values of settings may be secrets."""

    name: str
    instances: int = 1
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
