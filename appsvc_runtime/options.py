"""The `APPSVC_*` settings: one table that the middleware, the doors, the help and the README share.

Pure and light. Must not know what the options are for. Precedence is one expression, in `resolve`:
argument, environment, default.
"""

from __future__ import annotations

from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def parse_bool(text: str) -> bool:
    """Read `1/true/yes/on` or `0/false/no/off`, in any case; ValueError for anything else."""
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("expected true or false")


def parse_count(text: str) -> int:
    """Read a whole number of at least 1, in plain ASCII digits; ValueError for anything else.

    `int()` alone also takes `8_000`, `+8`, Arabic digits and trailing newlines.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 9) or int(text) < 1:
        raise ValueError("expected a whole number from 1")
    return int(text)


def parse_number(text: str) -> int:
    """Read a whole number, 0 or more; ValueError for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError("expected a whole number")
    return int(text)


def parse_bytes(text: str) -> int:
    """Read a size such as `10485760`, `512K`, `10M` or `1G`; ValueError for anything else."""
    number = text.strip().upper()
    unit = 1
    if number[-1:] in ("K", "M", "G"):
        unit = 1024 ** ("KMG".index(number[-1]) + 1)
        number = number[:-1]
    if not (number.isascii() and number.isdigit() and len(number) <= 12):
        raise ValueError("expected a number of bytes such as 10M")
    return int(number) * unit


def parse_level(text: str) -> str:
    """Read a level of logging, by its name or its number; ValueError for anything else."""
    word = text.strip().upper()
    found = {"10": "DEBUG", "20": "INFO", "30": "WARNING", "40": "ERROR", "50": "CRITICAL"}.get(
        word, {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(word, word)
    )
    if found not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise ValueError("expected DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return found


def parse_log_format(text: str) -> str:
    """Read the form of log lines; ValueError for anything else."""
    word = text.strip().lower()
    if word not in ("text", "json"):
        raise ValueError("expected text or json")
    return word


def parse_seconds(text: str) -> int:
    """Read a whole number of seconds, 0 or more; ValueError for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError("expected a whole number of seconds")
    return int(text)


def parse_header_name(text: str) -> str:
    """Read the name of an HTTP header, such as `X-Original-Host`; ValueError for anything else."""
    name = text.strip()
    if not name.isascii() or not name.replace("-", "").isalnum():
        raise ValueError("expected the name of a header, such as X-Original-Host")
    return name


def parse_host_pattern(text: str) -> str:
    """Read a host as Django's ALLOWED_HOSTS has it: a name, an address, `.example.com` or `*`.

    ValueError for anything else: a pattern with a scheme or a port would match nothing, unsaid.
    """
    name = text.strip()
    marks = ".-_"
    letters = name.removeprefix(".")
    if name.startswith("[") and name.endswith("]"):  # an IPv6 address, as in a Host header
        marks, letters = ".:", name[1:-1]
    for mark in marks:
        letters = letters.replace(mark, "")
    if name != "*" and (
        not (letters.isascii() and letters.isalnum())
        or ".." in name
        or (name.startswith("[") and ":" not in name)
    ):
        raise ValueError("expected host names such as www.example.com, in ASCII (xn--...)")
    return name


def parse_host_patterns(text: str) -> list[str]:
    """Read host patterns with commas between them; ValueError if one is none."""
    return [parse_host_pattern(part) for part in text.split(",") if part.strip()]


def parse_text(text: str) -> str:
    """Read any text, without the blanks around it."""
    return text.strip()


def parse_login(text: str) -> str:
    """Read what visitors who are not signed in get; ValueError for anything else."""
    word = text.strip().lower()
    if word in ("false", "0", "no", "off"):
        return ""
    if not word.isascii() or not word.replace("-", "").replace("_", "").isalnum():
        raise ValueError("expected 401, or a provider such as aad")
    return word


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
        """Give the argument if it is not None, else the variable if it is set, else the default.

        A variable that is set to nothing counts as not set. An argument is read as the variable
        would be, unless it is a list of its own. Raises ConfigError, naming the variable and what
        was expected, never the value.
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
                    hint="Correct it where it is given.",
                ) from None
            raise ConfigError(
                f"The setting {self.name} cannot be used: {error}.",
                hint="Correct it in the app settings, or take it out.",
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
            parse_text,
            "",
            "Who may report scheme, host and client: addresses and networks, separated by commas, "
            "or `*`. On App Service: loopback, link-local and private peers. Elsewhere: nobody.",
        ),
        Option(
            "APPSVC_FORWARDED_HOPS",
            parse_count,
            None,
            "How many proxies append to `X-Forwarded-*`. 1, or 2 under HttpPlatformHandler on "
            "App Service where the second one has appended.",
        ),
        Option(
            "APPSVC_FRONT_DOOR_ID",
            parse_text,
            "",
            "The ID of your Front Door: requests whose `X-Azure-FDID` equals it have their "
            "`X-Forwarded-Host` taken and one more hop believed.",
        ),
        Option(
            "APPSVC_HOST_HEADER",
            parse_header_name,
            "",
            "The header that holds the visitor's host, such as `X-Original-Host` behind an "
            "Application Gateway. The `Host` header itself when not set.",
        ),
        Option(
            "APPSVC_ALLOWED_HOSTS",
            parse_host_patterns,
            (),
            "The site's custom domains, separated by commas, for Django's `ALLOWED_HOSTS` and "
            "`CSRF_TRUSTED_ORIGINS` (`appsvc_runtime.django`); `.example.com` is all below it.",
        ),
        Option(
            "APPSVC_REMOTE_USER",
            parse_bool,
            True,
            "Set `REMOTE_USER` and `AUTH_TYPE` where App Service authentication says who is "
            "signed in.",
        ),
        Option(
            "APPSVC_REQUIRE_LOGIN",
            parse_login,
            "",
            "Let only signed-in visitors in: `401` answers the others so, a provider such as `aad` "
            "sends them to its sign-in.",
        ),
        Option(
            "APPSVC_PASS_WARMUP",
            parse_bool,
            False,
            "Pass the platform's warm-up request on to the app, rather than answer it.",
        ),
        Option(
            "APPSVC_HTTPS_ONLY",
            parse_bool,
            False,
            "Answer plain requests with 308 to https (not probes), and add HSTS to secure answers.",
        ),
        Option(
            "APPSVC_HSTS_SECONDS",
            parse_seconds,
            31_536_000,
            "How long browsers shall remember to use https, where `APPSVC_HTTPS_ONLY` is on.",
        ),
        Option(
            "APPSVC_SERVER",
            parse_text,
            "",
            "The server: `gunicorn`, `waitress`, `granian` or `uvicorn`. When not set, `appsvc "
            "serve` takes gunicorn, `runserver` waitress.",
        ),
        Option(
            "APPSVC_WORKERS",
            parse_count,
            None,
            "Worker processes of gunicorn, granian or uvicorn. Chosen by the cores when not set.",
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
            "Seconds that running requests get when the server is told to stop.",
        ),
        Option(
            "APPSVC_LOG_LEVEL",
            parse_level,
            "INFO",
            "What `configure_logging` lets through: `DEBUG`, `INFO`, `WARNING`, `ERROR`, "
            "`CRITICAL`.",
        ),
        Option(
            "APPSVC_LOG_FORMAT",
            parse_log_format,
            "text",
            "How log lines are written: `text` or `json`.",
        ),
        Option(
            "APPSVC_LOG_MAX_BYTES",
            parse_bytes,
            10 * 1024 * 1024,
            "When the file that `WSGI_LOG` names is renamed, in bytes or as `10M`; 0 is never.",
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
            "all but gunicorn. `appsvc serve` switches it on with these.",
        ),
        Option(
            "APPSVC_LOG_PROBES",
            parse_bool,
            False,
            "Access lines also for the platform's warm-up and health probes.",
        ),
    )
}


def resolve(name: str, argument: Any, environ: Mapping[str, str]) -> Any:
    """Give the value of one `APPSVC_*` setting, as `Option.resolve` says."""
    return OPTIONS[name].resolve(argument, environ)
