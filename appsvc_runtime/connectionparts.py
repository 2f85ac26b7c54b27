"""What a connection string means: its kind, and the parts that all kinds share.

Pure. Must not know where a string comes from, or what is made of it. The many names of one thing
(`Data Source`, `Server`, `Address`, `Host`) become one; what is a secret becomes a `Secret`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote

from . import connectionsyntax, masking
from .secret import Secret

if TYPE_CHECKING:
    from .connectionsyntax import Pairs

__all__ = ["Form", "Kind", "Options", "Parts", "parse_parts", "squeeze"]

Kind: TypeAlias = Literal[
    "sqlserver", "mysql", "postgresql", "sqlite", "redis", "mongodb", "cosmosdb", "storage",
    "servicebus", "eventhub", "notificationhub", "custom",
]  # fmt: skip
Form: TypeAlias = Literal["adonet", "odbc", "libpq", "pairs", "redis", "url", "text"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?=//)")
_SCHEMES: dict[str, Kind] = {
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "mssql": "sqlserver",
    "sqlserver": "sqlserver",
    "sqlite": "sqlite",
    "redis": "redis",
    "rediss": "redis",
    "mongodb": "mongodb",
}
_SERVICES = frozenset({"cosmosdb", "storage", "servicebus", "eventhub", "notificationhub"})
# How a service's own string is known where the portal's type does not say what it is.
_SERVICE_SIGNS: tuple[tuple[str, Kind], ...] = (
    (r"(?i)(^|;)\s*AccountEndpoint\s*=", "cosmosdb"),
    (r"(?i)(^|;)\s*(AccountName|BlobEndpoint|UseDevelopmentStorage)\s*=", "storage"),
    (r"(?i)(^|;)\s*Endpoint\s*=\s*sb://", "servicebus"),
)
_HOST_SIGNS: tuple[tuple[str, Kind], ...] = (
    (r"(?i)\.postgres\.(database|cosmos)\.azure\.com|driver=\{?[^;]*postgres", "postgresql"),
    (r"(?i)\.mysql\.database\.azure\.com|driver=\{?[^;]*(mysql|mariadb)", "mysql"),
    (r"(?i)\.database\.windows\.net|=\s*tcp:|driver=\{?[^;]*sql server", "sqlserver"),
)
_LIBPQ_NAMES = frozenset(
    "host hostaddr port dbname user password passfile service sslmode sslcert sslkey sslrootcert "
    "sslcrl sslpassword sslnegotiation sslsni sslcompression ssl_min_protocol_version "
    "ssl_max_protocol_version connect_timeout application_name fallback_application_name options "
    "client_encoding keepalives keepalives_idle keepalives_interval keepalives_count "
    "tcp_user_timeout target_session_attrs channel_binding gssencmode krbsrvname gsslib "
    "requiressl requirepeer load_balance_hosts replication require_auth".split()
)
_ALIASES = {
    "host": "host server datasource address addr networkaddress hostname endpoint".split(),
    "port": ["port"],
    "database": "database initialcatalog dbname db".split(),
    "user": "user userid uid username usr".split(),
    "password": "password pwd pass passwd".split(),
}
_CANONICAL = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}


def squeeze(name: str) -> str:
    """Give a name without case, blanks, underscores and hyphens: how names are compared."""
    return re.sub(r"[\s_-]", "", name).lower()


class Options(Mapping[str, "str | Secret"]):
    """What a string says beyond host and credentials; names are found in any spelling."""

    def __init__(self, pairs: Pairs) -> None:
        self._items: dict[str, tuple[str, str | Secret]] = {}
        for name, value in pairs:
            hidden = masking.is_secret_name(name)
            self._items[squeeze(name)] = (name, Secret(value) if hidden else value)

    def text(self, name: str, default: str = "") -> str:
        """Give a value as text, a secret's too."""
        value = self.get(name, default)
        return value.reveal() if isinstance(value, Secret) else value

    def __getitem__(self, name: str) -> str | Secret:
        return self._items[squeeze(name)][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        shown = {name: masking.mask_value(name, str(value)) for name, value in self.items()}
        return f"Options({shown})"


@dataclass(frozen=True)
class Parts:
    """A connection string, understood. Texts that it does not hold are "".

    `scheme` is that of a URL. `host` and `port` are texts, as they may be lists (libpq).
    """

    kind: Kind
    form: Form
    scheme: str = ""
    host: str = ""
    port: str = ""
    database: str = ""
    user: str = ""
    password: Secret | None = None
    options: Options = field(default_factory=lambda: Options([]))


def parse_parts(text: str, hint: str) -> Parts:
    """Understand a connection string; ValueError with what is wrong, never with what it holds.

    `hint` is the kind that its setting's name tells, "" for one that tells none. What the string
    itself says of its kind, by a URL's scheme, goes before it.
    """
    text = text.strip()
    if not text:
        raise ValueError("it is empty")
    match = _SCHEME.match(text)
    if match:
        return _parse_url(text, match[1].lower(), hint)
    kind, form = _find_form(text, hint)
    if form == "text":
        return Parts(kind, form)
    pairs = connectionsyntax.parse(form, text)
    if not pairs:
        raise ValueError("it holds no name=value")
    if kind in _SERVICES:
        return _service_parts(kind, form, pairs)
    return _database_parts(kind, form, pairs)


def _find_form(text: str, hint: str) -> tuple[Kind, connectionsyntax.Form | Literal["text"]]:
    """Tell the kind of a string that is no URL, and the way it is written."""
    kind: str = hint
    if kind == "redis" or (not kind and _looks_like_redis(text)):
        return "redis", "redis"
    if not kind:
        kind = _first_sign(_SERVICE_SIGNS, text)
    if kind in _SERVICES:
        return kind, "pairs"  # type: ignore[return-value]
    if kind in ("", "postgresql") and _looks_like_libpq(text):
        return "postgresql", "libpq"
    kind = kind or _first_sign(_HOST_SIGNS, text) or "custom"
    if kind == "custom" and "=" not in text:
        return "custom", "text"
    odbc = re.search(r"(?i)(^|;)\s*(driver|dsn|filedsn)\s*=", text)
    return kind, "odbc" if odbc else "adonet"  # type: ignore[return-value]


def _first_sign(signs: tuple[tuple[str, Kind], ...], text: str) -> str:
    return next((kind for pattern, kind in signs if re.search(pattern, text)), "")


def _looks_like_redis(text: str) -> bool:
    head, comma, rest = text.partition(",")
    return bool(comma) and "=" not in head and ";" not in head and "=" in rest and ":" in head


def _looks_like_libpq(text: str) -> bool:
    try:
        pairs = connectionsyntax.parse("libpq", text)
    except ValueError:
        # Not well-formed: libpq's it is if it begins so and has no sign of the other form.
        first = text.partition("=")[0].strip()
        return first in _LIBPQ_NAMES and ";" not in text
    known = all(name in _LIBPQ_NAMES for name, _ in pairs)
    return known and (len(pairs) > 1 or ";" not in text)


def _parse_url(text: str, scheme: str, hint: str) -> Parts:
    """Read a URL; a password may hold `@`, but neither `/`, `?` nor `#` as they are."""
    if "\0" in text:
        raise ValueError("there is a NUL in it")
    found: str = _SCHEMES.get(scheme.partition("+")[0], "") or hint or "custom"
    rest = text.partition("://")[2]
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    login, _, place = authority.rpartition("@")
    user, colon, password = login.partition(":")
    if found == "sqlite":
        return Parts("sqlite", "url", scheme=scheme, database=unquote(path))
    if "#" in authority or (not login and "@" in path + query):
        raise ValueError(
            "its user or password holds a character that must be percent-encoded (/ ? # or %)"
        )
    host, port = _split_places(place)
    return Parts(
        found,  # type: ignore[arg-type]
        "url",
        scheme=scheme,
        host=unquote(host),
        port=port,
        database=unquote(path),
        user=unquote(user),
        password=Secret(unquote(password)) if colon else None,
        options=Options(parse_qsl(query, keep_blank_values=True)),
    )


def _split_places(place: str) -> tuple[str, str]:
    """Split `host:port`, `[v6]:port`, or several with commas between them."""
    hosts, ports = [], []
    for part in place.split(","):
        match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?", part, re.ASCII)
        if match is None:
            raise ValueError(
                "its host and port cannot be told apart: a user or password before them may hold "
                "a character that must be percent-encoded (/ ? # @ : or %)"
            )
        hosts.append(match[1].strip("[]"))
        ports.append(match[2] or "")
    return ",".join(hosts), ",".join(ports) if any(ports) else ""


def _database_parts(kind: Kind, form: connectionsyntax.Form, pairs: Pairs) -> Parts:
    known: dict[str, str] = {}
    options = []
    for name, value in pairs:
        canonical = _CANONICAL.get(squeeze(name))
        if canonical and not (form == "libpq" and name not in _LIBPQ_NAMES):
            # ADO.NET takes the last of one thing's names, ODBC the first.
            if form == "odbc":
                known.setdefault(canonical, value)
            else:
                known[canonical] = value
        else:
            options.append((name, value))
    host, port = known.get("host", ""), known.get("port", "")
    if kind == "sqlserver":
        match = re.fullmatch(r"(?:tcp:)?(.*?)\s*(?:,\s*([^,]*))?", host, re.IGNORECASE | re.DOTALL)
        host, port = (match[1], match[2] or port) if match else (host, port)
    elif form != "libpq" and re.fullmatch(r"[^:,/]+:[0-9]+", host):
        host, _, port = host.partition(":")
    elif kind == "redis":
        host, port = _split_places(host)
    _check_ports(port)
    password = known.get("password")
    return Parts(
        kind,
        form,
        host=host,
        port=port,
        database=known.get("database", ""),
        user=known.get("user", ""),
        password=None if password is None else Secret(password),
        options=Options(options),
    )


def _service_parts(kind: Kind, form: connectionsyntax.Form, pairs: Pairs) -> Parts:
    """Give the parts of a service's own string: where it is, and keys as secrets."""
    options = Options(pairs)
    endpoint = options.text("AccountEndpoint") or options.text("Endpoint")
    host = ""
    if "://" in endpoint:
        host = endpoint.partition("://")[2].partition("/")[0].partition(":")[0]
    elif options.text("AccountName"):
        suffix = options.text("EndpointSuffix") or "core.windows.net"
        host = f"{options.text('AccountName')}.blob.{suffix}"
    database = options.text("EntityPath") or options.text("Database")
    return Parts(kind, form, host=host, database=database, options=options)


def _check_ports(text: str) -> None:
    for port in text.split(",") if text else []:
        if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
            raise ValueError("its port is no number from 1 to 65535")
