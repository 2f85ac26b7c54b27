"""HTTP and AUTH: addresses, hosts and identities that come through the front end."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..check import Found, check
from ..site import Site

_PRINCIPAL = re.compile(r"(?i)x[-_]ms[-_]client[-_]principal")
_AUTH = "WEBSITE_AUTH_ENABLED"


@check("HTTP-03", "Headers of the front end are trusted by the app itself", "warning", host="any",
       source="this package's page on security; Werkzeug: ProxyFix")  # fmt: skip
def http_03(site: Site) -> Iterator[Found]:
    """Report `X-Forwarded-For` and the like that the app reads by itself.

    The first address of the header is the client's own claim. `ProxyFix(x_for=2)` and more believe
    it if there is one proxy only. This package's middleware gives REMOTE_ADDR the right address.
    """
    uses = site.uses_middleware
    for source in site.sources.with_words(r"(?i)x[-_]forwarded[-_]for|access_route|ProxyFix"):
        for call in source.calls():
            if call.last == "ProxyFix":
                count = call.keyword("x_for")
                number = getattr(count, "value", 1)
                if uses:
                    yield Found(
                        "ProxyFix beside appsvc_runtime's middleware reads the headers a second "
                        "time.",
                        "Remove ProxyFix.",
                        source.name,
                        call.line,
                    )
                elif isinstance(number, int) and number > 1:
                    yield Found(
                        f"ProxyFix(x_for={number}) believes {number} proxies, and App Service has "
                        "one.",
                        "Write x_for=1, or use appsvc_runtime's middleware.",
                        source.name,
                        call.line,
                    )
        first = re.search(
            r"(?i)forwarded[-_]for[\"'][^\n]{0,200}\.split\([\"'],[^\n]{0,80}\)\s{0,9}\[0\]"
            r"|access_route\s{0,9}\[0\]",
            source.text,
        )
        if first:
            yield Found(
                "The first address of X-Forwarded-For is what the client wrote itself.",
                "Read REMOTE_ADDR (request.remote_addr) behind appsvc_runtime's middleware.",
                source.name,
                source.text.count("\n", 0, first.start()) + 1,
            )


@check("HTTP-04", "A response may last longer than the load balancer waits", "note", host="any",
       source="AD: troubleshoot-http-502; 230 s without data")  # fmt: skip
def http_04(site: Site) -> Iterator[Found]:
    """Report waits of more than 230 s in the sources of an app.

    The load balancer ends a request that gets no data for 230 s.
    """
    for source in site.sources.with_words(r"\bsleep\("):
        for call in source.calls():
            value = call.node.args[0] if call.node.args else None
            seconds = getattr(value, "value", None)
            if not (call.last == "sleep" and call.depth and isinstance(seconds, int | float)):
                continue
            if seconds >= 230:
                yield Found(
                    f"A wait of {seconds} s is longer than a request may last without data.",
                    "Move the work to a WebJob or a queue, or send something meanwhile.",
                    source.name,
                    call.line,
                )


@check(
    "AUTH-01",
    "The signed-in user's headers can be sent by anybody",
    "error",
    host="any",
    looks_at="files settings",
    source="AD: configure-authentication-user-identities",
)
def auth_01(site: Site) -> Iterator[Found]:
    """Report X-MS-CLIENT-PRINCIPAL headers that are read while Easy Auth is off.

    Only with App Service authentication does the front end remove these headers from what a client
    sends. Behind this package's middleware they are gone if it is off.
    """
    if site.settings.get(_AUTH, "").lower() == "true" or site.uses_middleware:
        return
    for name, text in site.sources.all_text():
        found = _PRINCIPAL.search(text)
        if found:
            yield Found(
                f"This reads who is signed in, but {_AUTH} is not True: anybody can send it.",
                "Switch authentication on, or start with `exec appsvc serve`.",
                name,
                text.count("\n", 0, found.start()) + 1,
            )


@check("AUTH-02", "The health check has to sign in", "warning", looks_at="settings",
       source="yeongseon/azure-app-service-practical-guide: startup-availability")  # fmt: skip
def auth_02(site: Site) -> Iterator[Found]:
    """Report Easy Auth beside a health check, whose path has to be excluded from the sign-in."""
    if site.settings.get(_AUTH, "").lower() == "true" and (
        site.settings.get("WEBSITE_HEALTHCHECK_MAXPINGFAILURES")
        or site.settings.get("WEBSITE_WARMUP_PATH")
    ):
        yield Found(
            "Authentication is on, and so is a check of a path: it may get 401 or 302.",
            "Add the path to excludedPaths of the authentication's settings.",
        )


@check("AUTH-03", "A pipeline signs in with a password", "note", host="any",
       source="AD: configure-basic-auth-disable")  # fmt: skip
def auth_03(site: Site) -> Iterator[Found]:
    """Report publish profiles in workflows.

    Basic authentication of the SCM site is off for new sites. Use OpenID Connect: `azure/login`.
    """
    for name in _workflows(site):
        found = re.search(r"publish-profile\s*:", site.text(name))
        if found:
            yield Found(
                "A publish profile needs basic authentication, which is off for new sites.",
                "Use azure/login with OpenID Connect.",
                name,
                site.text(name).count("\n", 0, found.start()) + 1,
            )


def _workflows(site: Site) -> list[str]:
    return [
        name
        for name in site.tree.ending(".yml", ".yaml")
        if name.startswith(".github/workflows/") or "pipeline" in name.lower()
    ]
