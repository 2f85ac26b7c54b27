"""What a build's switches change for the build as a whole, and what it reports about them.

Looks at names of files only. Must not know of steps. Sources: Oryx (BuildScriptGenerator's
detectors; BaseBashBuildScript.sh.tpl) and Kudu (SiteBuilderFactory.cs).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ....errors import ConfigError
from ....system import exact_names
from .. import booleans

__all__ = ["archive_name", "check_settings", "find_notes", "why_not_built"]

# Files by which Oryx takes a site for another platform's as well.
_OTHERS = {
    "package.json": "Node.js",
    "pom.xml": "Java",
    "composer.json": "PHP",
    "Gemfile": "Ruby",
    "go.mod": "Go",
}
_MULTI = "ENABLE_MULTIPLATFORM_BUILD"
_PACKAGE = "CREATE_PACKAGE"


def archive_name(settings: Mapping[str, str]) -> str:
    """Return the name of the archive that the platform makes of a built site."""
    return "output.tar.zst" if booleans.is_on(settings, booleans.ZSTD) else "output.tar.gz"


def why_not_built(settings: Mapping[str, str]) -> str:
    """Return why a deployment with these settings is not built, or "" if it is."""
    for name, more in (
        (booleans.BUILD, ""),
        (booleans.ORYX_BUILD, " (Kudu's older builder is not emulated)"),
    ):
        if not booleans.is_on(settings, name):
            surprise = booleans.find_surprises({name: settings[name]}, ("kudu",))
            return f"because of {name}{more}" + (", which Kudu takes for false" if surprise else "")
    return ""


def check_settings(settings: Mapping[str, str]) -> None:
    """Raise ConfigError for settings with which the platform's build ends before its first step."""
    booleans.check_build(settings)
    if booleans.is_on(settings, booleans.DISABLE_PYTHON):
        raise ConfigError(
            f"{booleans.DISABLE_PYTHON} is true: the platform's build refuses a Python site.",
            hint="Remove that app setting.",
        )


def find_notes(site: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Yield what a user should know about the switches of a build of this site."""
    for text in booleans.find_surprises(settings, ("kudu", "dotnet", "bash")):
        yield f"Warning: {text}"
    others = sorted({what for name, what in _OTHERS.items() if exact_names.is_file(site, name)})
    if others and not booleans.is_on(settings, booleans.SKIP_DETECTION):
        names = " and ".join(others)
        if booleans.is_on(settings, _MULTI):
            yield f"Warning: the platform also builds it for {names} ({_MULTI}); this does not."
        else:
            yield (
                f"The platform also finds {names} in this site and installs it, but does not use "
                f"it; {booleans.SKIP_DETECTION}=true saves the time."
            )
    if booleans.is_on(settings, _PACKAGE):
        yield f"Warning: the platform also makes a wheel of the site ({_PACKAGE}); this does not."
