"""OPS and SLOT: stops, health checks, Always On, slots. From the app settings."""

from __future__ import annotations

from collections.abc import Iterator

from ...azure import names
from ..check import Found, UnknownError, check
from ..site import Site

_FAILURES = "WEBSITE_HEALTHCHECK_MAXPINGFAILURES"
_START = "WEBSITES_CONTAINER_START_TIME_LIMIT"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@check("OPS-01", "The app gets less time to stop than it takes", "warning", looks_at="settings",
       source="AD:reference-app-settings; this package's page on stopping")  # fmt: skip
def ops_01(site: Site) -> Iterator[Found]:
    """Report a graceful time longer than the platform waits: 5 s, unless a setting says more."""
    limit = _number(site.settings.get(names.STOP_TIME_LIMIT, "")) or names.DEFAULT_STOP_SECONDS
    if limit > names.MAX_STOP_SECONDS:
        yield Found(
            f"{names.STOP_TIME_LIMIT} is above {names.MAX_STOP_SECONDS}, the platform's maximum.",
            f"Set at most {names.MAX_STOP_SECONDS}.",
        )
    own = _number(site.settings.get("APPSVC_GRACEFUL_TIMEOUT", "")) or 0
    if own >= limit:
        yield Found(
            f"The app may take {own:g} s to stop, and the platform kills after {limit:g} s.",
            f"Set {names.STOP_TIME_LIMIT} to more, at most {names.MAX_STOP_SECONDS}.",
        )


@check("OPS-02", "A limit of the platform is out of its range", "warning", looks_at="settings",
       source="AD:reference-app-settings; AD:monitor-instances-health-check")  # fmt: skip
def ops_02(site: Site) -> Iterator[Found]:
    """Report numbers that the platform does not accept: failures 2 to 10, start 10 to 1800 s."""
    for name, low, high in ((_FAILURES, 2, 10), (_START, 10, 1800)):
        text = site.settings.get(name, "")
        number = _number(text)
        if text and (number is None or not low <= number <= high):
            yield Found(f"{name} is not between {low} and {high}.", "Correct it.")


@check("OPS-04", "Debugging is on in the app settings", "error", host="any", looks_at="settings",
       source="Flask and Django: their pages on deployment")  # fmt: skip
def ops_04(site: Site) -> Iterator[Found]:
    """Report FLASK_DEBUG, DEBUG and DJANGO_DEBUG that are on."""
    for name in ("FLASK_DEBUG", "DJANGO_DEBUG", "DEBUG", "QUART_DEBUG"):
        if site.settings.get(name, "").strip().lower() in ("1", "true", "yes", "on"):
            yield Found(f"{name} is on.", "Remove it.")
    if site.settings.get("FLASK_ENV", "") == "development":
        yield Found("FLASK_ENV is development.", "Remove it.")


@check("SLOT-01", "A setting goes along when slots are swapped", "note", looks_at="settings",
       source="AD:deploy-staging-slots; yeongseon/azure-app-service-practical-guide")  # fmt: skip
def slot_01(site: Site) -> Iterator[Found]:
    """Report settings that name an environment and are not sticky to their slot.

    They are swapped with the code: production then has staging's values. Needs the output of
    `az webapp config appsettings list`, which says what is sticky.
    """
    if site.given is None:
        raise UnknownError("app settings are not given: --settings FILE")
    if site.given.sticky is None:
        raise UnknownError("the settings file does not say what is sticky")
    if not site.given.sticky:
        return  # no slots, as far as it shows
    for name in ("APP_ENV", "ENVIRONMENT", "ENV", "DJANGO_ENV", "SENTRY_ENVIRONMENT"):
        if name in site.given.values and name not in site.given.sticky:
            yield Found(f"{name} is not sticky to its slot.", "Mark it as a slot setting.")
