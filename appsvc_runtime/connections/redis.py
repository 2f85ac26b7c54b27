"""Write Redis connection strings as the URLs that redis-py and Celery take.

Pure. Must not know where a string comes from. Sources: stackexchange.github.io/StackExchange.Redis/
Configuration and its ConfigurationOptions.cs and AzureOptionsProvider.cs; redis.Redis.from_url.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from .options import squeeze
from .url import write_login

if TYPE_CHECKING:
    from .parts import Parts

__all__ = ["redis_url"]

_YES = frozenset({"true", "yes", "1", "on"})
_NO = frozenset({"false", "no", "0", "off"})
# Times are milliseconds in StackExchange.Redis, and seconds in redis-py.
_TIMES = {"connectTimeout": "socket_connect_timeout", "syncTimeout": "socket_timeout"}
# Options about TLS that are carried over, or make no difference in redis-py.
_KNOWN = frozenset({"ssl", "sslhost", "sslprotocols", "checkcertificaterevocation"})
_UNKNOWN = re.compile(r"ssl|tls|cert|tunnel|servicename")
# Hosts of Azure's caches: at 6380 (and 10000) StackExchange.Redis uses TLS without `ssl=`.
_AZURE = (
    ".redis.cache.windows.net", ".redis.cache.chinacloudapi.cn", ".redis.cache.usgovcloudapi.net",
    ".redisenterprise.cache.azure.net",
)  # fmt: skip
_AZURE_MANAGED = (".redis.azure.net", ".redis.chinacloudapi.cn", ".redis.usgovcloudapi.net")


def redis_url(parts: Parts, database: int | None = None) -> str:
    """Return `rediss://…` if TLS is on, else `redis://…`; ValueError if it is not for Redis."""
    if parts.kind != "redis":
        raise ValueError("only a Redis string can be written as a Redis URL")
    host = _host(parts)
    read = _read_url if parts.form == "url" else _read_own
    secure, port, named, query = read(parts)
    if secure:
        # redis-py's default; without the option Celery refuses the URL, or verifies nothing.
        query.setdefault("ssl_cert_reqs", "required")
    number = _database(named if database is None else str(database))
    login = write_login(parts.user, parts.password)
    tail = f"?{urlencode(query, quote_via=quote)}" if query else ""
    return f"{'rediss' if secure else 'redis'}://{login}{host}:{parts.port or port}/{number}{tail}"


def _read_url(parts: Parts) -> tuple[bool, str, str, dict[str, str]]:
    """Return whether a URL uses TLS, the default port, the database, and the query."""
    query = {name: parts.options.text(name) for name in parts.options}
    return parts.scheme == "rediss", "6379", parts.database, query


def _read_own(parts: Parts) -> tuple[bool, str, str, dict[str, str]]:
    """Return the same of a StackExchange.Redis string; with TLS, Azure's port is the default."""
    secure = _is_secure(parts)
    number = parts.options.text("defaultDatabase") or parts.database
    return secure, "6380" if secure else "6379", number, _query(parts)


def _host(parts: Parts) -> str:
    if "," in parts.host or not parts.host:
        raise ValueError("it names no host or several, and a Redis URL needs exactly one")
    return f"[{parts.host}]" if ":" in parts.host else quote(parts.host, safe="")


def _database(number: str) -> str:
    if number and not (number.isascii() and number.isdigit() and len(number) < 6):
        raise ValueError("its database is not a number")
    return number or "0"


def _is_secure(parts: Parts) -> bool:
    said = parts.options.text("ssl").strip().lower()
    if said and said not in _YES | _NO:
        raise ValueError("its option 'ssl' is neither true nor false")
    if said:
        return said in _YES
    managed = parts.host.lower().endswith(_AZURE_MANAGED)
    azure = managed or parts.host.lower().endswith(_AZURE)
    return (azure and parts.port == "6380") or (managed and parts.port == "10000")


def _query(parts: Parts) -> dict[str, str]:
    """Return StackExchange.Redis's options as redis-py names them, without those only .NET has."""
    _refuse_unknown_tls(parts)
    query: dict[str, str] = {}
    for name, known in _TIMES.items():
        text = parts.options.text(name)
        if text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text):
            query[known] = f"{int(text) / 1000:g}"
    versions = set(re.findall(r"[a-z0-9]+", parts.options.text("sslProtocols").lower()))
    if versions == {"tls13"}:
        query["ssl_min_version"] = "772"  # ssl.TLSVersion.TLSv1_3
    elif versions and not versions & {"tls12", "none"}:
        raise ValueError("its option 'sslProtocols' allows only versions that are no longer safe")
    if parts.options.text("name"):
        query["client_name"] = parts.options.text("name")
    return query


def _refuse_unknown_tls(parts: Parts) -> None:
    """Raise ValueError for options that concern TLS and that a URL cannot hold."""
    for name in parts.options:
        word = squeeze(name)
        if _UNKNOWN.search(word) and word not in _KNOWN and parts.options.text(name):
            raise ValueError(
                "it sets a tunnel, a sentinel or certificates, which a URL cannot hold"
            )
    if parts.options.text("sslHost").lower() not in ("", parts.host.lower()):
        raise ValueError("its option 'sslHost' names another host, which a URL cannot hold")
