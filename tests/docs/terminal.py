"""A terminal for the console blocks of one page: runs commands and compares what they print.

A command such as `appsvc serve` that does not end by itself is stopped by Ctrl-C: where the page
shows `^C`, else when the next such command comes or the page ends. Until then, other commands run
beside it, as in a second terminal. Each port that the page names is replaced by a free one.
"""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.docs.blocks import Block
from tests.docs.shown import is_shown, mismatch
from tests.support.child import Child

__all__ = ["HERE", "Command", "Terminal", "commands"]

# The path that pages show for the folder in which blocks run.
HERE = "/home/you/appsvc-runtime"
_SECONDS = 300.0
_READY_SECONDS = 120.0
_RUNS_ON = re.compile(
    r"\b(appsvc (serve|worker|runserver|emulate)|appsvc_runtime\.(worker|runserver)"
    r"|gunicorn|uvicorn|waitress-serve|granian|flask run|manage\.py runserver)\b"
)
_ENDS = re.compile(
    r"(^|\s)(--check|--trigger|--once|--help|-h|--version|explain|pip)(\s|=|$)|^curl"
)
_READY = re.compile(r"^Ready http|\bready after \d|Uvicorn running|has started as")
_PORT = re.compile(
    r"(?:(?:127\.0\.0\.1|localhost|0\.0\.0\.0|\[::1\]):|--port[ =]|PORT=)(\d{2,5})\b"
)
# This message is printed only because the port is not the default one.
_OTHER_PORT = re.compile(r"^.*\bPORT is \d+, as .*\n", re.MULTILINE)
# Keeps variables and folder for the next command of a block, and sets `$?` for it.
_SCRIPT = """\
[ -f "$DOCS_STATE" ] && . "$DOCS_STATE"
trap 'code=$?; {{ export -p; printf "cd %q\\n" "$PWD"; echo "(exit $code)"; }} >"$DOCS_KEEP"' EXIT
(exit {code})
{command}
"""


@dataclass
class Command:
    """A command, its line on the page, and the output that is shown below it."""

    line: int
    text: str
    output: str

    @property
    def runs_on(self) -> bool:
        """Return whether the command runs until Ctrl-C."""
        return bool(_RUNS_ON.search(self.text)) and not _ENDS.search(self.text)


def commands(block: Block) -> list[Command]:
    """Return the commands of a console block; `> ` and a backslash continue a command."""
    found: list[Command] = []
    continued = False
    for number, line in enumerate(block.source.splitlines(), block.line + 1):
        if line.startswith("$ "):
            found.append(Command(number, line[2:], ""))
        elif found and not found[-1].output and (continued or line.startswith("> ")):
            found[-1].text += "\n" + line.removeprefix("> ")
        elif found:
            found[-1].output += line + "\n"
        continued = line.endswith("\\") and bool(found) and not found[-1].output
    return found


def _free_port(others: set[int]) -> int:
    """Return a free port, below the range from which systems choose ports for connections."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            if port not in others:
                return port


class _Running:
    """A command that is running; `shown` is the output that the page shows before `^C`."""

    def __init__(self, process: Child, log: Path, command: Command) -> None:
        self.process = process
        self.log = log
        self.place = ""
        self.shown, self.asked, self.after = command.output.partition("^C\n")


class Terminal:
    """Run the commands of a page in `folder` with these variables; `failures` are sentences."""

    def __init__(self, folder: Path, variables: dict[str, str], scratch: Path) -> None:
        self.failures: list[str] = []
        self._folder = folder
        self._variables = variables
        self._scratch = scratch
        self._ports: dict[str, str] = {}
        self._running: _Running | None = None
        self._number = 0
        self._last = ""

    @contextmanager
    def open(self, page: str) -> Iterator[Terminal]:
        """Choose free ports for those that the page's text names; end all processes at the end."""
        for name in sorted({"8000", "8080", *_PORT.findall(page)}):
            self._ports[name] = str(_free_port(set(map(int, self._ports.values()))))
        try:
            yield self
            self._stop()
        finally:
            running, self._running = self._running, None
            if running is not None:
                running.process.kill_group()

    def run(self, block: Block) -> None:
        """Run all commands of a block, in the folder that it names, and compare their output."""
        folder = self._folder / block.comments.get("cwd", ".")
        if not folder.is_dir():
            self.failures.append(f"{block.place}: there is no folder {block.comments['cwd']!r}.")
            return
        (self._scratch / "state").unlink(missing_ok=True)
        code = 0
        all_commands = commands(block)
        for number, command in enumerate(all_commands):
            place = f"{block.page}:{command.line}"
            following = all_commands[number + 1].text if number + 1 < len(all_commands) else ""
            code_is_shown = following.strip() == "echo $?"
            # The exit code that a block names is that of its last command.
            number_given = block.comments.get("exit", "0")
            wanted = int(number_given) if number_given.isdecimal() and not following else 0
            if command.runs_on and not wanted and not code_is_shown:
                self._start(command, folder, place)
                code = 0
                continue
            code = self._finish(command, folder, place, code)
            if not code_is_shown and code != wanted:
                self.failures.append(
                    f"{place}: `{command.text}` ended with {code} and not with {wanted}. If that "
                    "is what the page is about, show `$ echo $?` next, or, for the last command, "
                    f"write <!-- exit: {code} --> before the block.\n{self._last}"
                )

    def _start(self, command: Command, folder: Path, place: str) -> None:
        """Start a command that runs until Ctrl-C, and wait until it prints what the page shows."""
        self._stop()
        log = self._log()
        running = _Running(self._spawn(command.text, folder, log, 0, keep=False), log, command)
        running.place = place
        self._running = running
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            ended = running.process.poll() is not None
            printed = self._printed(log)
            done = bool(running.shown) and is_shown(running.shown, printed, prefix=True)
            ready = any(map(_READY.search, printed.splitlines()))
            if done or (ready and not running.asked) or ended:
                break
            if time.monotonic() > deadline:
                self.failures.append(f"{place}: it was not ready in {_READY_SECONDS:.0f} s.")
                break
            time.sleep(0.05)
        if running.asked:
            self._stop()

    def _stop(self) -> None:
        """Send Ctrl-C to the running command, wait for its end, and compare what it printed."""
        running, self._running = self._running, None
        if running is None:
            return
        place = running.place
        deadline = time.monotonic() + 20  # output of earlier requests may still be coming
        while running.process.poll() is None and time.monotonic() < deadline:
            if is_shown(running.shown, self._printed(running.log), prefix=True):
                break
            time.sleep(0.05)
        early = running.process.poll() is not None
        before = self._printed(running.log)
        if not early:
            os.killpg(running.process.pid, signal.SIGINT)
        on_ctrl_c = running.process.ends_within(60)
        code = running.process.kill_group()
        printed = self._printed(running.log)
        if early:
            self.failures.append(
                f"{place}: it ended by itself, with {code}. If that is what the page is about, "
                f"show `$ echo $?` next, or write <!-- exit: {code} --> before the block.\n"
                + printed
            )
        elif not on_ctrl_c:
            self.failures.append(f"{place}: it did not end on Ctrl-C.\n{printed}")
        elif code not in (0, 130, -signal.SIGINT):
            self.failures.append(f"{place}: after Ctrl-C it ended with {code}.\n{printed}")
        if running.asked:
            self._compare(place, running.shown + running.after, printed, prefix=False)
        else:
            self._compare(place, running.shown, before, prefix=True)

    def _finish(self, command: Command, folder: Path, place: str, code: int) -> int:
        """Run a command to its end, compare what it printed, and return its exit code."""
        log = self._log()
        process = self._spawn(command.text, folder, log, code, keep=True)
        in_time = process.ends_within(_SECONDS)
        ended = process.kill_group()
        if not in_time:
            self.failures.append(
                f"{place}: `{command.text}` did not end in {_SECONDS:.0f} s. If it runs until "
                f"Ctrl-C, teach that to _RUNS_ON in {__name__}.\n{self._printed(log)}"
            )
            return 0
        self._last = self._printed(log)
        if command.output:
            self._compare(place, command.output, self._last, prefix=False)
        return ended

    def _compare(self, place: str, shown: str, printed: str, *, prefix: bool) -> None:
        wrong = mismatch(shown, printed, prefix=prefix)
        if wrong:
            self.failures.append(f"{place}: the output is not what is shown.\n{wrong}")

    def _spawn(self, text: str, folder: Path, log: Path, code: int, *, keep: bool) -> Child:
        state = str(self._scratch / "state")
        # A command that runs until Ctrl-C ends while others run: it keeps no state for them.
        variables = {
            **self._variables,
            "DOCS_STATE": state,
            "DOCS_KEEP": state if keep else os.devnull,
        }
        variables |= {f"DOCS_PORT_{name}": port for name, port in self._ports.items()}
        if _RUNS_ON.search(text) and "PORT=" not in text and "emulate" not in text:
            variables["PORT"] = self._ports["8000"]
        for name, port in self._ports.items():
            text = re.sub(rf"(?<![\d.]){name}(?![\d.])", port, text)
        with log.open("wb") as file:
            return Child(
                ["bash", "-c", _SCRIPT.format(command=text, code=code)],
                cwd=folder, env=variables, stdin=subprocess.DEVNULL,
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def _log(self) -> Path:
        self._number += 1
        return self._scratch / f"{self._number}.log"

    def _printed(self, log: Path) -> str:
        """Return what was printed, with the ports and the folder that the page shows."""
        text = log.read_text("utf-8", "replace").replace("\r\n", "\n")
        for name, port in self._ports.items():
            text = re.sub(rf"(?<![\d.]){port}(?!\d)", name, text)
        text = text.replace(str(self._folder), HERE)
        return _OTHER_PORT.sub("", text.replace(self._variables["HOME"], str(Path(HERE).parent)))
