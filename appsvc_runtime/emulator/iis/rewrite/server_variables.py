"""The server variables that rewrite rules use, computed from the facts of a request.

Pure: the caller passes functions that look at files. Must not know of rules. Sources: the URL
Rewrite Module configuration reference, "Accessing URL Parts" and "Preserving Original URL"; IIS
server variables on learn.microsoft.com.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ...http.url_paths import encode_path

__all__ = ["Facts", "is_known", "variable"]

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
# Variables of IIS that are empty here, because no user is authenticated by IIS.
_EMPTY = frozenset(
    """APP_POOL_ID APPL_MD_PATH AUTH_PASSWORD AUTH_TYPE AUTH_USER CERT_COOKIE CERT_FLAGS CERT_ISSUER
    CERT_SERIALNUMBER CERT_SUBJECT INSTANCE_ID INSTANCE_META_PATH LOGON_USER REMOTE_USER
    SSI_EXEC_DISABLED UNMAPPED_REMOTE_USER""".split()
)


def _no(path: str) -> bool:
    return False


@dataclass(frozen=True)
class Facts:
    """The facts of a request before its rules run.

    `path` is decoded and begins with a slash, `query` has no question mark, and `unencoded_url` is
    the request target as sent. `physical` returns the file path of a decoded path; `is_file` and
    `is_directory` are called with such file paths. Header names are in any case; Host is included.
    """

    path: str
    query: str = ""
    unencoded_url: str = ""
    method: str = "GET"
    host: str = "localhost"
    secure: bool = False
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    remote_addr: str = "127.0.0.1"
    remote_port: int = 0
    server_port: int = 80
    site: str = ""
    physical: Callable[[str], str] = str
    is_file: Callable[[str], bool] = _no
    is_directory: Callable[[str], bool] = _no

    @property
    def original_url(self) -> str:
        """Path and query as IIS sends them in X-Original-URL after a rule has rewritten the URL."""
        return encode_path(self.path) + (f"?{self.query}" if self.query else "")

    @property
    def origin(self) -> str:
        """Scheme and host of the request, `http://host:port`."""
        return f"{'https' if self.secure else 'http'}://{self.host}"


# Called with the facts, and with path and query as the rules so far have rewritten them.
_Value = Callable[[Facts, str, str], str]


def _server_name(facts: Facts, path: str, query: str) -> str:
    host = facts.host
    bare = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return bare.strip("[]")


def _header(name: str) -> _Value:
    return lambda facts, path, query: _find_header(facts.headers, name)


def _physical(facts: Facts, path: str, query: str) -> str:
    return facts.physical(path)


def _path(facts: Facts, path: str, query: str) -> str:
    return path


def _original(facts: Facts, path: str, query: str) -> str:
    return facts.original_url


# Which variables follow the rewritten URL and which keep the original was measured on IIS 10 by
# others: URL, SCRIPT_NAME, PATH_INFO, PATH_TRANSLATED, QUERY_STRING and HTTP_URL follow;
# REQUEST_URI, CACHE_URL and UNENCODED_URL do not.
_VALUES: dict[str, _Value] = {
    "APPL_PHYSICAL_PATH": lambda facts, path, query: facts.site,
    "CACHE_URL": lambda facts, path, query: facts.origin + facts.original_url,
    "CONTENT_LENGTH": _header("content-length"),
    "CONTENT_TYPE": _header("content-type"),
    "DOCUMENT_ROOT": lambda facts, path, query: facts.site,
    "GATEWAY_INTERFACE": lambda facts, path, query: "CGI/1.1",
    "HTTPS": lambda facts, path, query: "on" if facts.secure else "off",
    "HTTP_HOST": lambda facts, path, query: facts.host,
    "HTTP_METHOD": lambda facts, path, query: facts.method,
    "HTTP_URL": lambda facts, path, query: encode_path(path) + (f"?{query}" if query else ""),
    "HTTP_VERSION": lambda facts, path, query: "HTTP/1.1",
    "LOCAL_ADDR": lambda facts, path, query: "127.0.0.1",
    "ORIG_PATH_INFO": _path,
    "PATH_INFO": _path,
    "PATH_TRANSLATED": _physical,
    "QUERY_STRING": lambda facts, path, query: query,
    "REMOTE_ADDR": lambda facts, path, query: facts.remote_addr,
    "REMOTE_HOST": lambda facts, path, query: facts.remote_addr,
    "REMOTE_PORT": lambda facts, path, query: str(facts.remote_port),
    "REQUEST_FILENAME": _physical,
    "REQUEST_METHOD": lambda facts, path, query: facts.method,
    "REQUEST_URI": _original,
    "SCRIPT_FILENAME": _physical,
    "SCRIPT_NAME": _path,
    "SCRIPT_TRANSLATED": _physical,
    "SERVER_NAME": _server_name,
    "SERVER_PORT": lambda facts, path, query: str(facts.server_port),
    "SERVER_PORT_SECURE": lambda facts, path, query: "1" if facts.secure else "0",
    "SERVER_PROTOCOL": lambda facts, path, query: "HTTP/1.1",
    "SERVER_SOFTWARE": lambda facts, path, query: "Microsoft-IIS/10.0",
    "UNENCODED_URL": lambda facts, path, query: facts.unencoded_url or facts.original_url,
    "URL": _path,
    "URL_PATH_INFO": _path,
}


def is_known(name: str) -> bool:
    """Return whether IIS has a variable of that name, in capitals; each header counts as one."""
    return name in _VALUES or name in _EMPTY or name.startswith("HTTP_")


def variable(facts: Facts, name: str, path: str, query: str) -> str:
    """Return a variable's text; the rules so far have rewritten the URL to `path` and `query`."""
    value = _VALUES.get(name)
    if value is not None:
        return value(facts, path, query)
    if name == "HTTP_X_ORIGINAL_URL" and (path, query) != (facts.path, facts.query):
        return facts.original_url
    if name.startswith("HTTP_"):
        return _find_header(facts.headers, name[5:].replace("_", "-"))
    return ""


def _find_header(headers: Mapping[str, str], name: str) -> str:
    """Find a header without regard to case; also one whose own name has an underscore."""
    wanted = name.casefold()
    for key, value in headers.items():
        if key.replace("_", "-").casefold() == wanted:
            return value
    return ""
