"""GUN: gunicorn's settings, its workers, and what each of them has for itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ...azure import names
from ...startup import gunicorn, python_files
from ...startup.command import timeout_in
from ..check import Found, check
from ..python_sources import Source, assigned, dotted
from ..server_command import option, read_server_command
from ..site import Site

_ORYX = "microsoft/Oryx; Azure-App-Service/ImageBuilder"
_SCHEDULERS = frozenset(
    {
        "BackgroundScheduler",
        "AsyncIOScheduler",
        "APScheduler",
        "BlockingScheduler",
        "GeventScheduler",
    }
)
_RANDOM = frozenset(
    {"os.urandom", "urandom", "secrets.token_hex", "secrets.token_bytes", "secrets.token_urlsafe",
     "token_hex", "token_bytes", "token_urlsafe", "uuid.uuid4", "uuid4", "get_random_secret_key",
     "Fernet.generate_key"}
)  # fmt: skip
_MEMORY_CACHES = frozenset({"SimpleCache", "simple", "flask_caching.backends.SimpleCache"})
_LIMIT = names.REQUEST_LIMIT_SECONDS


def workers(site: Site) -> int:
    """Return how many processes serve the site, as far as it is known; on two cores."""
    own = site.setting("APPSVC_WORKERS").strip()
    server = read_server_command(site.launch.text if site.has_command else site.plan.command)
    if server is None:
        return 1
    if server.program == "appsvc":
        text = option(server.words, ("--workers",)) or own
        return _number(text, 2)
    if site.has_command:
        text = option(server.words, ("-w", "--workers")) or site.setting("WEB_CONCURRENCY")
        return _number(text, 1)
    text = gunicorn.gunicorn_workers(site.given.values if site.given else {}, 2)
    return _number(text, 1)


def _number(text: str, default: int) -> int:
    return int(text) if re.fullmatch("[0-9]{1,4}", text) else default


@check("GUN-01", "gunicorn.conf.py is not read", "warning", source=_ORYX, looks_at="files settings")
def gun_01(site: Site) -> Iterator[Found]:
    """Report a gunicorn.conf.py that gunicorn never reads.

    For a detected app the image names its own configuration file, so that gunicorn does not look
    for yours. With a startup command it does, unless that names another.
    """
    if site.has_command or not site.has(gunicorn.CONFIG):
        return
    if gunicorn.not_read(site.given.values if site.given else {}):
        yield Found(
            "gunicorn gets the image's own configuration, and does not read this one.",
            "Set a startup command, such as `exec appsvc serve`.",
            gunicorn.CONFIG,
        )


@check(
    "GUN-02",
    "A timeout is longer than the load balancer waits",
    "note",
    looks_at="command settings",
    source="troubleshoot-http-502; Azure-Samples/azure-search-openai-demo#524",
)
def gun_02(site: Site) -> Iterator[Found]:
    """Report a server's timeout above 230 s.

    The load balancer ends a request after 230 s without data. A longer timeout keeps a worker busy
    for a client that has its error already.
    """
    places = [("the startup command", site.launch.text)]
    places.append(("GUNICORN_CMD_ARGS", site.setting("GUNICORN_CMD_ARGS")))
    for where, text in places:
        seconds = timeout_in(text)
        if seconds is not None and (seconds == 0 or seconds > _LIMIT):
            yield Found(
                f"The timeout in {where} is {seconds or 'unlimited'}, but a client gets no answer "
                f"after {_LIMIT} s.",
                f"Set {_LIMIT}, and answer sooner: long work belongs into a WebJob or a queue.",
            )


@check(
    "GUN-04",
    "A scheduler runs in each worker",
    "warning",
    source="APScheduler: FAQ; kichalla's notes",
)
def gun_04(site: Site) -> Iterator[Found]:
    """Report a scheduler that is started where the app is imported.

    Each worker imports the app: every job runs as often as there are workers, and as there are
    instances. Put it into a WebJob or a worker, or set APPSVC_WORKERS=1 with one instance.
    """
    if workers(site) < 2:
        return
    for source in site.sources.with_words("Scheduler"):
        factories = [
            node
            for node in source.tree.body
            if isinstance(node, ast.FunctionDef) and node.name in python_files.FACTORIES
        ]
        made = [*source.assignments(), *(one for each in factories for one in assigned(each))]
        makers = {
            name
            for name, value, _ in made
            if isinstance(value, ast.Call) and dotted(value.func).rpartition(".")[2] in _SCHEDULERS
        }
        for call in source.calls():
            owner = call.name.rpartition(".")[0]
            if call.last in ("start", "init_app") and owner in makers and not call.is_guarded:
                yield Found(
                    f"{owner} starts in each of {workers(site)} workers, and each runs all jobs.",
                    "Move it to a WebJob or a worker, or set APPSVC_WORKERS=1.",
                    source.name,
                    call.line,
                )


@check("GUN-05", "Each worker serves one request at a time", "note", looks_at="command settings",
       source="AppService blog, 2026-05-18; measured")  # fmt: skip
def gun_05(site: Site) -> Iterator[Found]:
    """Report gunicorn's `sync` workers without threads in a startup command.

    A worker that waits for a database or another service serves nobody else. Measured on two cores
    with an app that waits for 50 ms: five such workers answer 96 requests a second, `appsvc serve`
    more than ten times as many.
    """
    server = read_server_command(site.launch.text)
    if server is None or server.program != "gunicorn" or server.is_asgi:
        return
    kind = option(server.words, ("-k", "--worker-class"))
    threads = option(server.words, ("--threads",))
    if kind in ("", "sync") and threads in ("", "1") and not site.has(gunicorn.CONFIG):
        yield Found(
            "gunicorn's sync workers serve one request at a time each.",
            "Add `--threads 16`, or use `exec appsvc serve`.",
            file=site.launch.file,
            line=site.launch.line,
            evidence=site.masked(site.launch.text),
        )


@check(
    "GUN-06",
    "Each worker makes a secret key of its own",
    "error",
    source="Flask: Configuration, SECRET_KEY",
)
def gun_06(site: Site) -> Iterator[Found]:
    """Report a secret key that is made at random when the app is imported.

    Each worker and each restart has another key: a session that one worker signs is refused by the
    next, and people are signed out at random. Keep it in an app setting.
    """
    for source in site.sources.with_words("(?i)secret_?key"):
        for name, value, line in _keys(source):
            if _is_random(value):
                yield Found(
                    f"{name} differs in each worker and after each start: sessions are lost.",
                    "Read it from an app setting, such as os.environ['SECRET_KEY'].",
                    source.name,
                    line,
                )


@check(
    "GUN-07",
    "A cache in memory is one for each worker",
    "note",
    source="Flask-Caching; Flask-Limiter",
)
def gun_07(site: Site) -> Iterator[Found]:
    """Report caches and rate limits that are kept in a worker's memory.

    Workers do not share it: a limit counts once for each, and what one has cleared stays in the
    others. Use Redis, or one worker.
    """
    if workers(site) < 2:
        return
    pattern = re.compile(r"""CACHE_TYPE["']?\]?\s*[:=]\s*["']([\w.]+)["']|["']memory://""")
    for name, text in site.sources.all_text():
        for found in pattern.finditer(text):
            if found[1] is None or found[1] in _MEMORY_CACHES:
                yield Found(
                    f"This is kept in the memory of each of {workers(site)} workers.",
                    "Keep it in Redis, or set APPSVC_WORKERS=1.",
                    name,
                    text.count("\n", 0, found.start()) + 1,
                )
                break


@check("GUN-08", "Socket.IO needs clients to come back to one worker", "warning",
       source="python-socketio: Deployment; Flask-SocketIO: Deployment")  # fmt: skip
def gun_08(site: Site) -> Iterator[Found]:
    """Report Socket.IO with several workers.

    Its clients send several requests that belong together, and a worker knows only its own. Run one
    worker with threads, and a message queue if there are several instances.
    """
    if workers(site) < 2 or not site.requires("flask-socketio", "python-socketio"):
        return
    for source in site.sources.with_words(r"SocketIO\(|socketio\."):
        made = [
            call for call in source.calls() if call.last in ("SocketIO", "Server", "AsyncServer")
        ]
        if made:
            yield Found(
                f"Socket.IO with {workers(site)} workers loses connections that change the worker.",
                "Set APPSVC_WORKERS=1, and ARR affinity for several instances.",
                source.name,
                made[0].line,
            )
            return


def _keys(source: Source) -> Iterator[tuple[str, ast.expr, int]]:
    """Yield the app's secret keys: `app.secret_key`, `SECRET_KEY` of a class or a mapping."""
    top = {line for _, _, line in source.assignments()}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                name = _key_name(target)
                # In a function, only the app's own: keys of users are random.
                owner = name.rpartition(".")[0]
                is_own = name.endswith("SECRET_KEY") or owner in ("app", "application", "server")
                if name and (is_own or node.lineno in top):
                    yield name, node.value, node.lineno
        elif isinstance(node, ast.keyword) and node.arg == "SECRET_KEY":
            yield "SECRET_KEY", node.value, node.lineno


def _key_name(target: ast.expr) -> str:
    """Return the name of a secret key that is assigned to, "" for anything else."""
    if isinstance(target, ast.Subscript):
        key = target.slice
        return "SECRET_KEY" if getattr(key, "value", None) == "SECRET_KEY" else ""
    name = dotted(target)
    return name if name.rpartition(".")[2].lower() == "secret_key" else ""


def _is_random(value: ast.expr) -> bool:
    """Return whether a value is random; a default behind a setting is not counted."""
    if isinstance(value, ast.Call):
        name = dotted(value.func)
        if name in _RANDOM:
            return True
        if name == "str" and value.args:
            return _is_random(value.args[0])
        if isinstance(value.func, ast.Attribute) and value.func.attr in ("hex", "decode"):
            return _is_random(value.func.value)
    return isinstance(value, ast.Attribute) and value.attr == "hex" and _is_random(value.value)
