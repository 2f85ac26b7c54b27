"""Logs of a start that fails: the shell, the server, the platform's own lines.

Sources: the texts of dash, bash, gunicorn, uvicorn; azure.github.io/AppService, 2026-06-10;
microsoft/Oryx; the documentation's troubleshooting pages.
"""

from __future__ import annotations

from .shape import shape

__all__ = ["SHAPES"]

SHAPES = (
    shape(
        "windows-line-ends",
        r"(?:\^M|\\r)['\"]?: (?:bad interpreter|not found|command not found|No such)|"
        r"/bin/(?:ba)?sh\^M",
        "a script has Windows line ends (CRLF)",
        "Save it with LF; `*.sh text eol=lf` in .gitattributes.",
        "START-08",
    ),
    shape(
        "no-interpreter",
        r"(?P<file>(?<!\S)\S{1,300}\.sh): .{0,300}(?:[Ee]xec format error|cannot execute)",
        "{file} has no first line that names its shell",
        "Write #!/bin/bash as its first line.",
        "START-08",
    ),
    shape(
        "not-executable",
        r"(?P<file>(?<!\S)\S{1,300}\.(?:sh|py)): [Pp]ermission denied",
        "{file} may not be executed",
        "Run it by `sh FILE`, or set its x bit before it is zipped.",
        "START-08",
    ),
    shape(
        "no-program",
        r"(?<!\d)\d{1,6}: (?:exec: )?(?P<name>gunicorn|uvicorn|hypercorn|granian|"
        "waitress-serve|daphne|appsvc|flask|celery|streamlit): not found|(?P<other>gunicorn|"
        "uvicorn|hypercorn|granian|daphne|appsvc|streamlit): (?:command )?not found",
        "the program {name}{other} is not installed, or not on the PATH",
        "Add it to requirements.txt and have the site built "
        "(SCM_DO_BUILD_DURING_DEPLOYMENT=true), or start it with `python -m`.",
        "BLD-14",
    ),
    shape(
        "no-file",
        "(?:can't open file|"
        r"[Cc]annot open) '?(?P<file>[^':]+)'?: ?\[?(?:Errno 2\]? )?No such file",
        "the startup command names {file}, which is not there",
        "Correct the startup command; names have case on Linux.",
        "START-08",
    ),
    shape(
        "no-attribute",
        "Failed to find attribute '(?P<name>[^']+)' in '(?P<module>[^']+)'",
        "the module {module} has no `{name}`, which the server is told to load",
        "Name the app in the startup command: `exec appsvc serve {module}:NAME`.",
        "START-03",
    ),
    shape(
        "no-asgi-app",
        r"Error loading ASGI app\. (?P<said>.+)",
        "uvicorn does not find the app: {said}",
        "Name module and app in the startup command.",
        "START-03",
    ),
    shape(
        "factory",
        "Error: Detected factory|must be called with .?--factory|"
        "Failed to parse '(?P<name>[^']+)' as an attribute name or function call",
        "the app is a factory, and the server is not told so",
        "Name it as `module:create_app()`.",
        "START-03",
    ),
    shape(
        "strconv",
        r"strconv\.ParseBool: parsing \\?\"(?P<value>[^\"\\]*)",
        "a switch among the app settings has the value {value}, which the start script does "
        "not know",
        "Write true or false in PYTHON_ENABLE_GUNICORN_MULTIWORKERS.",
        "SET-08",
    ),
    shape(
        "no-archive",
        r"(?:output\.tar\.(?:gz|zst))\b.{0,300}(?:No such file|[Cc]annot open|not found)",
        "the build's archive is missing",
        "Deploy again; remove oryx-manifest.toml from what you deploy.",
        "BLD-09",
    ),
    shape(
        "port-taken",
        r"[Aa]ddress already in use|Errno 98|Connection in use: \(",
        "two programs want the same port",
        "Start one server only, and not in the background.",
        "",
    ),
    shape(
        "not-recognised",
        "(?P<program>gunicorn|uvicorn|granian|hypercorn): error: (?P<said>.+)",
        "{program} does not take its options: {said}",
        "Correct the startup command.",
        "",
    ),
    shape(
        "loopback",
        r"(?:Uvicorn running on|Listening at:|Running on) http://(?:127\.0\.0\.1|"
        r"localhost):(?P<port>\d+)",
        "the server listens on loopback, where the platform does not reach it",
        "Listen on 0.0.0.0 and $PORT, 8000 in the Python images: `exec appsvc serve`.",
        "START-06",
    ),
    shape(
        "other-port",
        r"(?:Uvicorn running on|Listening at:|Running on|Serving on) http://(?:0\.0\.0\.0|"
        r"\[::\]):(?!8000\b|80\b)(?P<port>\d+)",
        "the server listens on port {port}, and the platform asks 8000",
        "Listen on 0.0.0.0 and $PORT, 8000 in the Python images: `exec appsvc serve`.",
        "START-07",
    ),
    shape(
        "development-server",
        "WARNING: This is a development server|Starting development server at|Debugger is active!",
        "a development server is started",
        "Use `exec appsvc serve`.",
        "START-09",
    ),
    shape(
        "default-site",
        "No framework detected; using default app|/opt/defaultsite|App detection: no app",
        "no app was found, so that the platform shows its welcome page",
        "Name the app in the startup command.",
        "START-01",
    ),
    shape(
        "out-of-memory",
        r"Worker \(pid:\d+\) was sent SIGKILL! Perhaps out of memory|"
        "[Oo]ut of memory: [Kk]illed|oom-?kill|MemoryError",
        "a process was killed, most likely because memory ran out",
        "Use fewer workers (APPSVC_WORKERS), or a larger plan; `appsvc serve` shares one app "
        "among threads.",
        "",
    ),
    shape(
        "worker-timeout",
        r"\[CRITICAL\] WORKER TIMEOUT \(pid:\d+\)",
        "a request, or the app's import, took longer than gunicorn's timeout",
        "Move long work out of requests; use threads, which serve others meanwhile.",
        "GUN-05",
    ),
    shape(
        "no-space",
        "[Nn]o space left on device|ENOSPC",
        "the disk is full",
        "Remove files below /home, or what the app writes to /tmp.",
        "",
    ),
    shape(
        "read-only",
        "[Rr]ead-only file system|Errno 30",
        "the app writes into its own folder, which is read-only (WEBSITE_RUN_FROM_PACKAGE)",
        "Write below /home, or /tmp for what may be lost.",
        "BLD-07",
    ),
    shape(
        "quota",
        "QuotaExceeded|quota exceeded|Site is disabled|Error 403 - This web app is stopped",
        "the site is stopped, or its plan's quota is used up",
        "Start it, or choose a larger plan.",
        "",
    ),
    shape(
        "pings",
        r"(?:didn't|did not) respond to HTTP pings on port:? ?(?P<port>\d+)|"
        "[Ww]arm-?up probe (?:failed|timed out)",
        "no answer came on the port within the time",
        "Look at the app's own lines above. Listen on 0.0.0.0 and $PORT, 8000 in the Python "
        "images: `exec appsvc serve`.",
        "START-07",
        is_cause=False,
    ),
    shape(
        "exited",
        "[Cc]ontainer .{1,200}? has exited|exited before (?:it )?(?:responded|started)|"
        r"Site container: \S+ terminated",
        "the container ended by itself",
        "Look at the app's own lines above.",
        "",
        is_cause=False,
    ),
    shape(
        "boot",
        r"Worker failed to boot|HaltServer|Application startup failed\. Exiting",
        "a worker could not load the app",
        "Look at the traceback above.",
        "",
        is_cause=False,
    ),
    shape(
        "deployment-runtime",
        "RuntimeFailed|Deployment has been stopped as site startup (?:probe )?failed|"
        "Site failed to start",
        "the deployment is there, and the site does not start",
        "Look at the container's log (docker log).",
        "",
        is_cause=False,
    ),
)
