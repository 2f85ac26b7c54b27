"""All checks, in the order in which they are shown, and running them on a site."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable

from .check import Check, Found, Result, UnknownError, checks_in
from .checks import (
    app_settings,
    build,
    databases,
    django,
    gunicorn,
    http,
    iis,
    jobs,
    operations,
    packages,
    pipeline,
    run,
    scripts,
    start,
    telemetry,
    versions,
)
from .site import Site

__all__ = ["all_checks", "find_check", "run_checks"]

_MODULES = (
    start, scripts, gunicorn, build, packages, versions, telemetry, app_settings, databases, django,
    http, jobs, operations, iis, pipeline, run,
)  # fmt: skip
# One line in a hundred files is one fault.
_MAX_FOUND = 20


@functools.cache
def all_checks() -> tuple[Check, ...]:
    """Return the table, sorted by id within each group."""
    found = [check for module in _MODULES for check in checks_in(module)]
    groups = list(dict.fromkeys(check.group for check in found))
    return tuple(sorted(found, key=lambda one: (groups.index(one.group), one.id)))


def find_check(id_: str) -> Check | None:
    """Return the check with an id, in any case, or None."""
    return next((one for one in all_checks() if one.id == id_.upper()), None)


def run_checks(site: Site, checks: Iterable[Check], hosts: Collection[str]) -> list[Result]:
    """Return what came of each check; those of other hosts are left out."""
    return [_run(site, check) for check in checks if check.belongs_to(hosts)]


def _run(site: Site, check: Check) -> Result:
    found: list[Found] = []
    try:
        for one in check.look(site):
            if one not in found:
                found.append(one)
            if len(found) == _MAX_FOUND:
                break
    except UnknownError as error:
        return Result(check, tuple(found), str(error))
    except RecursionError:
        return Result(check, tuple(found), "a source is nested too deeply")
    return Result(check, tuple(found))
