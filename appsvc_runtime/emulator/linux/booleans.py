"""The settings that are on or off, and which spellings count for each: five programs read them.

Pure. Must not know what a setting does beyond its one line here. Read in August 2026: Oryx's start
script generator (environmentVariablesHelper.go; main.go, with viper), its command
(OptionsSetupBase.cs), its build script (BaseBashBuildScript.sh.tpl, PythonBashBuildSnippet.sh.tpl),
and Kudu (DeploymentSettingsExtension.cs, SiteBuilderFactory.cs, StringUtils.cs of KuduLite).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ...azure import booleans, names
from ...errors import ConfigError

__all__ = [
    "READERS",
    "SWITCHES",
    "Switch",
    "check_build",
    "check_start",
    "find_surprises",
    "is_on",
]

Program = Literal["go", "viper", "dotnet", "bash", "kudu"]
Effect = Literal["emulated", "reported", "none"]


@dataclass(frozen=True)
class Reader:
    """A program of the platform. `true`: what it takes for true, as the documentation shows it.

    `otherwise`: what it does with anything that is neither true nor false to it.
    """

    title: str
    true: str
    otherwise: str


READERS: Mapping[Program, Reader] = {
    "go": Reader(
        "start script (Go)",
        "`1`, `t`, `T`, `TRUE`, `true` and `True`",
        "other than `0`, `f`, `F`, `FALSE`, `false` and `False`: the start ends with an error",
    ),
    "viper": Reader("start script (viper)", "`1`, `t`, `T`, `TRUE`, `true` and `True`", "off"),
    "dotnet": Reader(
        "`oryx build` (.NET)",
        "`true` in any case, also with blanks around it",
        "other than `false`: the build ends with an error",
    ),
    "bash": Reader("build script (bash)", "only `true` in lower case", "off"),
    "kudu": Reader("Kudu", "only `1`, and `true` in any case", "off"),
}


@dataclass(frozen=True)
class Switch:
    """A setting. `unset`: whether it is on if it is missing or empty; `what`: what it is for."""

    name: str
    program: Program
    unset: bool
    effect: Effect
    what: str

    def read(self, text: str) -> bool | None:
        """Return whether a value switches it on, or None if the platform ends with an error."""
        if not text:
            return self.unset
        if self.program == "go":
            return booleans.parse_go(text)
        if self.program == "viper":
            return bool(booleans.parse_go(text))
        if self.program == "dotnet":
            return booleans.parse_dotnet(text)
        if self.program == "bash":
            return booleans.is_bash_true(text)
        return booleans.is_kudu_true(text)


FAST_BUILD = "PYTHON_FAST_BUILD_ENABLED"
PLAIN_VENV = "CreateVenvWithPythonVenv"
ZSTD = "ORYX_COMPRESS_WITH_ZSTD"
BUILD = "SCM_DO_BUILD_DURING_DEPLOYMENT"
ORYX_BUILD = "ENABLE_ORYX_BUILD"
DISABLE_PYTHON = "DISABLE_PYTHON_BUILD"
DISABLE_COLLECTSTATIC = "DISABLE_COLLECTSTATIC"
SKIP_DETECTION = "SKIP_PLATFORM_DETECTION"

# Those of Oryx that are on if unset: the platform sets them itself (App Service team blog,
# 2026-05-18). The public sources do not show who reads SKIP_PLATFORM_DETECTION.
_ALL = (
    Switch(BUILD, "kudu", True, "emulated", "Whether a deployment is built"),
    Switch(ORYX_BUILD, "kudu", True, "emulated", "Whether Oryx builds, not Kudu's older builder"),
    Switch(DISABLE_PYTHON, "dotnet", False, "emulated", "Refuses to build a Python site"),
    Switch(DISABLE_COLLECTSTATIC, "dotnet", False, "emulated", "Leaves out collectstatic"),
    Switch(SKIP_DETECTION, "dotnet", False, "reported", "Looks for no other platform"),
    Switch("ENABLE_MULTIPLATFORM_BUILD", "dotnet", False, "reported", "Builds other platforms too"),
    Switch("CREATE_PACKAGE", "dotnet", False, "reported", "Also makes a wheel of the site"),
    Switch("DISABLE_RECURSIVE_LOOKUP", "dotnet", False, "none", "Looks into no folder"),
    Switch("DISABLE_CHECKERS", "dotnet", False, "none", "Checks no versions"),
    Switch("ORYX_DISABLE_TELEMETRY", "dotnet", False, "none", "Sends no telemetry"),
    Switch(FAST_BUILD, "bash", True, "emulated", "Tries uv before pip for requirements.txt"),
    Switch(PLAIN_VENV, "bash", False, "emulated", "Makes antenv with venv for uv.lock too"),
    Switch(ZSTD, "bash", True, "emulated", "Packs output.tar.zst, not output.tar.gz"),
    Switch("ENABLE_ORYX_DIRECT_TAR_COMPRESSION", "bash", True, "none", "Packs without a copy"),
    Switch(names.ENABLE_MULTIWORKERS, "go", True, "emulated", "Several workers of gunicorn"),
    Switch("ENABLE_DYNAMIC_INSTALL", "viper", False, "none", "Installs a missing Python"),
)  # fmt: skip
SWITCHES: Mapping[str, Switch] = {switch.name: switch for switch in _ALL}

# What a value is meant to be, for every program.
_MEANT = {
    **dict.fromkeys(("1", "t", "true", "y", "yes", "on"), True),
    **dict.fromkeys(("0", "f", "false", "n", "no", "off"), False),
}


def is_on(settings: Mapping[str, str], name: str) -> bool:
    """Return whether a setting of `SWITCHES` is on, as the program that reads it decides.

    Raise ConfigError for a value at which that program ends with an error.
    """
    switch = SWITCHES[name]
    found = switch.read(settings.get(name, ""))
    if found is None:
        start = switch.program == "go"
        values = "1, t, T, TRUE, true, True, 0, f, F, FALSE, false or False"
        raise ConfigError(
            f"The app setting {name} is not {values if start else 'true or false'}: the "
            f"platform's {'start script' if start else 'build'} ends with an error at its value.",
            hint="Write true or false.",
        )
    return found


def check_start(settings: Mapping[str, str]) -> None:
    """Raise ConfigError for a setting at which the container's start script ends."""
    for switch in _ALL:
        if switch.program == "go":
            is_on(settings, switch.name)


def check_build(settings: Mapping[str, str]) -> None:
    """Raise ConfigError for a setting at which the platform's build ends before its first step."""
    for switch in _ALL:
        if switch.program == "dotnet":
            is_on(settings, switch.name)


def find_surprises(settings: Mapping[str, str], programs: tuple[Program, ...]) -> list[str]:
    """Return a sentence for each setting whose value does not count as it is meant."""
    found = []
    for switch in _ALL:
        text, reader = settings.get(switch.name, ""), READERS[switch.program]
        meant, read = _MEANT.get(text.strip().lower()), switch.read(text)
        if text and switch.program in programs and read is not None and meant not in (None, read):
            found.append(
                f"{switch.name} is {'on' if read else 'off'}: the platform's {reader.title} takes "
                f"{reader.true} for true.".replace("`", "")
            )
    return found
