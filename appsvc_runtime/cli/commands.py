"""Which commands `appsvc` has, and which of them are loaded only when they are used.

A command that is not the command line's own is imported when it is used. Must not know what a
command does.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata

import click

__all__ = ["Commands"]

# Commands that are entry points of their own too: where each is.
_MODULES = {
    "runserver": "appsvc_runtime.runserver:command",
    "worker": "appsvc_runtime.launcher.command:command",
}
# The lines of `appsvc --help`, for which no command is loaded.
_SUMMARIES = {
    "build": "Build SITE on a copy, as a deployment does.",
    "emulate": "Run SITE on this machine as App Service would.",
    "explain": "Show what the Linux container would run for SITE, and why.",
    "runserver": "Serve APP for IIS's HttpPlatformHandler.",
    "serve": "Serve APP, set up for the Linux container.",
    "settings": "Show the settings that the app would see.",
    "worker": "Keep the Python worker SCRIPT running until a stop.",
}
_ADDED = "appsvc.commands"
# More letters than any summary has, so that click cuts none.
_WHOLE = 1000


@functools.cache
def _added() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the commands that installed packages add, by name."""
    return {point.name: point for point in importlib.metadata.entry_points(group=_ADDED)}


class Commands(click.Group):
    """The commands that are given to it, those of `_MODULES`, and those that are added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted({*super().list_commands(ctx), *_MODULES, *_added()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None for a name that no command has."""
        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name in _MODULES:
            module, _, attribute = _MODULES[cmd_name].partition(":")
            command = getattr(importlib.import_module(module), attribute)
        elif command is None and cmd_name in _added():
            command = _added()[cmd_name].load()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with its whole summary."""
        names = self.list_commands(ctx)
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summary(ctx, name)) for name in names])

    def _summary(self, ctx: click.Context, name: str) -> str:
        if name in _SUMMARIES:
            return _SUMMARIES[name]
        command = self.get_command(ctx, name)
        return command.get_short_help_str(_WHOLE) if command else ""
