"""The `APPSVC_*` settings: one table for middleware, entry points, help and documentation.

Pure and light. Must not know what the options are for. Precedence is one expression, in `resolve`:
argument, environment, default.
"""

from __future__ import annotations

from ..errors import ConfigError
from .option_parsers import (
    parse_application_path,
    parse_bool,
    parse_bytes,
    parse_count,
    parse_header_name,
    parse_host_patterns,
    parse_level,
    parse_log_format,
    parse_login,
    parse_networks,
    parse_number,
    parse_prefix_switch,
    parse_remote_user,
    parse_seconds,
    parse_text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["OPTIONS", "Option", "resolve"]


class Option:
    """One `APPSVC_*` setting: `name`, `parser` from text, `default`, and `help` in one sentence."""

    __slots__ = ("default", "help", "name", "parser")

    def __init__(
        self, name: str, parser: Callable[[str], Any], default: Any, help_text: str
    ) -> None:
        self.name = name
        self.parser = parser
        self.default = default
        self.help = help_text

    def resolve(self, argument: Any, environ: Mapping[str, str]) -> Any:
        """Return the argument if it is not None, else the variable if it is set, else the default.

        An empty variable counts as not set. An argument is parsed like the variable, unless it is a
        value of another type, such as a list. Raises ConfigError with the name of the variable and
        what was expected, never with the value.
        """
        if argument is not None and not isinstance(argument, str | int):
            return argument
        text = environ.get(self.name, "") if argument is None else str(argument)
        if not text.strip():
            return self.default
        try:
            return self.parser(text)
        except ValueError as error:
            if argument is not None:
                raise ConfigError(
                    f"The argument for {self.name} cannot be used: {error}.",
                    hint="Correct it in the call.",
                ) from None
            raise ConfigError(
                f"The setting {self.name} cannot be used: {error}.",
                hint="Correct it in the app settings, or remove it.",
            ) from None


OPTIONS: dict[str, Option] = {
    row.name: row
    for row in (
        Option(
            "APPSVC_APP",
            parse_text,
            "",
            "The app to serve: `module:attr`, `module:factory()`, `module`, or a dotted name "
            "as in `WSGI_HANDLER`. Detected when not set.",
        ),
        Option(
            "APPSVC_TRUSTED_PROXIES",
            parse_networks,
            "",
            "Peers that may report scheme, host and client: addresses and networks, separated by "
            "commas, or `*`. On App Service: loopback, link-local and private peers. Elsewhere: "
            "none.",
        ),
        Option(
            "APPSVC_FORWARDED_HOPS",
            parse_count,
            None,
            "How many proxies append to `X-Forwarded-*`. 1, or 2 under version 2 of "
            "HttpPlatformHandler on App Service. A shorter `X-Forwarded-For` names no client.",
        ),
        Option(
            "APPSVC_CLIENT_HEADER",
            parse_header_name,
            "",
            "The header in which your CDN names the client, such as `CF-Connecting-IP`. Only for a "
            "site that cannot be reached without the CDN.",
        ),
        Option(
            "APPSVC_ARR_SSL",
            parse_bool,
            None,
            "Whether `X-ARR-SSL` from a trusted peer means https. On App Service yes, elsewhere "
            "no; switch it on if your own IIS with ARR sets it.",
        ),
        Option(
            "APPSVC_FASTCGI_IDENTITY",
            parse_bool,
            False,
            "Read the signed-in user under wfastcgi as well. Only if web.config refuses header "
            "names with underscores: CGI cannot tell them from names with hyphens.",
        ),
        Option(
            "APPSVC_FRONT_DOOR_ID",
            parse_text,
            "",
            "The ID of your Front Door: for requests whose `X-Azure-FDID` equals it, "
            "`X-Forwarded-Host` and one more hop are trusted.",
        ),
        Option(
            "APPSVC_HOST_HEADER",
            parse_header_name,
            "",
            "The header that holds the host which the client requested, such as `X-Original-Host` "
            "behind an Application Gateway. The `Host` header itself when not set.",
        ),
        Option(
            "APPSVC_PATH_PREFIX",
            parse_prefix_switch,
            False,
            "Read `X-Forwarded-Prefix`, the path below which your gateway publishes the site, so "
            "that the app's links begin with it. Only for a site that cannot be reached without "
            "the gateway.",
        ),
        Option(
            "APPSVC_APPLICATION_PATH",
            parse_application_path,
            None,
            "The path of an application below the root of its IIS site, such as `/shop`, so that "
            "the app's links begin with it. When not set, the path that FastCGI or version 2 of "
            "HttpPlatformHandler reports; `/` ignores that.",
        ),
        Option(
            "APPSVC_ALLOWED_HOSTS",
            parse_host_patterns,
            (),
            "The site's custom domains, separated by commas, for Django's `ALLOWED_HOSTS` and "
            "`CSRF_TRUSTED_ORIGINS` (`appsvc_runtime.django`); `.example.com` includes its "
            "subdomains.",
        ),
        Option(
            "APPSVC_REMOTE_USER",
            parse_remote_user,
            "id",
            "The value of `REMOTE_USER` for a user signed in by App Service authentication: "
            "`true` or `id` is provider and id, such as `aad.1234`; `name` is the display name, "
            "which can change and which two providers can share; `false` sets nothing. "
            "`AUTH_TYPE` is the provider.",
        ),
        Option(
            "APPSVC_REQUIRE_LOGIN",
            parse_login,
            "",
            "Admit only signed-in users: `401` refuses others with that status; a provider such as "
            "`aad` redirects them to its sign-in and accepts only its own users; `aad,google` "
            "accepts users of both and redirects to the first.",
        ),
        Option(
            "APPSVC_PASS_WARMUP",
            parse_bool,
            False,
            "Pass the platform's warm-up request on to the app, instead of responding to it.",
        ),
        Option(
            "APPSVC_HTTPS_ONLY",
            parse_bool,
            False,
            "Redirect plain HTTP requests to https with 308 (except the platform's probes), and "
            "add HSTS to secure responses.",
        ),
        Option(
            "APPSVC_HSTS_SECONDS",
            parse_seconds,
            31_536_000,
            "How many seconds browsers remember to use https, if `APPSVC_HTTPS_ONLY` is on.",
        ),
        Option(
            "APPSVC_SERVER",
            parse_text,
            "",
            "The server: `gunicorn`, `waitress`, `granian` or `uvicorn`. When not set, `appsvc "
            "serve` uses gunicorn, `runserver` waitress; for an ASGI app both use uvicorn, else "
            "granian.",
        ),
        Option(
            "APPSVC_WORKERS",
            parse_count,
            None,
            "Worker processes of gunicorn, granian or uvicorn. Chosen by the number of cores when "
            "not set.",
        ),
        Option(
            "APPSVC_THREADS",
            parse_count,
            None,
            "Threads for the app: of each gunicorn or granian worker, or of waitress.",
        ),
        Option(
            "APPSVC_GRACEFUL_TIMEOUT",
            parse_seconds,
            None,
            "Seconds that running requests have to finish when the server stops.",
        ),
        Option(
            "APPSVC_AGENTS_FIRST",
            parse_bool,
            False,
            "Leave the agent of Application Insights before the site's packages on the import "
            "path, as the platform puts it. `appsvc serve` moves it behind them.",
        ),
        Option(
            "APPSVC_LOG_LEVEL",
            parse_level,
            "INFO",
            "The lowest level that `configure_logging` lets through: `DEBUG`, `INFO`, `WARNING`, "
            "`ERROR`, `CRITICAL`.",
        ),
        Option(
            "APPSVC_LOG_FORMAT",
            parse_log_format,
            "text",
            "The format of log lines: `text` or `json`.",
        ),
        Option(
            "APPSVC_LOG_MAX_BYTES",
            parse_bytes,
            10 * 1024 * 1024,
            "The size at which the file named by `WSGI_LOG` is renamed, in bytes or as `10M`; with "
            "0 it never is.",
        ),
        Option(
            "APPSVC_LOG_BACKUPS",
            parse_number,
            5,
            "How many renamed log files are kept; with 0 the file is never renamed.",
        ),
        Option(
            "APPSVC_ACCESS_LOG",
            parse_bool,
            False,
            "The middleware writes an access line for each request, for servers that write none: "
            "all but gunicorn. `appsvc serve` switches it on for those servers.",
        ),
        Option(
            "APPSVC_LOG_PROBES",
            parse_bool,
            False,
            "Write access lines also for the platform's warm-up and health probes.",
        ),
    )
}


def resolve(name: str, argument: Any, environ: Mapping[str, str]) -> Any:
    """Return the value of one `APPSVC_*` setting, as `Option.resolve` does."""
    return OPTIONS[name].resolve(argument, environ)
