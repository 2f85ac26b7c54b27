"""The web server's side of FastCGI: what IIS sends to wfastcgi, and how it reads the response.

`FastCgiProcess` starts the real wfastcgi (see wfastcgi_child.py). It communicates over a socket
pair instead of IIS's named pipe, one request at a time, as IIS does:

    with FastCgiProcess(site, env={"WSGI_HANDLER": "app.application"}) as server:
        assert server.request("GET", "/").status == 200

Must not import the package under test. § refers to the protocol's specification:
https://fastcgi-archives.github.io/FastCGI_Specification.html
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from tests.support.integration import needs_integration

__all__ = ["FastCgiError", "FastCgiProcess", "FastCgiResponse"]

_CHILD = Path(__file__).with_name("wfastcgi_child.py")
_BEGIN_REQUEST, _END_REQUEST, _PARAMS, _STDIN, _STDOUT, _STDERR = 1, 3, 4, 5, 6, 7  # §8
_HEADER = struct.Struct(">BBHHBx")  # version, type, request id, content length, padding length
_REQUEST_ID = 1  # one request at a time, so one number is enough
_MAX_CONTENT = 0xFFFF
# The only variables that a child inherits, with COVERAGE_*: none of them changes a result.
_INHERITED = frozenset({"HOME", "LANG", "LC_ALL", "PATH", "TEMP", "TMP", "TMPDIR"})


class FastCgiError(AssertionError):
    """wfastcgi sent no valid response.

    The message has the reason, the process's exit code and the end of its output.
    """


@dataclass(frozen=True)
class FastCgiResponse:
    """One response, as received.

    `body` is what followed the headers on FCGI_STDOUT, `stderr` all of FCGI_STDERR, which IIS shows
    in place of the body of a 500. `protocol_status` is 0 for a request that was completed.
    """

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes
    stderr: bytes
    protocol_status: int


class FastCgiProcess(AbstractContextManager["FastCgiProcess"]):
    """A running wfastcgi and the connection to it; a context manager, else call `close`.

    `physical_path` is the site's folder: wfastcgi enters it on the first request, reads Web.config
    (spelled like this) there and loads the app. The process starts in `cwd`, by default a temporary
    folder. `env` is added to a small, neutral environment, without PYTHONPATH.
    """

    def __init__(
        self,
        physical_path: str | os.PathLike[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        python: str = sys.executable,
    ) -> None:
        needs_integration("wfastcgi")
        self.physical_path = Path(physical_path)
        base = {k: v for k, v in os.environ.items() if k in _INHERITED or k.startswith("COVERAGE_")}
        with ExitStack() as cleanup:
            folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="fastcgi-")))
            self._log_path = folder / "output.txt"
            self._socket, theirs = socket.socketpair()
            cleanup.callback(self._socket.close)
            with theirs, self._log_path.open("ab") as log:
                self.process: subprocess.Popen[bytes] = subprocess.Popen(
                    [python, str(_CHILD)],
                    stdin=theirs.fileno(),
                    stdout=log,
                    stderr=log,
                    env={**base, **(env or {})},
                    cwd=cwd or folder,
                )
            self._cleanup = cleanup.pop_all()  # from here on, `close` cleans up

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def log(self) -> str:
        """Return what the process itself has printed, until `close`.

        wfastcgi captures the output of the app.
        """
        return self._log_path.read_text("utf-8", "backslashreplace")

    def close(self, timeout: float = 10.0) -> int:
        """Close the connection, wait for the process to end, kill it at the deadline.

        Return its exit code.
        """
        with self._cleanup:
            return self._end(timeout)

    def _end(self, timeout: float) -> int:
        self._socket.close()  # wfastcgi reads the end of the stream and leaves its loop
        try:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        finally:
            self.process.kill()  # does nothing if the process has ended
        return self.process.wait()

    def request(
        self,
        method: str = "GET",
        path: str = "/",
        *,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        query: str = "",
        body: bytes = b"",
        https: bool = False,
        remote_addr: str = "198.51.100.7",
        server_name: str = "example.azurewebsites.net",
        server_port: str = "80",
        extra_params: Mapping[str, str | None] | None = None,
        timeout: float = 20.0,
    ) -> FastCgiResponse:
        """Send one request and return the response.

        `path` is written as in a URL, percent-encoded, without its query. `extra_params` are added
        last: a value replaces a parameter, None removes it. Text is Latin-1, as in PEP 3333. Raises
        FastCgiError and ends the process if no valid response arrives within `timeout` s.
        """
        if "?" in path:
            raise ValueError("the query string goes into `query`, not into `path`")
        # With path="*" IIS puts the whole decoded path into both PATH_INFO and SCRIPT_NAME:
        # https://github.com/microsoft/PTVS/issues/1029
        decoded = unquote_to_bytes(path).decode("latin-1")
        params: dict[str, str | None] = {
            "APPL_PHYSICAL_PATH": os.path.join(self.physical_path, ""),  # ends with a separator
            "SERVER_SOFTWARE": "Microsoft-IIS/10.0",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": server_name,
            "SERVER_PORT": server_port,
            "HTTPS": "on" if https else "off",
            "REMOTE_ADDR": remote_addr,
            "REMOTE_PORT": "50123",
            "REQUEST_METHOD": method,
            "REQUEST_URI": f"{path}?{query}" if query else path,
            "SCRIPT_NAME": decoded,
            "PATH_INFO": decoded,
            "QUERY_STRING": query,
            "HTTP_HOST": server_name + ("" if server_port in ("80", "443") else f":{server_port}"),
            "HTTP_CONTENT_LENGTH": str(len(body)) if body else None,
        }
        params.update(_header_params(headers))
        # The length under both names, against PEP 3333, as App Service sends it; the same for the
        # type.
        params["CONTENT_LENGTH"] = params["HTTP_CONTENT_LENGTH"] or "0"
        params["CONTENT_TYPE"] = params.get("HTTP_CONTENT_TYPE", "")
        params.update(extra_params or {})
        pairs = (_pair(name, value) for name, value in params.items() if value is not None)
        begin = struct.pack(">HB5x", 1, 1)  # role: responder; flags: keep the connection open
        message = _record(_BEGIN_REQUEST, begin) + _stream(_PARAMS, pairs)
        deadline = time.monotonic() + timeout
        try:
            self._socket.settimeout(timeout)
            self._socket.sendall(message + _stream(_STDIN, [body]))
            return self._read_response(deadline)
        except (OSError, EOFError, ValueError, struct.error) as error:
            if isinstance(error, TimeoutError):  # the signal prints all stacks, and ends it
                self.process.send_signal(signal.SIGUSR1)
            code = self._end(timeout=5.0)
            problem = f"{method} {path}: {error!r} ({timeout=:g} s)\nexit code {code}, output:\n"
            raise FastCgiError(problem + self.log()[-8000:]) from error

    def _read_response(self, deadline: float) -> FastCgiResponse:
        received = {_STDOUT: b"", _STDERR: b""}
        while True:
            version, kind, request_id, length, padding = _HEADER.unpack(self._read(8, deadline))
            content = self._read(length + padding, deadline)[:length]
            if (version, request_id) != (1, _REQUEST_ID):
                raise ValueError(f"a record of version {version} for request {request_id}")
            if kind == _END_REQUEST:
                protocol_status = struct.unpack(">IB3x", content)[1]  # §5.5
                return _parse_response(received[_STDOUT], received[_STDERR], protocol_status)
            if kind not in received:
                raise ValueError(f"a record of type {kind}")
            # An empty record should end its stream (§3.3), but wfastcgi sends one after each piece
            # of output and IIS continues to read: only END_REQUEST ends a response.
            received[kind] += content

    def _read(self, size: int, deadline: float) -> bytes:
        data = b""
        while len(data) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._socket.settimeout(left)
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise EOFError("the process closed the connection before the end of its response")
            data += piece
        return data


def _record(kind: int, content: bytes = b"") -> bytes:
    return _HEADER.pack(1, kind, _REQUEST_ID, len(content), 0) + content


def _stream(kind: int, pieces: Iterable[bytes]) -> bytes:
    """Put the pieces into records and add the empty record that ends a stream (§3.3)."""
    # Only pieces longer than a record are split: wfastcgi expects whole pairs in a PARAMS record.
    contents = [b""]
    for piece in pieces:
        if len(contents[-1]) + len(piece) > _MAX_CONTENT:
            contents += [piece[i : i + _MAX_CONTENT] for i in range(0, len(piece), _MAX_CONTENT)]
        else:
            contents[-1] += piece
    return b"".join(_record(kind, content) for content in contents if content) + _record(kind)


def _pair(*texts: str) -> bytes:
    """Encode a parameter; lengths from 128 take four bytes, the first bit set (§3.4)."""
    raw = [text.encode("latin-1") for text in texts]
    sizes = [struct.pack(">I", n | 1 << 31) if n > 127 else bytes([n]) for n in map(len, raw)]
    return b"".join(sizes + raw)


def _header_params(headers: Mapping[str, str] | Sequence[tuple[str, str]]) -> dict[str, str]:
    """Name headers as CGI does; headers of the same name are joined, as http.sys joins them."""
    params: dict[str, str] = {}
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        key = "HTTP_" + name.upper().replace("-", "_")
        comma = "; " if key == "HTTP_COOKIE" else ", "
        params[key] = params[key] + comma + value if key in params else value
    return params


def _parse_response(out: bytes, err: bytes, protocol_status: int) -> FastCgiResponse:
    """Parse a CGI response. wfastcgi's own 500 has no blank line after the header block."""
    head, _, body = out.partition(b"\r\n\r\n")
    lines = [line.partition(":") for line in head.decode("latin-1").split("\r\n") if line]
    if not all(colon for _, colon, _ in lines):
        raise ValueError(f"header block {head!r}")
    (_, status), *headers = [(name, value.strip()) for name, _, value in lines]  # Status is first
    code, _, reason = status.partition(" ")
    return FastCgiResponse(int(code), reason, headers, body, err, protocol_status)
