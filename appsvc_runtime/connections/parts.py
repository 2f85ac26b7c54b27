"""Parse a connection string into the parts that all kinds share.

Pure. Must not know where a string comes from, or what it is used for. The many names of one thing
(`Data Source`, `Server`, `Address`, `Host`) become one; secret values become a `Secret`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from ..redaction import masking
from ..redaction.secret import Secret
from . import syntax
from .kind import LIBPQ_NAMES, SERVICES, Form, Kind, find_form
from .options import LONG, Options, squeeze
from .url import Url, parse_url, split_places

if TYPE_CHECKING:
    from .syntax import Pairs

__all__ = ["Parts", "parse_parts"]


_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?=//)")
_SCHEMES: dict[str, Kind] = {
    "postgres": "postgresql", "postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql",
    "mssql": "sqlserver", "sqlserver": "sqlserver", "sqlite": "sqlite", "redis": "redis",
    "rediss": "redis", "mongodb": "mongodb",
}  # fmt: skip
_ALIASES = {
    "host": "host server datasource address addr networkaddress hostname endpoint".split(),
    "port": ["port"],
    "database": "database initialcatalog dbname db".split(),
    "user": "user userid uid username usr".split(),
    "password": "password pwd psw pass passwd".split(),
}
_CANONICAL = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}


@dataclass(frozen=True, repr=False)
class Parts:
    """A parsed connection string. Missing texts are "".

    `scheme` is the scheme of a URL. `host` and `port` are texts, as they may be lists (libpq).
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

    def reveal_password(self) -> str:
        """Return the password in plain text, or "".

        A method and not an attribute, because a format string cannot call it.
        """
        return self.password.reveal() if self.password else ""

    def __repr__(self) -> str:
        # Masked: if a separator is missing, a user or host may continue with `… password=`.
        names = ("host", "port", "database", "user")
        texts = {name: getattr(self, name)[:LONG] for name in names}
        shown = [f"{k}={masking.mask_value(k, text)!r}" for k, text in texts.items() if text]
        shown += [f"password={self.password!r}"] if self.password else []
        return ", ".join([f"kind={self.kind!r}", *shown, f"options={len(self.options)}"])


def parse_parts(text: str, hint: Kind | Literal[""]) -> Parts:
    """Parse a connection string. Raise ValueError that names the fault, never the content.

    `hint` is the kind that the name of the setting implies, or "". A URL's scheme takes precedence
    over it. If neither names a kind, the string may be anything; a string that cannot be parsed
    is then plain text.
    """
    text = _checked(text.strip())
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else ""
    if scheme and (hint or scheme.partition("+")[0] in _SCHEMES):
        return _parse_url(text, scheme, hint)
    kind, form = find_form(text, hint)
    is_known = bool(hint) or kind != "custom" or squeeze(text.partition("=")[0]) in _CANONICAL
    try:
        return _parse_url(text, scheme, hint) if scheme else _parse_pairs(text, kind, form)
    except ValueError:
        if is_known:
            raise
    return Parts("custom", "text")


def _checked(text: str) -> str:
    if not text:
        raise ValueError("it is empty")
    if len(text) > syntax.MAX_LENGTH:
        raise ValueError(f"it is longer than {syntax.MAX_LENGTH} characters")
    return text


def _parse_pairs(text: str, kind: Kind, form: Form) -> Parts:
    if text[:5].lower() == "jdbc:":
        raise ValueError("it is written for Java (jdbc:)")
    if form == "text" or form == "url":
        return Parts(kind, form)
    pairs = syntax.parse(form, text)
    if not pairs:
        raise ValueError("it contains no name=value")
    if kind == "custom" and not all(re.fullmatch(r"[\w .:-]{1,100}", name) for name, _ in pairs):
        raise ValueError("the text before a '=' in it is not a name")
    return (_service_parts if kind in SERVICES else _database_parts)(kind, form, pairs)


def _parse_url(text: str, scheme: str, hint: Kind | Literal[""]) -> Parts:
    base = scheme.partition("+")[0]
    if base not in _SCHEMES and hint in _SCHEMES.values():
        raise ValueError("it is a URL of another scheme")
    kind = _SCHEMES.get(base, hint or "custom")
    url = parse_url(text)
    if kind == "sqlite":
        return _sqlite_parts(url, scheme)
    inner = dict(url.query).get("odbc_connect", "")
    if kind == "sqlserver" and inner:
        odbc = syntax.parse("odbc", inner)
        return replace(_database_parts("sqlserver", "odbc", odbc), scheme=scheme)
    host, port = split_places(url.place)
    named = {"host": unquote(host), "port": port, "database": url.path, "user": url.user}
    if url.password is not None:
        named["password"] = url.password
    others = _take_named(url.query, named) if kind == "postgresql" else url.query
    return _make(kind, "url", named, others, scheme)


def _sqlite_parts(url: Url, scheme: str) -> Parts:
    if url.user or url.place:
        raise ValueError("a SQLite URL must have three or four slashes before its path")
    return Parts("sqlite", "url", scheme, database=url.path, options=Options(url.query))


def _take_named(pairs: Pairs, named: dict[str, str]) -> Pairs:
    """Move host, user … from the query of a PostgreSQL URL to `named`; return the rest."""
    hosts = [value for name, value in pairs if name == "host" and value]
    if hosts:
        named["host"], port = split_places(",".join(hosts))
        named["port"] = port or named["port"]
    names = ("port", "dbname", "database", "user", "password")
    named.update((_CANONICAL[name], value) for name, value in pairs if name in names)
    return [pair for pair in pairs if pair[0] not in (*names, "host")]


def _database_parts(kind: Kind, form: Form, pairs: Pairs) -> Parts:
    named, others = _name_pairs(form, pairs)
    hosts = [value for name, value in pairs if form == "redis" and name == "endpoint"]
    host, port = ",".join(hosts) or named.get("host", ""), named.get("port", "")
    if kind == "sqlite":
        host, named["database"] = "", named.get("database") or host
    elif kind == "sqlserver":
        host, port = _split_sqlserver(host, port)
    elif _has_port(kind, form, host):
        host, found = split_places(host, port)
        port = found or port
    return _make(kind, form, {**named, "host": host, "port": port}, others)


def _split_sqlserver(host: str, port: str) -> tuple[str, str]:
    """Split `tcp:host,port`; `port` is a port that is set separately."""
    host, comma, after = re.sub(r"(?i)^tcp:\s*", "", host).partition(",")
    return host.strip(), after.strip() if comma else port


def _has_port(kind: Kind, form: Form, host: str) -> bool:
    """Return whether a port may follow the host; in an unknown kind it must look like one."""
    if form == "libpq":
        return False
    return kind != "custom" or re.fullmatch(r"[^:,/]+:[0-9]{1,5}", host) is not None


def _name_pairs(form: Form, pairs: Pairs) -> tuple[dict[str, str], Pairs]:
    """Return host, user … under their one name, and all other pairs."""
    named: dict[str, str] = {}
    others: Pairs = []
    for name, value in pairs:
        canonical = _CANONICAL.get(squeeze(name))
        if not canonical or (form == "libpq" and name not in LIBPQ_NAMES):
            others.append((name, value))
        elif form == "odbc":
            named.setdefault(canonical, value)  # the first of several names counts
        else:
            named[canonical] = value
    return named, others


def _make(kind: Kind, form: Form, named: dict[str, str], others: Pairs, scheme: str = "") -> Parts:
    """Check the host and the port, and hide the password."""
    host, port = named.get("host", ""), named.get("port", "")
    if not host.startswith(("/", "@")) and kind != "custom" and re.search(r"[\s=;]", host):
        raise ValueError("its host contains a blank, ';' or '=': a separator is missing")
    for text in filter(None, [port] if kind == "sqlserver" else port.split(",")):
        if not (re.fullmatch(r"[0-9]{1,5}", text) and 0 < int(text) < 65536):
            raise ValueError("its port is not a number from 1 to 65535")
    password = named.get("password")
    return Parts(
        kind,
        form,
        scheme,
        host=host,
        port=port,
        database=named.get("database", ""),
        user=named.get("user", ""),
        password=None if password is None else Secret(password),
        options=Options(others),
    )


def _service_parts(kind: Kind, form: Form, pairs: Pairs) -> Parts:
    """Return the parts of an Azure service's string: its host, and its keys as secrets."""
    options = Options(pairs)
    names = (f"{of}Endpoint" for of in ("Account", "", "Blob", "Queue", "Table", "File"))
    endpoint = next(filter(None, map(options.text, names)), "")
    match = re.match(
        r"[^/]*://(?:[^/]*@)?(\[[^\]/]*\]|[^:/]*)(?::([0-9]{1,5})(?![0-9]))?", endpoint
    )
    host, port = (match[1].strip("[]"), match[2] or "") if match else ("", "")
    if not host and options.text("AccountName"):
        suffix = options.text("EndpointSuffix") or "core.windows.net"
        host = f"{options.text('AccountName')}.blob.{suffix}"
    database = options.text("EntityPath") or options.text("Database")
    return Parts(kind, form, host=host, port=port, database=database, options=options)
