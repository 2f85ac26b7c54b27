"""Converts a request to the parameters that IIS sends to a FastCGI process.

Pure. Sources. Names of the parameters: a dump of all server variables of a site on App Service
(github.com, a WinDbg extension for PHP under IIS), with IIS's list of server variables
(learn.microsoft.com, iis/web-dev-reference/server-variables). What wfastcgi does with them: its
source. PATH_INFO and SCRIPT_NAME both hold the whole path if a handler's path is `*`:
github.com/microsoft/PTVS/issues/1029. A chunked body has the length -1:
github.com/php/php-src/pull/5219.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote_to_bytes

from ...http.messages import Request

__all__ = ["make_params", "site_params"]

# The same for all clients, as long as IIS authenticates no user and gets no client certificate.
_EMPTY = """AUTH_PASSWORD AUTH_TYPE AUTH_USER CERT_COOKIE CERT_FLAGS CERT_ISSUER CERT_SERIALNUMBER
    CERT_SUBJECT HTTPS_KEYSIZE HTTPS_SECRETKEYSIZE HTTPS_SERVER_ISSUER HTTPS_SERVER_SUBJECT
    LOGON_USER REMOTE_USER""".split()


def site_params(folder: Path, application: str = "", site: Path | None = None) -> dict[str, str]:
    """Return the parameters that every request of an application has, as Latin-1 texts.

    `folder` is its folder, and `application` its URL path: "" for the site's own, else "/shop".
    `site` is the folder of the site, by default the same.
    """
    return {
        **dict.fromkeys(_EMPTY, ""),
        "APPL_MD_PATH": f"/LM/W3SVC/1/ROOT{_text(application)}",
        "APPL_PHYSICAL_PATH": _file_name(os.path.join(folder, "")),
        "DOCUMENT_ROOT": _file_name(str(site or folder)),
        "GATEWAY_INTERFACE": "CGI/1.1",
        "INSTANCE_ID": "1",
        "INSTANCE_META_PATH": "/LM/W3SVC/1",
        "INSTANCE_NAME": "SITE",
        "LOCAL_ADDR": "127.0.0.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "Microsoft-IIS/10.0",
    }


def make_params(
    request: Request,
    folder: Path,
    *,
    path: str | None = None,
    script: str | None = None,
    above: int = 0,
) -> dict[str, str]:
    """Return the parameters of one request, as Latin-1 texts (PEP 3333).

    `folder` is that of the application, whose URL path has the length `above`: IIS counts that path
    to PATH_INFO and SCRIPT_NAME as well.

    `path` is the whole decoded path, by default that of the request's target; `script` is the part
    of it that the handler takes for its script, by default all. PATH_INFO is the whole path too:
    IIS does not remove the script's part. Headers whose names differ only in `-` and `_` become
    one parameter.
    """
    target, _, query = request.target.partition("?")
    whole = unquote_to_bytes(_raw(target)).decode("latin-1") if path is None else _text(path)
    below = whole if script is None else _text(script[above:])
    script = whole if script is None else _text(script)
    name, port = _split_host(request.headers.get("Host", ""))
    file = _file_name(str(folder)) + below.replace("/", os.sep)
    params = {
        "REQUEST_METHOD": _text(request.method),
        "REQUEST_URI": _text(request.target),
        "URL": whole,
        "PATH_INFO": whole,
        "SCRIPT_NAME": script,
        "PATH_TRANSLATED": file,
        "SCRIPT_FILENAME": file,
        "QUERY_STRING": _text(query),
        "HTTPS": "on" if request.secure else "off",
        "SERVER_NAME": _text(name),
        "SERVER_PORT": port or ("443" if request.secure else "80"),
        "SERVER_PORT_SECURE": "1" if request.secure else "0",
        "REMOTE_ADDR": request.client,
        "REMOTE_HOST": request.client,
        "REMOTE_PORT": str(request.client_port),
    }
    _add_headers(params, request)
    params["CONTENT_TYPE"] = params.get("HTTP_CONTENT_TYPE", "")
    if request.length is None:
        params["CONTENT_LENGTH"] = "-1"
        params["HTTP_TRANSFER_ENCODING"] = "chunked"
        params.pop("HTTP_CONTENT_LENGTH", None)
    else:
        # Under both names, unlike CGI; and even if it is 0, as the platform's proxy sends it.
        params["CONTENT_LENGTH"] = params["HTTP_CONTENT_LENGTH"] = str(request.length)
    return params


def _add_headers(params: dict[str, str], request: Request) -> None:
    for name, value in request.headers.items():
        key = _variable(name)
        text = value if value.isascii() else _text(value)
        if key not in params:
            params[key] = text
        else:  # http.sys joins headers of the same name in this way
            params[key] += ("; " if key == "HTTP_COOKIE" else ", ") + text


@lru_cache(1024)
def _variable(name: str) -> str:
    """Return the CGI variable name of a header."""
    return "HTTP_" + _raw(name).upper().replace(b"-", b"_").decode("latin-1")


def _raw(text: str) -> bytes:
    """Return the bytes of a text that aiohttp has decoded, or of a text with lone surrogates."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _text(text: str) -> str:
    """Return a text whose characters are the bytes of `text`."""
    return text if text.isascii() else _raw(text).decode("latin-1")


def _file_name(path: str) -> str:
    """Return a file's name in Latin-1, as IIS sends it in its code page; other characters are lost.

    In that case wfastcgi_child.py gets the site's folder through its option `--site`.
    """
    return path.encode("latin-1", "replace").decode("latin-1")


def _split_host(host: str) -> tuple[str, str]:
    """Return the name and the port of a Host header, each as written; "" for no port."""
    name, colon, port = host.rpartition(":")
    if colon and port.isascii() and port.isdigit() and (":" not in name or name.endswith("]")):
        return name, port
    return host, ""
