"""DJ: a Django project's settings, as far as their text shows them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from ..check import Found, check
from ..site import Site

_Place: TypeAlias = tuple[ast.expr, int, str]

_CHECKLIST = "Django: Deployment checklist"


def _settings(site: Site) -> Iterator[tuple[str, ast.expr, int, str]]:
    """Yield what the settings assign: name, value, line, file."""
    for file in site.django_settings:
        source = site.sources.parse(file)
        for name, value, line in source.assignments() if source else ():
            yield name, value, line, file


def _value(site: Site, wanted: str) -> _Place | None:
    """Return the last value of a setting, its line and file."""
    found = [(value, line, file) for name, value, line, file in _settings(site) if name == wanted]
    return found[-1] if found else None


def _always(site: Site, wanted: str, is_bad: Callable[[ast.expr], bool]) -> _Place | None:
    """Return the last value of a setting if all its values are bad.

    A file for production may override another's, and one branch of an `if` is not the whole.
    """
    found = [(value, line, file) for name, value, line, file in _settings(site) if name == wanted]
    return found[-1] if found and all(is_bad(value) for value, _, _ in found) else None


def _is_true(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str) and bool(value.value)


def _texts(value: ast.expr) -> list[str] | None:
    """Return a list of texts that is written out, None for anything else."""
    if not isinstance(value, ast.List | ast.Tuple):
        return None
    found = [getattr(one, "value", None) for one in value.elts]
    texts = [one for one in found if isinstance(one, str)]
    return texts if len(texts) == len(found) else None


@check(
    "DJ-01",
    "Debugging is on, or the secret key is in the sources",
    "error",
    host="any",
    source=_CHECKLIST,
)
def dj_01(site: Site) -> Iterator[Found]:
    """Report `DEBUG = True` and a SECRET_KEY that is written out.

    With DEBUG each error shows settings and local variables to anybody. Who knows the key can sign
    sessions as any user.
    """
    debug = _always(site, "DEBUG", _is_true)
    if debug:
        yield Found(
            "DEBUG is on for everybody.",
            'Write DEBUG = os.environ.get("DEBUG") == "1".',
            debug[2],
            debug[1],
        )
    key = _always(site, "SECRET_KEY", _is_text)
    if key:
        yield Found(
            "SECRET_KEY is in the sources.",
            'Make a new one, set it as an app setting, and write os.environ["SECRET_KEY"].',
            key[2],
            key[1],
        )


@check(
    "DJ-02",
    "The platform's hosts are not allowed",
    "error",
    host="any",
    source="Django: ALLOWED_HOSTS; Azure-Samples/msdocs-django-postgresql-sample-app#46",
)
def dj_02(site: Site) -> Iterator[Found]:
    """Report ALLOWED_HOSTS without the site's name.

    Django answers 400 to every other host: to the site's name, and to health checks and warm-up
    requests, whose host is an address such as 169.254.129.1. This package's middleware answers
    those, and `appsvc_runtime.django.allowed_hosts()` gives the names.
    """
    hosts = _always(site, "ALLOWED_HOSTS", lambda value: _texts(value) is not None)
    listed = [
        text
        for name, value, _, _ in _settings(site)
        if name == "ALLOWED_HOSTS"
        for text in _texts(value) or ()
    ]
    if hosts is None or "*" in listed or any("azurewebsites" in one for one in listed):
        return
    outside = [one for one in listed if one.lstrip(".") not in ("localhost", "127.0.0.1", "[::1]")]
    if outside and not site.given:
        return  # a domain of one's own, perhaps all that is needed
    name = site.setting("WEBSITE_HOSTNAME")
    if outside and (not name or any(name.endswith(one) for one in outside)):
        return
    yield Found(
        "ALLOWED_HOSTS has no name of the platform: every request gets status 400.",
        "Write ALLOWED_HOSTS = appsvc_runtime.django.allowed_hosts().",
        hosts[2],
        hosts[1],
    )


@check("DJ-03", "A trusted origin has no scheme", "error", host="any",
       source="Django 4.0: Release notes; tonybaloney/django-on-azure#5")  # fmt: skip
def dj_03(site: Site) -> Iterator[Found]:
    """Report CSRF_TRUSTED_ORIGINS that do not begin with https:// or http://.

    Django refuses to start with such a value since 4.0.
    """
    found = _value(site, "CSRF_TRUSTED_ORIGINS")
    for one in (_texts(found[0]) or []) if found else []:
        if found and "://" not in one:
            yield Found(
                f"{one!r} has no scheme: Django does not start.",
                f"Write 'https://{one.lstrip('*.')}'.",
                found[2],
                found[1],
            )


@check(
    "DJ-04",
    "HTTPS is not seen",
    "error",
    host="any",
    source="Django: SECURE_PROXY_SSL_HEADER; Azure-Samples/ms-identity-python-webapp#18",
)
def dj_04(site: Site) -> Iterator[Found]:
    """Report SECURE_SSL_REDIRECT without anything that tells Django of the front end's HTTPS.

    The front end speaks HTTP to the app: Django would redirect every request to itself, without
    end. This package's middleware, which `appsvc serve` puts around the app, tells it.
    """
    redirect = _value(site, "SECURE_SSL_REDIRECT")
    if redirect is None or not (
        isinstance(redirect[0], ast.Constant) and redirect[0].value is True
    ):
        return
    if _value(site, "SECURE_PROXY_SSL_HEADER") or site.uses_middleware:
        return
    yield Found(
        "SECURE_SSL_REDIRECT is on, and Django takes every request for HTTP: it redirects forever.",
        "Start with `exec appsvc serve`, or put appsvc_runtime's middleware around the app.",
        redirect[2],
        redirect[1],
    )


@check(
    "DJ-06",
    "Nothing serves the static files",
    "warning",
    source="AD:configure-language-python; WhiteNoise",
)
def dj_06(site: Site) -> Iterator[Found]:
    """Report a project with static files and without WhiteNoise.

    Django serves them with DEBUG only, and the container has no other server.
    """
    if not site.is_django or not site.django_settings:
        return
    text = "".join(site.text(name) for name in site.django_settings)
    if "django.contrib.staticfiles" not in text:
        return
    if "whitenoise" in text.lower() or site.requires("whitenoise", "servestatic"):
        return
    if re.search(r"(?i)storages|STATIC_URL\s*=\s*[\"']https?:", text):
        return
    yield Found(
        "Neither WhiteNoise nor a storage serves the static files: pages have no styles.",
        "Add whitenoise, and whitenoise.middleware.WhiteNoiseMiddleware to MIDDLEWARE.",
        site.django_settings[0],
    )


@check(
    "DJ-07",
    "A setting of Django is not safe behind the front end",
    "warning",
    host="any",
    source=_CHECKLIST,
)
def dj_07(site: Site) -> Iterator[Found]:
    """Report cookies that go over HTTP, and USE_X_FORWARDED_HOST without a list of hosts."""
    for name in ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"):
        found = _value(site, name)
        if found and isinstance(found[0], ast.Constant) and found[0].value is False:
            yield Found(f"{name} is False.", "Write True.", found[2], found[1])
    hosts = _value(site, "ALLOWED_HOSTS")
    forwarded = _value(site, "USE_X_FORWARDED_HOST")
    is_on = forwarded and getattr(forwarded[0], "value", None) is True
    if forwarded and is_on and hosts and "*" in (_texts(hosts[0]) or []):
        yield Found(
            "USE_X_FORWARDED_HOST with ALLOWED_HOSTS ['*'] lets anybody choose the host of "
            "links, also in mails that reset passwords.",
            "List the hosts.",
            forwarded[2],
            forwarded[1],
        )
