"""Logs of requests that fail, and of the services behind the app."""

from __future__ import annotations

from .shape import shape

__all__ = ["SHAPES"]

SHAPES = (
    shape(
        "probe-host",
        r"Invalid HTTP_HOST header: '(?P<host>169\.254\.[\d.]+(?::\d+)?)'",
        "Django refuses the platform's own requests, whose host is {host}",
        "Put appsvc_runtime's middleware around the app, which answers them, or `exec appsvc "
        "serve`.",
        "DJ-02",
    ),
    shape(
        "host",
        "Invalid HTTP_HOST header: '(?P<host>[^']+)'",
        "ALLOWED_HOSTS has no {host}",
        "Add it, or use appsvc_runtime.django.allowed_hosts().",
        "DJ-02",
    ),
    shape(
        "csrf",
        r"Origin checking failed - (?P<origin>\S+) does not match|Referer checking failed",
        "Django does not trust the origin {origin}",
        "Add it with https:// to CSRF_TRUSTED_ORIGINS.",
        "DJ-03",
    ),
    shape(
        "origin-scheme",
        "CSRF_TRUSTED_ORIGINS setting must start with a scheme",
        "a value of CSRF_TRUSTED_ORIGINS has no scheme",
        "Write https:// before it.",
        "DJ-03",
    ),
    shape(
        "static-root",
        "without having set the STATIC_ROOT setting",
        "collectstatic has nowhere to write",
        'Write STATIC_ROOT = BASE_DIR / "staticfiles".',
        "BLD-12",
    ),
    shape(
        "locked",
        "database is locked",
        "an SQLite file is on the network share /home, or has several writers",
        "Use a database server.",
        "DB-04",
    ),
    shape(
        "sqlite",
        "unable to open database file|attempt to write a readonly database",
        "the SQLite file is where the app may not write",
        "Use a database server; /home is kept, the site's folder is not.",
        "DB-04",
    ),
    shape(
        "no-table",
        r"no such table: (?P<name>\w+)|relation \"(?P<other>[\w.]+)\" does not exist",
        "the table {name}{other} is not there: migrations have not run, or the database is a "
        "new file",
        "Run migrations in a deployment step; keep no SQLite file in the site.",
        "DB-04",
    ),
    shape(
        "tls",
        r"no pg_hba\.conf entry for host .{0,300}no encryption|SSL off|"
        "--require_secure_transport=ON",
        "the database wants TLS",
        "Write sslmode=require, or ssl options.",
        "DB-03",
    ),
    shape(
        "password",
        "password authentication failed for user|Access denied for user '(?P<name>[^']*)'|"
        "Login failed for user",
        "the database refuses the user or the password, or a token has expired",
        "Check the user's form (no @server) and the password; ask for a token in each new "
        "connection.",
        "DB-02",
    ),
    shape(
        "resolve",
        "could not translate host name|[Nn]ame or service not known|"
        "[Tt]emporary failure in name resolution|getaddrinfo failed",
        "a host's name is unknown there",
        "Check the name; behind a private endpoint the site needs VNet integration and its DNS.",
        "",
    ),
    shape(
        "refused",
        r"[Cc]onnection refused.{0,300}(?:localhost|127\.0\.0\.1|5432|6379|3306|1433)|(?:localhost|"
        r"127\.0\.0\.1).{0,300}[Cc]onnection refused|Error 111 connecting to",
        "nothing listens there: a setting names this machine, or the service is down",
        "Name the real service in the app settings.",
        "SET-06",
    ),
    shape(
        "firewall",
        "[Cc]onnection timed out|is not allowed to access the server|"
        "Client with IP address '(?P<address>[^']+)'",
        "a firewall lets no connection through {address}",
        "Allow the site's outbound addresses, or use a private endpoint.",
        "",
    ),
    shape(
        "identity",
        "ManagedIdentityCredential authentication unavailable|No managed identity endpoint|"
        "CredentialUnavailableError",
        "the site has no managed identity",
        "Switch it on: `az webapp identity assign`, and give it a role.",
        "DB-01",
    ),
    shape(
        "aad",
        r"(?P<code>AADSTS\d+)",
        "Microsoft Entra ID refuses the sign-in ({code})",
        "Look the code up; check client id, secret and redirect address (https).",
        "",
    ),
    shape(
        "redis",
        "WRONGPASS|NOAUTH Authentication required|Connection closed by server.{0,300}6379",
        "Redis wants another password, or TLS",
        "Use rediss:// and the access key, or a token.",
        "DB-05",
    ),
    shape(
        "mixed-proxy",
        "SSL_ERROR_RX_RECORD_TOO_LONG|ERR_TOO_MANY_REDIRECTS|too many redirects",
        "the app redirects to itself: it does not see the front end's HTTPS",
        "Put appsvc_runtime's middleware around the app, or `exec appsvc serve`.",
        "DJ-04",
    ),
    shape(
        "front-end-time",
        r"\b(?:499|502|504)\b.{0,300}(?:230|229)\d* ?(?:s|ms|seconds)|"
        r"The request timed out\. The web server failed to respond within the specified time",
        "a request took longer than 230 s",
        "Move the work to a WebJob or a queue.",
        "HTTP-04",
    ),
    shape(
        "gunicorn-worker-class",
        "class uri '(?P<name>[^']+)' invalid or not found",
        "gunicorn's worker class {name} is not installed",
        "Add uvicorn-worker to requirements.txt, and use uvicorn_worker.UvicornWorker.",
        "BLD-14",
    ),
)
