"""A site as the checks see it: its folder, and what the user says of its deployment.

Each fact is read when the first check asks for it, and kept. What is not known raises UnknownError
with the option that gives it. Must not hold a rule of the platform.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..azure import names
from ..redaction import masking
from ..startup import exec_check
from ..startup.command import split
from ..startup.plan import StartPlan, make_plan
from ..system.plain_file import read_plain
from .check import UnknownError
from .given import GivenSettings
from .python_sources import PythonSources
from .requirements import Requirement, of_project, read_project, read_requirements
from .tree import Tree, list_tree
from .trial import Trial, TrialOptions, run_trial

__all__ = ["USE", "Launch", "Site", "read_profile"]

_MAX_TEXT = 2_000_000
# A longer line of a script starts no server.
_MAX_LINE = 4_000
# Of all files together. A site's own scripts and settings are a hundredth of it.
_MAX_TOTAL = 50_000_000
_REQUIREMENTS_PATH = "CUSTOM_REQUIREMENTSTXT_PATH"
_SETTINGS_OPTION = "app settings are not given: --settings FILE"
_DEVELOPMENT = re.compile(r"(?:local|dev|develop|development|test|testing|tests|ci)\.py$")
# The name of a setting that is missing; for the mask, such a text is a name and its secret.
_MISSING = re.compile(r"(\bKeyError: '[A-Z][A-Z0-9_]{0,99}')")
_COMMAND = re.compile(r"\bappsvc(?:_runtime)?\b")
# An import, or a name in a text such as Django's MIDDLEWARE; a comment is no use of the package.
USE = re.compile(r"""(?m)^[ \t]*(?:from|import)[ \t]+appsvc_runtime\b|["']appsvc_runtime\.""")
_COMMAND_FILES = ("startup.txt", "startup.sh")


@dataclass(frozen=True)
class Launch:
    """A command line that starts a server, and the file and line where it is written."""

    text: str
    file: str = ""
    line: int = 0


@dataclass
class Site:
    """A folder with what was given beside it.

    `startup_command` is None if it was not given, "" if the site has none. `python` is the version
    on the platform, None if nobody said it. Without `trial_options` the site is not run.
    """

    folder: Path
    given: GivenSettings | None = field(default=None, repr=False)
    startup_command: str | None = None
    python: tuple[int, int] | None = None
    trial_options: TrialOptions | None = None
    _read: int = field(default=0, init=False, repr=False)

    @cached_property
    def tree(self) -> Tree:
        """The names of its files."""
        return list_tree(self.folder)

    @cached_property
    def sources(self) -> PythonSources:
        """Its Python files, without tests."""
        return PythonSources(self.folder, self.tree)

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {}

    def has(self, name: str) -> bool:
        """Return whether it has this file, in this spelling: file names have case there."""
        return name in self.tree.files

    def data(self, name: str) -> bytes:
        """Return a file's first bytes, none if it cannot be read."""
        if not self.has(name):
            return b""
        try:
            return read_plain(self.folder / name, _MAX_TEXT)
        except (OSError, ValueError):
            return b""

    def text(self, name: str) -> str:
        """Return a file's text, "" if it cannot be read, or if all before it were too long."""
        if name not in self._texts:
            data = self.data(name) if self._read < _MAX_TOTAL else b""
            self._read += len(data)
            self._texts[name] = data.decode("utf-8-sig", "replace")
        return self._texts[name]

    @property
    def settings(self) -> Mapping[str, str]:
        """The app settings. Raise UnknownError if they were not given."""
        if self.given is None:
            raise UnknownError(_SETTINGS_OPTION)
        return self.given.values

    def setting(self, name: str) -> str:
        """Return an app setting, "" if it is not set or none were given."""
        return self.given.values.get(name, "") if self.given is not None else ""

    @cached_property
    def command(self) -> str:
        """The startup command, or the content of the file that is for it, "" for none."""
        if self.startup_command is not None:
            return self.startup_command.strip()
        # Nobody uses these names but for the startup command.
        for name in _COMMAND_FILES:
            if self.has(name):
                return name
        return ""

    @property
    def command_file(self) -> str:
        """The file that the startup command names, "" if it names none."""
        words = split(self.command)
        name = words[0].removeprefix(f"{names.SITE_FOLDER}/") if len(words) == 1 else ""
        return name if self.has(name) else ""

    @property
    def has_command(self) -> bool:
        """Whether the site is started by a startup command."""
        return bool(self.command)

    @cached_property
    def plan(self) -> StartPlan:
        """What the container runs for it."""
        return make_plan(
            self.folder,
            self.given.values if self.given else {},
            startup_command=self.command or None,
            python_version=self.version,
            cores=2,
        )

    @cached_property
    def launch(self) -> Launch:
        """What starts the server: the startup command, or the last line of the script it runs."""
        if not self.has_command:
            return Launch("")
        script = exec_check.script_in(self.plan.command)
        name = script.name.removeprefix(f"{names.SITE_FOLDER}/") if script else ""
        last, begun, start = Launch(self.plan.command, self.command_file), "", 0
        for number, line in enumerate(self.text(name).splitlines() if name else (), 1):
            start = start or number
            if line.endswith("\\"):
                begun += line[:-1] + " "
                continue
            text = (begun + line).strip()
            if text and not text.startswith("#") and len(text) <= _MAX_LINE:
                last = Launch(text, name, start)
            begun, start = "", 0
        return last

    @property
    def version(self) -> tuple[int, int]:
        """The Python of the platform, as far as it is known; else one without detected FastAPI."""
        return self.python or self.asked_version or (3, 13)

    @cached_property
    def asked_version(self) -> tuple[int, int] | None:
        """The version that `.python-version` or `runtime.txt` names."""
        for name in (".python-version", "runtime.txt"):
            found = re.search(
                r"(?:^|python-|cpython-)(\d{1,4})\.(\d{1,4})", self.text(name).strip()
            )
            if found:
                return int(found[1]), int(found[2])
        return None

    @cached_property
    def requirements_file(self) -> str:
        """The file that the build installs from, "" if it finds none."""
        named = self.setting(_REQUIREMENTS_PATH).strip().removeprefix("./")
        return named or ("requirements.txt" if self.has("requirements.txt") else "")

    @cached_property
    def project(self) -> dict[str, Any]:
        """What pyproject.toml says."""
        return read_project(self.data("pyproject.toml"))

    @cached_property
    def requirements(self) -> list[Requirement]:
        """The packages that the build is asked to install."""
        if self.requirements_file:
            return read_requirements(self.data, self.requirements_file)
        return of_project(self.project)

    def requires(self, *packages: str) -> Requirement | None:
        """Return the first requirement of one of these packages."""
        return next((one for one in self.requirements if one.name in packages), None)

    @cached_property
    def is_django(self) -> bool:
        """Whether it is a Django project."""
        return self.has("manage.py") and bool(self.requires("django") or self.django_settings)

    @cached_property
    def django_settings(self) -> list[str]:
        """The files that look like Django's settings, without those for development and tests."""
        found = self.tree.named("settings.py")
        found = [name for name in found if "INSTALLED_APPS" in self.text(name)]
        parts = [name for name in self.tree.ending(".py") if "/settings/" in f"/{name}"]
        if any("INSTALLED_APPS" in self.text(name) for name in parts):
            found += parts
        return [name for name in found if not _DEVELOPMENT.search(name)]

    @cached_property
    def uses_middleware(self) -> bool:
        """Whether this package's middleware is around the app, by its command or in its sources."""
        if self.has_command and _COMMAND.search(self.launch.text):
            return True
        return any(USE.search(text) for _, text in self.sources.all_text())

    @property
    def trial(self) -> Trial:
        """What one run of the site shows; it is run when the first check asks for it."""
        if self.trial_options is None:
            raise UnknownError("the site is not run (--no-run)")
        seen = self._seen
        if isinstance(seen, UnknownError):
            raise seen
        return seen

    @cached_property
    def _seen(self) -> Trial | UnknownError:
        assert self.trial_options is not None
        try:
            return run_trial(self.folder, self.trial_options)
        except UnknownError as error:
            return error

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The hosts that the site's files are for: `linux` if they say nothing else."""
        return read_profile(self.tree)

    def masked(self, text: str) -> str:
        """Return a command or a line without its secrets."""
        parts = _MISSING.split(text)
        parts[::2] = map(masking.mask_command, parts[::2])
        return "".join(parts)


def read_profile(tree: Tree) -> frozenset[str]:
    """Return the hosts that a site's files are for."""
    hosts = set()
    if any(name.lower() == "web.config" for name in tree.files):
        hosts.add("iis")
    if any(name.lower().endswith(".csdef") for name in tree.files):
        hosts.add("worker")
    if any("app_data/jobs/" in name.lower() for name in tree.files):
        hosts.add("webjob")
    is_web = any(
        name.endswith((".py", "requirements.txt", "pyproject.toml")) and "/" not in name
        for name in tree.files
    )
    if not hosts or (is_web and not hosts & {"iis", "worker"}):
        hosts.add("linux")
    return frozenset(hosts)
