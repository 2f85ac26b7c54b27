"""A module that is missing: where it went, and which package installs it. Pure."""

from __future__ import annotations

import re

from ....startup import distributions
from .seen import Seen

__all__ = ["find_missing", "is_own", "missing_in", "not_installed"]

_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '(?P<name>[^']+)'")
_OWN_NAMES = frozenset({"appsvc", "appsvc_runtime"})


def missing_in(output: str) -> list[str]:
    """Return the modules that an output reports as missing, in order."""
    return [found["name"] for found in _NO_MODULE.finditer(output)]


def is_own(name: str) -> bool:
    """Return whether a command or a module is this package's."""
    return name.partition(".")[0] in _OWN_NAMES


def find_missing(seen: Seen, name: str) -> tuple[str, str]:
    """Return the reason for a missing module, and what to do."""
    top = name.partition(".")[0]
    if is_own(name):
        return not_installed(name)
    missing = f"the module {name!r} is missing (ModuleNotFoundError)"
    if seen.has_file(f"{top}.py") or seen.has_file(f"{top}/__init__.py"):
        return missing, "It is in the site: check from which folder it is imported."
    if since := distributions.removed_in(name):
        return (
            f"the module {name!r} left the standard library with Python {since}",
            "Choose an older Python, or newer releases of the packages that import it.",
        )
    if not seen.antenv:
        return missing, "The site was not built, so none of its packages is installed: build it."
    return missing, f"Add {distributions.distribution_of(name)} to requirements.txt."


def not_installed(name: str) -> tuple[str, str]:
    """Return the reason and what to do if this package itself is missing."""
    return (
        f"{name} is not installed in it",
        "Add appsvc-runtime to requirements.txt: the path of its wheel, which is deployed with the "
        "site.",
    )
