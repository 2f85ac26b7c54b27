"""START: what the container runs for the site, and whether that can answer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...azure import names
from ...emulator.linux.diagnosis.binding import listen_on
from ...startup import exec_check, interface, python_files
from ...startup.app_search import entries_of, misplaced_apps
from ...startup.command import serve_command
from ..check import Found, check
from ..server_command import ServerCommand, read_server_command
from ..site import Site

_ORYX = "microsoft/Oryx, src/startupscriptgenerator/src/python"
_LOOPBACK = ("127.", "localhost", "[::1]", "::1")


def _server(site: Site) -> ServerCommand | None:
    return read_server_command(site.launch.text)


@check(
    "START-01", "The default site would be served", "error", source=_ORYX, looks_at="files command"
)
def start_01(site: Site) -> Iterator[Found]:
    """Report that no app is found, so that the platform shows its own welcome page.

    Without a startup command the container looks for a folder with a wsgi.py (Django), and for the
    files application.py, app.py, run.py, index.py, server.py and wsgi.py (Flask). If none is there,
    it serves a page of its own, with status 200: a deployment seems to have worked.

    Name your app in the startup command: `exec appsvc serve module:app`.
    """
    if site.plan.framework != "default":
        return
    for one in misplaced_apps(entries_of(site.folder)):
        command = serve_command(one.app, site=one.site, asgi=one.is_asgi)
        yield Found(
            f"The platform does not look into {one.path.as_posix()}, and finds no other app.",
            f"Set the startup command to `{command}`.",
            one.path.as_posix(),
        )
        return
    yield Found(
        "The platform finds no app here, and would show its own welcome page.",
        "Name your app in the startup command, `exec appsvc serve module:app`, or look at another "
        "folder.",
    )


@check("START-02", "Two files may be the app", "warning", source=_ORYX)
def start_02(site: Site) -> Iterator[Found]:
    """Report that several files have an app, and that the first in the platform's order is run.

    The order is fixed: application.py before app.py, and a folder with a wsgi.py before both. A
    startup command that names the app takes the guess away.
    """
    if site.has_command:
        return
    found = [
        name
        for name in names.FLASK_FILES
        if site.has(name) and python_files.read_names(site.folder / name).has_certain("app")
    ]
    if site.plan.framework == "flask" and len(found) > 1:
        yield Found(
            f"{' and '.join(found[:2])} have an app each: {found[0]} is run.",
            f"Name yours: `{serve_command(f'{found[0][:-3]}:app')}`.",
            found[1],
        )
    if site.plan.framework == "django":
        others = [name for name in site.tree.named("wsgi.py") if name.count("/") == 1]
        if len(others) > 1:
            yield Found(
                f"{others[0]} and {others[1]} are both there: {site.plan.app} is run.",
                f"Name yours: `{serve_command(site.plan.app or 'project.wsgi')}`.",
                others[1],
            )


@check("START-03", "The app's file has no `app`", "error", source="Azure/azure-dev#2937; Oryx")
def start_03(site: Site) -> Iterator[Found]:
    """Report that the object that gunicorn is told to load is not in its file.

    For a detected file the platform always runs `file:app`. A factory (`create_app()`) or another
    name (`server = Flask(...)`) needs a startup command.
    """
    module, _, attribute = (site.plan.app or "").partition(":")
    attribute = attribute or "application"
    path = f"{module.replace('.', '/')}.py"
    if not attribute.isidentifier() or not site.has(path):
        return
    found = python_files.read_names(site.folder / path)
    if found.error or found.has(attribute):
        return
    other = next(iter(found.app_candidates()), "")
    if not other and site.plan.framework == "django":
        fix = "A folder with a wsgi.py is taken for Django: name your app in the startup command."
    elif other:
        command = serve_command(f"{module}:{other}", asgi=found.is_asgi(other))
        fix = f"Set the startup command to `{command}`."
    else:
        fix = "Define it there, or name your app in the startup command."
    yield Found(f"{path} defines no `{attribute}`, which is what would be loaded.", fix, path)


@check(
    "START-04",
    "An ASGI app would be started as WSGI",
    "error",
    source="AppService blog, 2026-05-14",
)
def start_04(site: Site) -> Iterator[Found]:
    """Report an ASGI app (FastAPI, Starlette, Quart) that a WSGI worker would serve.

    The platform detects FastAPI with Python 3.14 and later only, and by its import. Before, such a
    file is started as Flask is, and each request gets status 500.
    """
    app = site.plan.app
    if not app or site.plan.framework == "fastapi":
        return
    server = _server(site)
    if server is not None and (server.is_asgi or server.program == "appsvc"):
        return
    if interface.read_interface(app, site.folder) == interface.ASGI:
        file = f"{app.partition(':')[0].replace('.', '/')}.py"
        yield Found(
            f"{app} is an ASGI app, and gunicorn's own worker runs WSGI apps only: each request "
            "gets status 500.",
            f"Set the startup command to `{serve_command(app, asgi=True)}`.",
            file if site.has(file) else "",
        )


@check("START-05", "The server never hears of a stop", "warning", looks_at="command",
       source="measured; dotnet/aspnetcore#68252")  # fmt: skip
def start_05(site: Site) -> Iterator[Found]:
    """Report a startup command without `exec`.

    A shell is the container's process 1 then, and passes no SIGTERM on: at each restart the server
    is killed after 5 s, and running requests are cut.
    """
    right = exec_check.with_exec(site.launch.text)
    if right:
        yield Found(
            "The server runs below a shell, which keeps SIGTERM to itself: requests are cut at "
            "each restart.",
            f"Write `{site.masked(right)}`.",
            site.launch.file,
            site.launch.line,
            site.masked(site.launch.text),
        )


@check("START-06", "The server listens on loopback", "error", looks_at="command",
       source="MicrosoftDocs/azure-docs#106657")  # fmt: skip
def start_06(site: Site) -> Iterator[Found]:
    """Report a startup command whose server the platform cannot reach.

    uvicorn, granian and hypercorn listen on 127.0.0.1 unless they are told otherwise. Inside a
    container that is the container itself: the site does not start.
    """
    server = _server(site)
    if server is None or not server.address.startswith(_LOOPBACK):
        return
    yield Found(
        f"{server.program} listens on {server.address}, which the platform cannot reach.",
        f"{listen_on(site.launch.text)} `exec appsvc serve` does.",
        site.launch.file,
        site.launch.line,
        site.masked(site.launch.text),
    )


@check("START-07", "The server listens on another port", "error", looks_at="command settings",
       source="AppService blog, 2026-06-10; reference-app-settings")  # fmt: skip
def start_07(site: Site) -> Iterator[Found]:
    """Report a port that the platform does not ask.

    The Python images expect the port of `PORT`, 8000. `WEBSITES_PORT` is for images of one's own.
    """
    if site.setting("WEBSITES_PORT"):
        yield Found(
            "WEBSITES_PORT is set, which does nothing for the Python images.",
            "Remove it: they use the port in PORT, 8000.",
        )
    server = _server(site)
    if server is None or not server.port:
        return
    own = site.setting("PORT")
    # What another variable holds is not known.
    if not server.port.isdecimal() or server.port in ("8000", own):
        return
    yield Found(
        f"{server.program} listens on port {server.port}, but the platform asks "
        f"{'that of PORT' if own else '8000'}.",
        listen_on(site.launch.text),
        site.launch.file,
        site.launch.line,
        site.masked(site.launch.text),
    )


@check(
    "START-11",
    "A program of the packages may not be found",
    "warning",
    looks_at="command files",
    source="microsoft/Oryx#2703",
)
def start_11(site: Site) -> Iterator[Found]:
    """Report a server that is started by its name in a project that uv builds.

    Builds by uv have left console scripts off the PATH. `python -m` always works.
    """
    server = _server(site)
    if (
        server is None
        or server.by_module
        or not site.has("uv.lock")
        or site.has("requirements.txt")
    ):
        return
    if server.program in ("uvicorn", "hypercorn", "granian", "waitress-serve"):
        yield Found(
            f"{server.program} may not be on the PATH of a site that uv has built.",
            f"Start it with `python -m {server.program.replace('-serve', '')}`.",
            site.launch.file,
            site.launch.line,
            site.masked(site.launch.text),
        )


@check("START-13", "The app's file is not valid Python", "error", source="Python's own parser")
def start_13(site: Site) -> Iterator[Found]:
    """Report a syntax error in the file that would be imported first.

    The parser is that of the Python that runs this command.
    """
    module = (site.plan.app or "").partition(":")[0]
    path = f"{module.replace('.', '/')}.py"
    if module and site.has(path):
        found = python_files.read_names(site.folder / path)
        if found.error:
            line = re.match(r"line (\d+): ", found.error)
            yield Found(
                f"{path} cannot be read: {found.error}.",
                "Correct it.",
                path,
                int(line[1]) if line else 0,
            )


@check(
    "START-14",
    "The module starts a server when it is imported",
    "error",
    source="Flask: Quickstart",
)
def start_14(site: Site) -> Iterator[Found]:
    """Report `app.run()` outside of `if __name__ == "__main__"`.

    The platform imports the module: the development server would start in each worker, and the
    import would never end.
    """
    module = (site.plan.app or "").partition(":")[0]
    path = f"{module.replace('.', '/')}.py"
    source = site.sources.parse(path) if module and site.has(path) else None
    for call in source.calls() if source else ():
        owner = call.name.rpartition(".")[0]
        if (
            call.depth == 0
            and not call.is_guarded
            and (
                (
                    call.last == "run"
                    and owner in ("app", "application", "server", "uvicorn", "socketio")
                )
                or (call.last == "serve" and owner in ("waitress", ""))
            )
        ):
            yield Found(
                f"{path} calls `{call.name}()` when it is imported, and the import never ends.",
                'Put it below `if __name__ == "__main__":`.',
                path,
                call.line,
            )
