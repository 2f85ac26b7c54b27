"""Redis connection strings as the URL that redis-py and Celery take.

Pure. Must not know where a string comes from. Source: stackexchange.github.io/StackExchange.Redis/
Configuration, redis.Redis.from_url.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from .connectionparts import Parts

__all__ = ["redis_url"]

_TRUE = frozenset({"true", "yes", "1", "on"})
# Milliseconds there, seconds here.
_TIMES = {"connectTimeout": "socket_connect_timeout", "syncTimeout": "socket_timeout"}


def redis_url(parts: Parts, database: int | None = None) -> str:
    """Give `rediss://…` where TLS is on, else `redis://…`; ValueError for what is no Redis."""
    if parts.kind != "redis":
        raise ValueError("only a Redis string has a Redis URL")
    if "," in parts.host or not parts.host:
        raise ValueError("it names no host, or several, which a URL cannot")
    query: dict[str, str] = {}
    if parts.form == "url":
        secure = parts.scheme == "rediss"
        number = parts.database
        query = {name: parts.options.text(name) for name in parts.options}
    else:
        secure = parts.options.text("ssl").strip().lower() in _TRUE
        number = parts.options.text("defaultDatabase") or parts.database
        for name, known in _TIMES.items():
            text = parts.options.text(name)
            if text.isascii() and text.isdigit():
                query[known] = f"{int(text) / 1000:g}"
        if parts.options.text("sslHost") not in ("", parts.host):
            raise ValueError("its option 'sslHost' names another host, which a URL cannot")
        if parts.options.text("name"):
            query["client_name"] = parts.options.text("name")
    number = str(database) if database is not None else number
    if number and not (number.isascii() and number.isdigit() and len(number) < 6):
        raise ValueError("its database is no number")
    login = quote(parts.user, safe="")
    if parts.password is not None:
        login += ":" + quote(parts.password.reveal(), safe="")
    host = f"[{parts.host}]" if ":" in parts.host else quote(parts.host, safe="")
    # Azure's port for TLS; StackExchange.Redis takes the same.
    port = parts.port or ("6380" if secure and parts.form != "url" else "6379")
    return (
        f"{'rediss' if secure else 'redis'}://{login}{'@' if login else ''}{host}:{port}"
        f"/{number or '0'}{'?' + urlencode(query) if query else ''}"
    )
