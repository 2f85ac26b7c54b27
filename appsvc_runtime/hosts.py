"""Which host this is, told from its environment variables.

Pure, and imports nothing heavy: the middleware asks it while an app starts. Must not know of
requests, settings' types or the operating system.
"""

from __future__ import annotations

from . import facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def on_app_service(environ: Mapping[str, str]) -> bool:
    """Say whether `environ` is that of an App Service host, Windows or Linux.

    Both variables must be there and not empty (AD: reference-app-settings): one alone is easily
    left over in somebody's shell.
    """
    return bool(environ.get(facts.SITE_NAME)) and bool(environ.get(facts.INSTANCE_ID))


def under_http_platform(environ: Mapping[str, str]) -> bool:
    """Say whether IIS's HttpPlatformHandler started this process on App Service."""
    return on_app_service(environ) and bool(environ.get(facts.HTTP_PLATFORM_PORT))


def warmup_path(environ: Mapping[str, str]) -> str:
    """Give the path that the platform asks until the container answers."""
    return environ.get(facts.WARMUP_PATH) or facts.DEFAULT_WARMUP_PATH
