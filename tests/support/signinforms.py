"""Forms of requests that could bypass a sign-in, and a client that sends them byte for byte.

Must not import the package under test.
"""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

__all__ = ["FORMS", "METHODS", "Form", "exchange", "is_whole"]

METHODS = ("GET", "HEAD", "POST", "OPTIONS")


class Form(NamedTuple):
    """A request target as it is sent, with headers."""

    target: bytes
    headers: tuple[tuple[str, str], ...] = ()


# Paths below the platform's own path, and paths that look like it to a reader that decodes or
# joins them, cuts them at a delimiter, or normalises them.
_PLATFORM_PATHS = rb"""
    /.auth /.auth/ /.auth/me /.auth/login/aad /.auth/login/aad/callback /.auth/logout /.auth/refresh
    /.auth/secret.txt /.auth/../secret.txt /.auth/../../secret.txt /.auth/./../secret.txt
    /.auth/x/../../secret.txt /.auth/.. /.auth/../ /.auth/%2e%2e/secret.txt /.auth/.%2e/secret.txt
    /.auth/%2E./secret.txt /.auth/%252e%252e/secret.txt /%2eauth/secret.txt /%2Eauth/../secret.txt
    /%252eauth/secret.txt /.%61uth/secret.txt /%2e%61%75%74%68/secret.txt /.auth%2fsecret.txt
    /.auth%2F..%2Fsecret.txt /.auth%252f..%252fsecret.txt /.auth%5csecret.txt
    /.auth%5c..%5csecret.txt /.auth\secret.txt /.auth\..\secret.txt \.auth\secret.txt
    /\.auth/secret.txt /.auth/..\secret.txt /.auth//secret.txt /.auth//../secret.txt
    //.auth/secret.txt ///.auth/secret.txt /%2f.auth/secret.txt /./.auth/secret.txt
    /%2e/.auth/secret.txt /x/../.auth/secret.txt /x/%2e%2e/.auth/secret.txt /.AUTH/secret.txt
    /.Auth/../secret.txt /.auth;/secret.txt /.auth;x/../secret.txt /.auth/;x/secret.txt
    /.auth/..;/secret.txt /;/.auth/secret.txt /;x=.auth/secret.txt /.auth/secret.txt;jsessionid=1
    /.auth%3b/secret.txt /.auth%00/secret.txt /.auth/%00/secret.txt /%00.auth/secret.txt
    /.auth/secret.txt%00.html /.auth%0d%0aX:%201/secret.txt /.auth%0a/secret.txt
    /.auth%20/secret.txt /.auth%09/secret.txt /%20.auth/secret.txt /.auth./secret.txt
    /.auth%2e/secret.txt /..auth/secret.txt /.authx/secret.txt /.auth?/secret.txt
    /.auth%3f/secret.txt /.auth/?x=/secret.txt /?/.auth/ /secret.txt?next=/.auth/
    /secret.txt?x=/../.auth/ /secret.txt#/.auth/ /.auth/#/../secret.txt /secret.txt/.auth/
    /%c0%aeauth/secret.txt /.auth/%c0%ae%c0%ae/secret.txt /%e2%80%a4auth/secret.txt
    /%ef%bc%8eauth/secret.txt /.auth/%ff/secret.txt /.auth/%ed%a0%80/secret.txt
    /.auth%/secret.txt /.auth/%zz/secret.txt /.auth/%u002e%u002e/secret.txt /.auth/* *
    .auth/secret.txt secret.txt
    http://127.0.0.1/secret.txt http://127.0.0.1/.auth/secret.txt
    http://127.0.0.1/.auth/../secret.txt HTTP://127.0.0.1/%2eauth/secret.txt
    https://127.0.0.1/.auth/../secret.txt http://user@127.0.0.1/.auth/secret.txt
    http:///.auth/secret.txt http://127.0.0.1 http:/.auth/secret.txt //127.0.0.1/.auth/secret.txt
    ftp://127.0.0.1/.auth/secret.txt 127.0.0.1:80
    /secret.txt / /a/b/c
""".split()
# Paths to which the middleware responds in the app's place, and similar ones.
_OWN_PATHS = rb"""
    /healthz /healthz/ //healthz /healthz? /healthz?x=1 /healthz/secret.txt /healthz/../secret.txt
    /healthz/%2e%2e/secret.txt /healthz%2f..%2fsecret.txt /healthz%5c..%5csecret.txt
    /healthz;x /healthz%00 /healthz%20 /HEALTHZ /%68ealthz /./healthz /.auth/../healthz
    /secret.txt/../healthz http://127.0.0.1/healthz
    /robots933456.txt /robots933456.txt/ //robots933456.txt /robots933456.txt?x=1
    /robots933456.txt/../secret.txt /robots933456.txt/%2e%2e/secret.txt /robots933456.txt%20
    /robots933456.txt;x /robots933456.txt%00 /ROBOTS933456.TXT /%72obots933456.txt
    /.auth/../robots933456.txt http://127.0.0.1/robots933456.txt
""".split()
# Headers that a server, a framework or a proxy could take for the path, the method or the user.
_HEADERS = [
    *(
        (name, value)
        for name in (
            "SCRIPT_NAME", "Script-Name", "PATH_INFO", "Path-Info", "X-Script-Name",
            "X-Forwarded-Prefix", "X-Forwarded-Path", "X-Forwarded-Uri", "X-Original-URL",
            "X-Original-URI", "X-Rewrite-URL", "X-Envoy-Original-Path", "Request-Uri",
        )
        for value in ("/.auth/x", "/healthz", "/robots933456.txt")
    ),
    ("X-HTTP-Method-Override", "OPTIONS"),
    ("X-Forwarded-Method", "OPTIONS"),
    ("Remote-User", "admin"),
    ("REMOTE_USER", "admin"),
    ("AUTH_TYPE", "aad"),
    ("Authorization", "Basic YWRtaW46YWRtaW4="),
    ("Authorization", "Bearer e30.e30."),
    ("Cookie", "AppServiceAuthSession=e30="),
    ("X-MS-CLIENT-PRINCIPAL-ID", "1234"),
    ("X-MS-CLIENT-PRINCIPAL-NAME", "admin"),
    ("X-MS-CLIENT-PRINCIPAL", ""),
    ("X-MS-CLIENT-PRINCIPAL", "e30="),
    ("X-MS-CLIENT-PRINCIPAL", "bnVsbA=="),
    ("x-ms-auth-internal-token", "x"),
    ("appsvc.request", "x"),
    ("User-Agent", "AlwaysOn"),
    ("User-Agent", "HealthCheck/1.0"),
    ("User-Agent", "ReadyForRequest/1.0 (HealthCheck)"),
    ("X-FD-HealthProbe", "1"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("Upgrade", "websocket"),
    ("Access-Control-Request-Method", "GET"),
]  # fmt: skip
FORMS = (
    *(Form(target) for target in (*_PLATFORM_PATHS, *_OWN_PATHS)),
    Form(b"/.auth/" + b"a" * 3000 + b"/secret.txt"),
    Form(b"/.auth/" + b"../" * 300 + b"secret.txt"),
    Form("/.auth/\xfc/secret.txt".encode("latin-1")),
    Form("/.auth/\xfc/secret.txt".encode()),
    Form(b"/.auth/\x01/secret.txt"),
    *(Form(b"/secret.txt", (pair,)) for pair in _HEADERS),
    # With the headers that the front end adds: a probe of the platform has none, a client's request
    # has.
    *(
        Form(path, (("X-Forwarded-For", "203.0.113.7:1"), ("X-ARR-LOG-ID", "x")))
        for path in (b"/healthz", b"/robots933456.txt", b"/.auth/me", b"/secret.txt")
    ),
)


def exchange(port: int, method: str, form: Form) -> bytes:
    """Send one request on a new connection, and return all that the server sends."""
    lines = [f"{name}: {value}" for name, value in form.headers]
    if not any(line.startswith("Host:") for line in lines):
        lines.insert(0, "Host: 127.0.0.1")
    if method == "POST":
        lines.append("Content-Length: 0")
    if not any(line.startswith("Connection:") for line in lines):
        lines.append("Connection: close")
    head = "\r\n".join(lines).encode("latin-1")
    request = method.encode() + b" " + form.target + b" HTTP/1.1\r\n" + head + b"\r\n\r\n"
    received = b""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(request)
        try:
            while not is_whole(received, method) and (data := connection.recv(65536)):
                received += data
        except ConnectionResetError:  # a server that refuses a request may not have read all of it
            pass
    return received


def is_whole(received: bytes, method: str = "GET") -> bool:
    """Return whether a response is complete; one without a length ends with the connection."""
    head, blank, body = received.partition(b"\r\n\r\n")
    if not blank:
        return False
    if head[9:12] == b"101":  # followed by the first frame, which is short
        return len(body) > 1 and len(body) >= 2 + body[1]
    length = re.search(rb"\r\ncontent-length: *([0-9]+)", head, re.IGNORECASE)
    return length is not None and (method == "HEAD" or len(body) >= int(length[1]))
