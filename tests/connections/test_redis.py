"""Redis strings become URLs that redis-py reads with the meaning of the string."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.connection import SSLConnection, parse_url

from appsvc_runtime import SettingsError, parse_connection_string

HOSTILE = ["p;w", "a}b", "@", "a@b/c", "?x=y&z", "#", "%41", "100%", "+", "a b", "=", "a==", "'",
           '"', "\\", "é密🔑", "[", "[x]", ":", "a:b", "/", "$x", "\t", "&"]  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
AZURE = "c.redis.cache.windows.net:6380,password=k=,ssl=True,abortConnect=False"


def url(text: str, database: int | None = None) -> str:
    """Return the URL of a string."""
    return parse_connection_string(text, kind="redis").redis_url(database)


def arguments(text: str, database: int | None = None) -> dict[str, Any]:
    """Return redis-py's connection arguments for a URL, TLS as a bool."""
    found = dict(parse_url(url(text, database)))
    found["tls"] = found.pop("connection_class", None) is SSLConnection
    return found


@pytest.mark.parametrize("value", HOSTILE)
def test_credentials(value: str) -> None:
    """redis-py gets the unchanged credentials, from either form."""
    stripped = value.strip()
    ours = arguments(f"h:1,user={value},password={value}")
    assert (ours.get("username", ""), ours.get("password", "")) == (stripped, stripped)
    encoded = quote(value, safe="")
    ours = arguments(f"redis://{encoded}:{encoded}@h:1/2")
    assert (ours["username"], ours["password"], ours["db"]) == (value, value, 2)


@given(user=TEXT, password=TEXT)
def test_any_credentials(user: str, password: str) -> None:
    """Any credentials are percent-encoded."""
    ours = arguments(f"rediss://{quote(user, safe='')}:{quote(password, safe='')}@h:1/0")
    assert (ours["username"], ours["password"]) == (user, password)


@given(password=TEXT.filter(lambda text: text.strip() == text and "," not in text))
def test_any_password_of_the_portal(password: str) -> None:
    """Any password works except one with a comma, which this form cannot hold."""
    assert arguments(f"h:1,password={password},ssl=True")["password"] == password


ROWS = [
    (AZURE, {"host": "c.redis.cache.windows.net", "port": 6380, "password": "k=", "tls": True,
             "ssl_cert_reqs": "required"}),
    ("h", {"host": "h", "port": 6379, "tls": False}),
    ("h,ssl=true", {"host": "h", "port": 6380, "tls": True, "ssl_cert_reqs": "required"}),
    ("h:7,SSL=False", {"host": "h", "port": 7, "tls": False}),
    ("h:7,ssl=1", {"host": "h", "port": 7, "tls": True, "ssl_cert_reqs": "required"}),
    # What StackExchange.Redis knows of Azure's ports without being told.
    ("c.redis.cache.windows.net:6380,password=k",
     {"host": "c.redis.cache.windows.net", "port": 6380, "password": "k", "tls": True,
      "ssl_cert_reqs": "required"}),
    ("C.West.Redis.Azure.net:10000", {"host": "c.west.redis.azure.net", "port": 10000, "tls": True,
                                      "ssl_cert_reqs": "required"}),
    ("c.redis.cache.windows.net:6380,ssl=false",
     {"host": "c.redis.cache.windows.net", "port": 6380, "tls": False}),
    ("c.redis.cache.windows.net:6379", {"host": "c.redis.cache.windows.net", "port": 6379,
                                        "tls": False}),
    ("h.example:6380", {"host": "h.example", "port": 6380, "tls": False}),
    ("[::1]:7", {"host": "::1", "port": 7, "tls": False}),
    ("h:7,defaultDatabase=3,name=n m,connectTimeout=1500,syncTimeout=0,asyncTimeout=9",
     {"host": "h", "port": 7, "db": 3, "client_name": "n m", "socket_connect_timeout": 1.5,
      "tls": False}),
    ("h:7,sslHost=H,sslProtocols=tls12|tls13,ssl=yes,checkCertificateRevocation=true",
     {"host": "h", "port": 7, "tls": True, "ssl_cert_reqs": "required"}),
    ("h:7,ssl=yes,sslProtocols=Tls13",
     {"host": "h", "port": 7, "tls": True, "ssl_cert_reqs": "required", "ssl_min_version": 772}),
    ("redis://h", {"host": "h", "port": 6379, "tls": False}),
    ("rediss://h", {"host": "h", "port": 6379, "tls": True, "ssl_cert_reqs": "required"}),
    ("rediss://h:7/5?ssl_cert_reqs=none&socket_timeout=2",
     {"host": "h", "port": 7, "db": 5, "tls": True, "ssl_cert_reqs": "none",
      "socket_timeout": 2.0}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_urls(text: str, expected: dict[str, Any]) -> None:
    """TLS is on if the string says so, and then the certificate is verified."""
    assert arguments(text) == {"db": 0, **expected}


def test_the_database_that_is_asked_for() -> None:
    """The argument takes precedence over the string's own database."""
    assert arguments("h:1,defaultDatabase=3", 4)["db"] == 4
    assert arguments("redis://h/3", 0)["db"] == 0


def test_redis_py_takes_the_url() -> None:
    """redis-py makes a pool from the URL, without a connection."""
    client = redis.Redis.from_url(url(AZURE))
    assert client.connection_pool.connection_kwargs["ssl_cert_reqs"] == "required"
    client.close()


def test_celery_finds_its_word() -> None:
    """Celery's result store requires `ssl_cert_reqs`; without it, its broker verifies nothing."""
    assert parse_qs(urlsplit(url(AZURE)).query) == {"ssl_cert_reqs": ["required"]}


WRONG = [
    ("a:1,b:2", "no host or several"),
    ("password=p", "no host or several"),
    ("redis://:p@/0", "no host or several"),
    ("h:1,ssl=ture", "neither true nor false"),
    ("h:1,sslHost=other", "names another host"),
    ("h:1,ssl=true,sslProtocols=tls11", "no longer safe"),
    ("h:1,serviceName=main", "a sentinel"),
    ("h:1,tunnel=http:proxy:80", "a tunnel"),
    ("h:1,defaultDatabase=x", "not a number"),
    ("redis://h/x", "not a number"),
    ("redis://h/1/2", "not a number"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[row[0] for row in WRONG])
def test_what_a_url_cannot_say(text: str, message: str) -> None:
    """What a URL cannot hold is an error, and not a URL to another host or with less security."""
    with pytest.raises(SettingsError, match=message):
        url(text)


def test_a_negative_database_is_none() -> None:
    """Redis has no negative database numbers."""
    with pytest.raises(SettingsError, match="not a number"):
        url("h:1", -1)


def test_unix_sockets_are_refused() -> None:
    """The URL of a Unix socket is refused, because it names no host."""
    with pytest.raises(SettingsError, match="another scheme"):
        url("unix:///run/redis.sock")
