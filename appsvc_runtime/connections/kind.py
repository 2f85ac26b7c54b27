"""Recognise a connection string's service and syntax by its text.

Pure. Must not know what its parts are. Azure's domains are those of all its clouds.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from . import syntax

__all__ = ["LIBPQ_NAMES", "SERVICES", "Form", "Kind", "find_form"]

Kind: TypeAlias = Literal[
    "sqlserver", "mysql", "postgresql", "sqlite", "redis", "mongodb", "cosmosdb", "storage",
    "servicebus", "eventhub", "notificationhub", "custom",
]  # fmt: skip
Form: TypeAlias = Literal["adonet", "odbc", "libpq", "pairs", "redis", "url", "text"]
SERVICES = frozenset({"cosmosdb", "storage", "servicebus", "eventhub", "notificationhub"})
# Texts by which an Azure service's string is recognised if the portal's type does not name it.
_SERVICE_SIGNS: tuple[tuple[str, Kind], ...] = (
    (r"(^|;)\s*AccountEndpoint\s*=", "cosmosdb"),
    (r"(^|;)\s*(AccountName|(Blob|File|Queue|Table)Endpoint|UseDevelopmentStorage)\s*=", "storage"),
    (r"(^|;)\s*Endpoint\s*=\s*sb://", "servicebus"),
)
# The domains are those of Azure and its national clouds.
_AZURE = r"\.(database\.(azure\.com|windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)|cosmos\."
_HOST_SIGNS: tuple[tuple[str, Kind], ...] = (
    (rf"\.postgres{_AZURE}azure\.com)|driver\s*=\s*\{{?[^;]{{0,60}}postgres", "postgresql"),
    (rf"\.mysql{_AZURE}\b)|driver\s*=\s*\{{?[^;]{{0,60}}(mysql|mariadb)", "mysql"),
    (rf"{_AZURE}\b)|\.(azuresynapse\.net|fabric\.microsoft\.com)|=\s*tcp:|(^|;)\s*initial catalog"
     r"\s*=|driver\s*=\s*\{?[^;]{0,60}(sql server|freetds)", "sqlserver"),
)  # fmt: skip
_REDIS_HOST = re.compile(
    r"(?i)\.redis(\.cache|enterprise\.cache)?\.(windows|azure|chinacloud|usgov)"
)
LIBPQ_NAMES = frozenset(
    "host hostaddr port dbname user password passfile service servicefile sslmode sslcert sslkey "
    "sslrootcert sslcrl sslcrldir sslpassword sslnegotiation sslsni sslcertmode sslcompression "
    "sslkeylogfile ssl_min_protocol_version ssl_max_protocol_version min_protocol_version "
    "max_protocol_version connect_timeout application_name fallback_application_name options "
    "client_encoding keepalives keepalives_idle keepalives_interval keepalives_count "
    "tcp_user_timeout target_session_attrs channel_binding gssencmode gssdelegation krbsrvname "
    "gsslib requiressl requirepeer load_balance_hosts replication require_auth scram_client_key "
    "scram_server_key oauth_issuer oauth_client_id oauth_client_secret oauth_scope".split()
)


def find_form(text: str, hint: Kind | Literal[""]) -> tuple[Kind, Form]:
    """Return the kind and the syntax of a string that is not a URL."""
    if hint == "redis" or (not hint and _looks_like_redis(text)):
        return "redis", "redis"
    kind = hint or _first_sign(_SERVICE_SIGNS, text)
    if kind in SERVICES:
        return kind, "pairs"  # type: ignore[return-value]
    if kind in ("", "postgresql") and _looks_like_libpq(text, hint):
        return "postgresql", "libpq"
    return _by_host(text, kind)


def _by_host(text: str, hint: Kind | Literal[""]) -> tuple[Kind, Form]:
    kind = hint or _first_sign(_HOST_SIGNS, text) or "custom"
    if kind == "custom" and "=" not in text:
        return "custom", "text"
    return kind, "odbc" if _looks_like_odbc(text) else "adonet"


def _first_sign(signs: tuple[tuple[str, Kind], ...], text: str) -> Kind | Literal[""]:
    return next((kind for pattern, kind in signs if re.search(pattern, text, re.I)), "")


def _looks_like_redis(text: str) -> bool:
    head, comma, rest = text.partition(",")
    if "=" in head or ";" in head:
        return False
    return bool(_REDIS_HOST.search(head)) or (bool(comma) and "=" in rest and ":" in head)


def _looks_like_odbc(text: str) -> bool:
    try:
        names = {name.lower() for name, _ in syntax.parse("adonet", text)}
    except ValueError:  # in ODBC a quote need not be closed
        return bool(re.search(r"(?i)(^|;)\s*(driver|dsn|filedsn)\s*=", text))
    return not names.isdisjoint({"driver", "dsn", "filedsn"})


def _looks_like_libpq(text: str, hint: str) -> bool:
    # `host=a; user=b`: semicolons with blanks after them.
    if re.match(r"\w+\s*=\s*(?!')[^\s;]*;(\s|\w+\s*=|$)", text):
        return False
    # It begins with a name of libpq, and has no `;`, the sign of the other form.
    begins = text.partition("=")[0].strip() in LIBPQ_NAMES and ";" not in text
    try:
        pairs = syntax.parse("libpq", text)
    except ValueError:
        return begins
    known = all(name in LIBPQ_NAMES for name, _ in pairs)
    return (known and len(pairs) > 1) or (begins and (known or bool(hint)))
