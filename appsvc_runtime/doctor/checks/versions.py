"""PY: the version of Python on the platform, and what the project asks for."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

from ..check import Found, UnknownError, check
from ..site import Site

__all__ = ["END_OF_LIFE"]

# The last day of security fixes (PEP 619, 664, 693, 719, 745).
END_OF_LIFE = {
    (3, 7): datetime.date(2023, 6, 27),
    (3, 8): datetime.date(2024, 10, 7),
    (3, 9): datetime.date(2025, 10, 31),
    (3, 10): datetime.date(2026, 10, 31),
    (3, 11): datetime.date(2027, 10, 31),
    (3, 12): datetime.date(2028, 10, 31),
    (3, 13): datetime.date(2029, 10, 31),
    (3, 14): datetime.date(2030, 10, 31),
}
_SOON = datetime.timedelta(days=183)
_UBUNTU_SINCE = (3, 14)
# A longer line is data; the names behind it are not looked for.
_MAX_LINE = 4_000
_CLAUSE = re.compile(r"\s*(~=|==|!=|<=|>=|<|>)\s*(\d{1,4})(?:\.(\d{1,4}|\*))?(?:\.[\d*]+)*\s*")


def _version(site: Site) -> tuple[int, int]:
    version = site.python or site.asked_version
    if version is None:
        raise UnknownError("the platform's Python is not known: --python-version 3.13")
    return version


@check("PY-01", "Python gets no security fixes, or not for long", "warning", host="any",
       source="devguide.python.org/versions; PEP 619 and its successors")  # fmt: skip
def py_01(site: Site) -> Iterator[Found]:
    """Report a Python whose support has ended or ends within six months.

    The platform keeps running it, but builds no new images for it.
    """
    version = _version(site)
    end = END_OF_LIFE.get(version)
    shown = ".".join(map(str, version))
    today = datetime.date.today()
    if end is None and version < min(END_OF_LIFE):
        end = min(END_OF_LIFE.values())
    if end is not None and today + _SOON > end:
        has = "have ended on" if today > end else "end on"
        yield Found(
            f"The security fixes of Python {shown} {has} {end.isoformat()}.",
            "Choose a newer one: 3.13 and 3.14 have years left.",
        )


@check(
    "PY-02",
    "The project asks for another Python",
    "warning",
    host="any",
    source="microsoft/Oryx: the platform's version is the site's, not the project's",
)
def py_02(site: Site) -> Iterator[Found]:
    """Report `requires-python`, `.python-version` or `runtime.txt` that do not fit.

    The version of a site is set on the platform; these files do not change it.
    """
    if site.python is None and site.asked_version is None:
        raise UnknownError("the platform's Python is not known: --python-version 3.13")
    version = site.python or site.asked_version or (0, 0)
    shown = ".".join(map(str, version))
    if site.python and site.asked_version and site.python != site.asked_version:
        file = ".python-version" if site.has(".python-version") else "runtime.txt"
        yield Found(
            f"{file} names Python {'.'.join(map(str, site.asked_version))}, and the site has "
            f"{shown}.",
            "Change one of them.",
            file,
        )
    project = site.project.get("project")
    wanted = project.get("requires-python") if isinstance(project, dict) else None
    if isinstance(wanted, str) and not _allows(wanted, version):
        yield Found(
            f"pyproject.toml requires Python {wanted}, and the site has {shown}: the build fails.",
            "Change one of them.",
            "pyproject.toml",
        )


@check("PY-03", "The image is Ubuntu from Python 3.14 on", "note", looks_at="files command",
       source="AppService blog, 2025-10-14")  # fmt: skip
def py_03(site: Site) -> Iterator[Found]:
    """Report `apt` in scripts of a site with Python 3.14: package names differ from Debian's."""
    if _version(site) < _UBUNTU_SINCE:
        return
    for name in site.tree.ending(".sh"):
        for number, line in enumerate(site.text(name).splitlines(), 1):
            line = line[:_MAX_LINE]
            if re.search(r"\bapt(?:-get)?\s+install\b", line.partition("#")[0]):
                yield Found(
                    "Python 3.14's image is Ubuntu 24.04, where some packages have other names.",
                    "Check the names, or use an image of your own.",
                    name,
                    number,
                    site.masked(line.strip())[:200],
                )


def _allows(specifier: str, version: tuple[int, int]) -> bool:
    """Return whether a version, any patch of it, may fulfil a specifier; True if it is unclear."""
    for clause in specifier.split(","):
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            return True
        sign, major, minor = found[1], int(found[2]), found[3]
        if minor in (None, "*"):
            low, same = (major, 0), version[0] == major
        else:
            low = (major, int(minor))
            same = version == low
        whole = clause.count(".") <= 1 or "*" in clause
        fits = {
            ">=": version >= low,
            ">": version > low or (version == low and not whole),
            "<": version < low or (version == low and not whole),
            "<=": version <= low,
            "==": same,
            "!=": not (same and whole),
            "~=": version[0] == major
            and version >= low
            and (clause.count(".") < 2 or version == low),
        }
        if not fits[sign]:
            return False
    return True
