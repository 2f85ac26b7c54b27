"""Known security holes of servers, and which of them the installed release has.

A server with a hole is not refused: an app may have its own reasons to stay with a release. Reads
the metadata of installed packages, and imports none of them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass

__all__ = ["ADVISORIES", "Advisory", "find", "release"]


@dataclass(frozen=True)
class Advisory:
    """A security hole of a package, fixed in the release `fixed`.

    `effect` completes "It has known security holes: ...". `names` are the advisory's identifiers,
    if it has any. `unless`: a module that is used in place of the package if it can be imported.
    """

    package: str
    fixed: str
    effect: str
    names: tuple[str, ...] = ()
    unless: str = ""


ADVISORIES = (
    # Source of both names: https://github.com/pypa/advisory-database/tree/main/vulns/gunicorn
    Advisory(
        "gunicorn",
        "22.0.0",
        "a client's request can be taken for two",
        ("CVE-2024-1135", "CVE-2024-6827"),
    ),
    # Source: its changelog. From then on it refuses values with NUL, or with CR or LF alone.
    Advisory("gunicorn", "23.0.0", "control characters in header values are accepted"),
    # https://github.com/Pylons/waitress/security/advisories
    Advisory(
        "waitress",
        "3.0.1",
        "a request after an invalid one can be served, and the server can be kept busy",
        ("CVE-2024-49768", "CVE-2024-49769"),
    ),
    # https://github.com/pypa/advisory-database/tree/main/vulns/granian
    Advisory(
        "granian",
        "2.7.4",
        "one request of a client can end a worker",
        ("CVE-2026-42544", "CVE-2026-42545"),
    ),
    # uvicorn parses HTTP with it if httptools is not installed.
    # https://github.com/python-hyper/h11/security/advisories/GHSA-vqfr-h8mv-ghfj
    Advisory(
        "h11",
        "0.16.0",
        "a client's request can be taken for two",
        ("CVE-2025-43859",),
        unless="httptools",
    ),
)


def find(*packages: str) -> list[str]:
    """Return a sentence for each of the packages whose installed release has a known hole.

    The sentence names the release with all fixes, and how to install it.
    """
    return [sentence for package in packages if (sentence := _describe(package))]


def _describe(package: str) -> str:
    try:
        installed = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
    holes = [one for one in ADVISORIES if one.package == package and _is_open(one, installed)]
    if not holes:
        return ""
    fixed = max((one.fixed for one in holes), key=release)
    effects = "; ".join(
        f"{one.effect} ({', '.join(one.names)})" if one.names else one.effect for one in holes
    )
    return (
        f"{package} {installed} has known security holes: {effects}. "
        f'{fixed} has the fixes: run `pip install "{package}>={fixed}"`, and change its pin.'
    )


def _is_open(hole: Advisory, installed: str) -> bool:
    """Return whether a release of the advisory's package has its hole in this environment."""
    if hole.unless and importlib.util.find_spec(hole.unless):
        return False
    return release(installed) < release(hole.fixed)


def release(version: str) -> tuple[int, ...]:
    """Return the numbers at the start of a version, without trailing zeros."""
    found = re.match(r"v?[0-9]+(\.[0-9]+)*", version)
    numbers = [int(part) for part in found[0].lstrip("v").split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
