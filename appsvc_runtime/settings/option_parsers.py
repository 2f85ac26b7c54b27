"""The parsers of `APPSVC_*` settings: text in, a value out, ValueError for anything else.

Pure and light. Each error says what was expected, and never contains the text. Must not know which
setting uses which parser.
"""

from __future__ import annotations

__all__ = [
    "parse_application_path",
    "parse_bool",
    "parse_bytes",
    "parse_count",
    "parse_header_name",
    "parse_host_pattern",
    "parse_host_patterns",
    "parse_level",
    "parse_log_format",
    "parse_login",
    "parse_networks",
    "parse_number",
    "parse_prefix_switch",
    "parse_remote_user",
    "parse_seconds",
    "parse_text",
]

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
    """Read a log level, by its name or its number; ValueError for anything else."""
    word = text.strip().upper()
    found = {"10": "DEBUG", "20": "INFO", "30": "WARNING", "40": "ERROR", "50": "CRITICAL"}.get(
        word, {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(word, word)
    )
    if found not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise ValueError("expected DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return found


def parse_log_format(text: str) -> str:
    """Read the format of log lines; ValueError for anything else."""
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
    """Read a host as in Django's ALLOWED_HOSTS: a name, an address, `.example.com` or `*`.

    ValueError for anything else: a pattern with a scheme or a port would never match, without a
    warning.
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
    """Read host patterns with commas between them; ValueError if one is invalid."""
    return [parse_host_pattern(part) for part in text.split(",") if part.strip()]


def parse_text(text: str) -> str:
    """Read any text, without the blanks around it."""
    return text.strip()


def parse_networks(text: str) -> str:
    """Return a list of addresses, networks and `*`, with commas; ValueError for anything else."""
    import ipaddress  # a site that names none does not pay for it

    for number, word in enumerate(text.split(","), 1):
        if word.strip() not in ("", "*"):
            try:
                ipaddress.ip_network(word.strip(), strict=False)
            except ValueError:
                raise ValueError(
                    "expected addresses, networks or *, such as 10.0.0.4,192.168.0.0/16, which "
                    f"entry {number} is not"
                ) from None
    return text


def parse_login(text: str) -> str:
    """Return the required sign-in: "" for none, `401`, or providers with commas between them.

    Raises ValueError for anything else.
    """
    word = text.strip().lower()
    if word in _FALSE:
        return ""
    names = [name.strip() for name in word.split(",")]
    for name in names:
        letters = name.replace("-", "").replace("_", "")
        if name in _TRUE or not letters.isascii() or not letters.isalnum():
            raise ValueError("expected 401, or a provider such as aad, or several: aad,google")
    if word != "401" and any(name.isdigit() for name in names):
        raise ValueError("expected 401 alone, or names of providers such as aad,google")
    return ",".join(names)


def parse_application_path(text: str) -> str:
    """Read the URL path of an application, `/shop`, without a slash at its end; "" for `/`.

    Raises ValueError for anything else.
    """
    path = text.strip().rstrip("/")
    if not path and text.strip():
        return ""
    plain = path.startswith("/") and path.isprintable() and not set(path) & set('\\?#%"<>|*:')
    if not plain or {"", ".", ".."} & set(path.split("/")[1:]):
        raise ValueError("expected a path such as /shop, not encoded, or / for none")
    return path


def parse_prefix_switch(text: str) -> bool:
    """Read whether the gateway's prefix is used; ValueError for anything else, such as a prefix."""
    try:
        return parse_bool(text)
    except ValueError:
        raise ValueError(
            "expected true or false; the gateway sends the prefix in X-Forwarded-Prefix"
        ) from None


def parse_remote_user(text: str) -> str:
    """Return the source of `REMOTE_USER`: `id`, `name`, or "" for no value.

    `true` is `id`. Raises ValueError for anything else.
    """
    word = text.strip().lower()
    if word in ("id", "name"):
        return word
    try:
        return "id" if parse_bool(word) else ""
    except ValueError:
        raise ValueError("expected true, false, id or name") from None
