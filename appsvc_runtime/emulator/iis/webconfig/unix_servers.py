"""Servers that a web.config may name and that do not run on Windows, with what to write instead.

Pure. Must not know of sections. Many files are copied from a startup command of the Linux
container, where gunicorn is the usual server.
"""

from __future__ import annotations

import re

__all__ = ["unix_server"]

# gunicorn needs fcntl, uWSGI and mod_wsgi-express are built on Unix only.
_NAMES = {
    "gunicorn": "gunicorn",
    "gunicorn3": "gunicorn",
    "uwsgi": "uWSGI",
    "mod_wsgi": "mod_wsgi-express",
    "mod_wsgi-express": "mod_wsgi-express",
}
_MODULE = re.compile(r"(?:^|\s)-m\s+(\w+)(?=[\s.]|$)")
_APP = re.compile(r'(?:^|[\s"])([^\W\d][\w.]*:[^\W\d]\w*(?:\(\))?)(?=[\s"]|$)')


def unix_server(program: str, arguments: str) -> tuple[str, str] | None:
    """Return the server that a command starts, and the arguments for ours; None for others.

    `program` is the path of the program, `arguments` its command line, as a web.config has them.
    """
    name = program.strip().strip('"').replace("\\", "/").rpartition("/")[2].lower()
    words = [name.removesuffix(".exe"), *_MODULE.findall(arguments.lower())]
    server = next((_NAMES[word] for word in words if word in _NAMES), "")
    if not server:
        return None
    app = _APP.search(arguments)
    named = f" {app[1]}" if app else ""
    return server, f"-m appsvc_runtime.runserver{named} --port %HTTP_PLATFORM_PORT%"
