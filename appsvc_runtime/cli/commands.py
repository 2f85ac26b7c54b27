"""Which commands `appsvc` has, and which of them are loaded only when they are used.

A command is imported when it is used, or when something asks for its help. Must not know what a
command does.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata

import click

__all__ = ["Commands"]

# Commands of ours that are entry points of their own too: where each is, and its line of the help.
_OWN = {
    "runserver": (
        "appsvc_runtime.runserver:command",
        "Serve the app for IIS's HttpPlatformHandler.",
    ),
    "worker": (
        "appsvc_runtime.launcher.command:command",
        "Keep a Python worker running until a stop.",
    ),
}
_ADDED = "appsvc.commands"


@functools.cache
def _added() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the commands that installed packages add, by name."""
    return {point.name: point for point in importlib.metadata.entry_points(group=_ADDED)}


class Commands(click.Group):
    """The commands that are given to it, those of `_OWN`, and those that are added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted({*super().list_commands(ctx), *_OWN, *_added()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or None for a name that no command has."""
        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name in _OWN:
            module, _, attribute = _OWN[cmd_name][0].partition(":")
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
        if name in _OWN:
            return _OWN[name][1]
        command = self.get_command(ctx, name)
        assert command is not None
        return command.get_short_help_str(1000)
