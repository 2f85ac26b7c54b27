"""The list of `appsvc`'s commands; those of other modules are imported only when they are used.

Must not know what a command does.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata

import click

__all__ = ["Commands"]

# The location of commands that are entry points of their own as well.
_MODULES = {
    "doctor": "appsvc_runtime.doctor.cli:command",
    "runserver": "appsvc_runtime.runserver:command",
    "worker": "appsvc_runtime.launcher.command:command",
}
# Summaries for `appsvc --help`, which therefore loads no command.
_SUMMARIES = {
    "build": "Build SITE on a copy, as a deployment does.",
    "doctor": "Check SITE for what fails on the platform.",
    "emulate": "Run SITE on this machine as App Service would.",
    "explain": "Show what the Linux container would run for SITE, and why.",
    "runserver": "Serve APP for IIS's HttpPlatformHandler.",
    "serve": "Serve APP as the Linux container needs it.",
    "settings": "Show the settings that the app would get.",
    "worker": "Keep the Python worker SCRIPT running until a stop.",
}
_ADDED = "appsvc.commands"
# Longer than any summary, so that click shortens none.
_WHOLE = 1000


@functools.cache
def _added() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the commands that installed packages add, by name."""
    return {point.name: point for point in importlib.metadata.entry_points(group=_ADDED)}


class Commands(click.Group):
    """A group with its own commands, those of `_MODULES`, and those of installed packages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted({*super().list_commands(ctx), *_MODULES, *_added()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command with a name, or None if it does not exist."""
        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name in _MODULES:
            module, _, attribute = _MODULES[cmd_name].partition(":")
            command = getattr(importlib.import_module(module), attribute)
        elif command is None and cmd_name in _added():
            command = _added()[cmd_name].load()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with its full summary."""
        names = self.list_commands(ctx)
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summary(ctx, name)) for name in names])

    def _summary(self, ctx: click.Context, name: str) -> str:
        if name in _SUMMARIES:
            return _SUMMARIES[name]
        command = self.get_command(ctx, name)
        return command.get_short_help_str(_WHOLE) if command else ""
