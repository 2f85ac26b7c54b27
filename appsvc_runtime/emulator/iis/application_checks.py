"""Checks the configuration of each of a site's applications, and what they share.

Looks whether files exist. Must not know how an application is started.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...findings import Finding
from ...startup.interface import ASGI, read_interface
from .rewrite.rules import compile_rules
from .webconfig import checks
from .webconfig.interpreters import application_of, python_handler
from .windows_paths import expand

if TYPE_CHECKING:
    from .plan import Plan

__all__ = ["check_all"]

_PATH_SETTING = "APPSVC_APPLICATION_PATH"


def check_all(plans: Sequence[Plan]) -> list[Finding]:
    """Return the findings about all applications of a site, its own first."""
    any_python = any(plan.kind for plan in plans)
    found = [finding for plan in plans for finding in _check(plan, needs_python=not any_python)]
    return list(dict.fromkeys([*found, *_check_shared(plans)]))


def _check(plan: Plan, *, needs_python: bool) -> list[Finding]:
    paths, windows = plan.paths, plan.windows
    rules = list(compile_rules(plan.config.rules, plan.application.path).findings)
    if not plan.kind and not needs_python:
        return [*_without_python(plan), *rules]
    config = replace(plan.config, app_settings=plan.wfastcgi_settings)
    checked = checks.check(
        config,
        environ_names=windows,
        exists=lambda path: paths.program(expand(path, windows)) is not None,
        source=lambda path: paths.source(expand(path, windows)),
        is_asgi=lambda name: read_interface(name, plan.application.folder) == ASGI,
    )
    return [*(_explain(plan, finding) for finding in checked), *_check_path(plan), *rules]


def _explain(plan: Plan, finding: Finding) -> Finding:
    """Return a finding, in other words if it is about a setting that only a parent has."""
    if finding.code != "no-wsgi-handler" or "WSGI_HANDLER" not in plan.config.app_settings:
        return finding
    return replace(
        finding,
        message=f"WSGI_HANDLER is not in the web.config of {plan.application.called} itself.",
        hint="wfastcgi.py reads the appSettings of that file alone, not those of a parent.",
    )


def _without_python(plan: Plan) -> list[Finding]:
    if not plan.application.path:
        return []
    message = "No handler sends requests to Python: IIS serves this application's files itself."
    return [Finding("no-handler", "warning", plan.application.path, message)]


def _check_path(plan: Plan) -> list[Finding]:
    """Report a process that is not told the path below which it is served."""
    settings, path = plan.config.http_platform, plan.application.path
    if not path or plan.kind != "httpplatform" or settings is None:
        return []
    given = {*plan.environ, *(name.upper() for name, _ in settings.environment_variables)}
    if plan.options.httpplatform_version > 1 or _PATH_SETTING in given:
        return []
    message = f"The processes of {path} get whole paths, and only version 2 tells them {path}."
    hint = f"With appsvc-runtime, add the environmentVariable {_PATH_SETTING}, value {path}."
    return [Finding("application-path", "warning", str(settings.place), message, hint)]


def _check_shared(plans: Sequence[Plan]) -> list[Finding]:
    """Report applications whose FastCGI processes IIS cannot tell apart."""
    found = []
    seen: dict[tuple[str, str], Plan] = {}
    for plan in plans:
        handler = python_handler(plan.config.handlers) if plan.kind == "fastcgi" else None
        if handler is None:
            continue
        key = application_of(plan.config, handler).key
        first = seen.setdefault(key, plan)
        if first is not plan:
            one, two = first.application.called, plan.application.called
            found.append(
                Finding(
                    "shared-processes",
                    "warning",
                    str(handler.place),
                    f"{one} and {two} start the same scriptProcessor. In one application pool, as "
                    "on App Service, IIS has one set of FastCGI processes for it, and a process of "
                    "wfastcgi.py serves only the application of its first request. Here each "
                    "application has its own.",
                    f"Write another word after wfastcgi.py, such as {two}, and register it.",
                )
            )
    return found
