"""RUN: what one run of the site in the emulator shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..check import Found, check
from ..site import Site
from ..trial import MISSING

_EMULATOR = "this package's emulator: a run of the site"
_SLOW_START = 60.0
_SLOW_PROBE = 1.0
_DEBUG = re.compile(
    r"You(?:'|&#x27;)re seeing this error because you have <code>DEBUG = True|Werkzeug Debugger"
    r"|__debugger__|Traceback \(most recent call last\)|<title>DisallowedHost at"
)


@check("RUN-01", "The site does not start", "error", source=_EMULATOR, looks_at="run")
def run_01(site: Site) -> Iterator[Found]:
    """Report why the site did not start in the emulated container.

    It is built and started as the platform does. A setting that it needs is given with
    `--set NAME=VALUE`: the values of `--settings` are those of the deployed site, and are not used.
    """
    if site.trial.problem:
        yield Found(
            site.masked(site.trial.problem.removesuffix(".")) + ".",
            "`appsvc emulate` shows all of its output.",
        )


@check(
    "RUN-02", "The start takes long", "warning", source="AD:reference-app-settings", looks_at="run"
)
def run_02(site: Site) -> Iterator[Found]:
    """Report a start of more than a minute: the platform gives it 230 s, with slower processors."""
    if site.trial.seconds > _SLOW_START:
        yield Found(
            f"The site was ready after {site.trial.seconds:.0f} s.",
            "Do the work later, or raise WEBSITES_CONTAINER_START_TIME_LIMIT.",
        )


@check(
    "RUN-03",
    "A redirect leaves HTTPS, or goes to another host",
    "error",
    source=_EMULATOR,
    looks_at="run",
)
def run_03(site: Site) -> Iterator[Found]:
    """Report a redirect to http:// for a client that came with https://.

    The app does not see what the front end knows. With this package's middleware around the app,
    which `appsvc serve` puts there, it does.
    """
    for one in site.trial.pages:
        target = one.headers.get("location", "")
        if 300 <= one.status < 400 and target.startswith("http://"):
            yield Found(
                f"{one.path} redirects to http.",
                "Start with `exec appsvc serve`, or put the middleware around the app.",
                evidence=f"GET https://…{one.path} -> {one.status} Location: {target[:200]}",
            )


@check("RUN-04", "The platform's own requests are refused", "error",
       source="AD:monitor-instances-health-check", looks_at="run")  # fmt: skip
def run_04(site: Site) -> Iterator[Found]:
    """Report a health path that redirects, wants a sign-in, fails or is slow.

    The health check follows no redirect, and counts 200 to 299 only. For the warm-up request any
    answer counts, but not none.
    """
    for one in site.trial.probes:
        shown = f"GET {one.path} -> {one.status or 'no answer'} in {one.seconds:.1f} s"
        is_warmup = one.path.startswith("/robots")
        if not one.status or (not is_warmup and not 200 <= one.status < 300):
            yield Found(
                f"{one.path} answers {one.status or 'nothing'} to the platform.",
                "Answer it with 200: `Health` of this package does, before sign-in and redirects.",
                evidence=shown,
            )
        elif not is_warmup and one.seconds > _SLOW_PROBE:
            yield Found(f"{one.path} takes {one.seconds:.1f} s.", "Check less.", evidence=shown)


@check(
    "RUN-05",
    "Anybody sees the debugger",
    "error",
    source="Django and Flask: deployment",
    looks_at="run",
)
def run_05(site: Site) -> Iterator[Found]:
    """Report a page of Django's DEBUG, of Werkzeug's debugger, or a traceback."""
    for one in site.trial.pages:
        found = _DEBUG.search(one.body)
        if found:
            yield Found(
                f"{one.path} shows a page for developers.",
                "Switch debugging off.",
                evidence=f"GET {one.path} -> {one.status}: … {found[0][:100]} …",
            )


@check(
    "RUN-06",
    "A cookie also goes over HTTP",
    "warning",
    source="Django and Flask: deployment",
    looks_at="run",
)
def run_06(site: Site) -> Iterator[Found]:
    """Report cookies without `Secure` in a response to a client with https://."""
    for one in site.trial.pages:
        for cookie in one.cookies:
            parts = [part.strip().lower() for part in cookie.split(";")]
            if "secure" not in parts[1:]:
                name = cookie.partition("=")[0][:60]
                yield Found(
                    f"The cookie {name} is not marked as secure.",
                    "Set SESSION_COOKIE_SECURE (Flask, Django), CSRF_COOKIE_SECURE (Django).",
                    evidence=f"GET {one.path} -> Set-Cookie: {name}=…",
                )


@check("RUN-07", "The first page fails", "error", source=_EMULATOR, looks_at="run")
def run_07(site: Site) -> Iterator[Found]:
    """Report status 400 for the site's own host, and 500 and above for its first page."""
    if site.trial.problem:
        return
    one = site.trial.page("/")
    if one.status == 400:
        yield Found(
            "The first page answers 400 to the site's own host.",
            "Django: ALLOWED_HOSTS = appsvc_runtime.django.allowed_hosts().",
            evidence="GET / -> 400",
        )
    elif one.status >= 500 or not one.status:
        yield Found(
            f"The first page answers {one.status or 'nothing'}.",
            "`appsvc emulate` shows the app's own lines.",
            evidence=f"GET / -> {one.status or 'no answer'}",
        )


@check("RUN-08", "A page that is not there answers 200", "note", source=_EMULATOR, looks_at="run")
def run_08(site: Site) -> Iterator[Found]:
    """Report a site whose missing pages answer with success: it may be the platform's own page.

    Single-page apps do this on purpose.
    """
    one = site.trial.page(MISSING)
    if 200 <= one.status < 300 and not site.trial.problem:
        yield Found(
            "A path that does not exist answers with success.",
            "Check that this is your app.",
            evidence=f"GET {MISSING} -> {one.status}",
        )
