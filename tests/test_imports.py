"""The rooms keep to their places: imports point downwards, and the web process stays light."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

import appsvc_runtime

PACKAGE = Path(appsvc_runtime.__file__).parent
ROOT = PACKAGE.parent

# What each room may import of the others. A room that is not here fails the test: place it first.
FOUNDATION = {"facts", "errors"}
PURE = FOUNDATION | {"hosts", "options"}
ALLOWED: dict[str, set[str]] = {
    "facts": set(),
    "errors": set(),
    "notices": set(),
    "hosts": FOUNDATION,
    "optionparsers": set(),
    "options": FOUNDATION | {"optionparsers"},
    "findings": FOUNDATION,
    "tokenshapes": set(),
    "secret": {"tokenshapes"},
    "readers": {"options", "secret"},
    "masking": {"readers", "secret", "tokenshapes"},
    "keyvault": {"findings"},
    "appsettings": FOUNDATION | {"findings", "keyvault", "secret"},
    "reading": {"appsettings", "findings", "keyvault", "readers"},
    "dotenvfile": FOUNDATION | {"findings", "process"},
    "connectionsyntax": set(),
    "connectionoptions": {"connectionsyntax", "masking", "secret"},
    "connectionparts": {"connectionoptions", "connectionsyntax", "masking", "secret"},
    "tlsoptions": {"connectionoptions", "connectionparts"},
    "databases": {"connectionoptions", "connectionparts", "connectionsyntax", "tlsoptions"},
    "redisurl": {"connectionoptions", "connectionparts"},
    "connectionstring": {"connectionoptions", "connectionparts", "databases", "findings"}
    | {"redisurl", "secret"},
    "connections": FOUNDATION | {"appsettings", "connectionstring", "findings", "keyvault"},
    "settings": PURE | {"appsettings", "connections", "connectionstring", "dotenvfile", "findings"}
    | {"ports", "readers", "reading"},
    "django": FOUNDATION | {"findings", "logs", "options", "process", "settings"},
    "pydantic": {"findings", "keyvault", "settings"},
    "settingsreport": FOUNDATION
    | {"django", "findings", "keyvault", "masking", "options", "secret", "settings"},
    "settingsfindings": FOUNDATION
    | {"findings", "forwarded", "keyvault", "options", "ports", "readers", "settings"},
    "forwarded": FOUNDATION,
    "https": FOUNDATION | {"forwarded", "reply"},
    "reply": set(),
    "replying": PURE | {"deciding", "draining", "health", "https", "login", "probes", "reply"},
    "ports": FOUNDATION,
    "sources": FOUNDATION,
    "startcommand": FOUNDATION,
    "startup": FOUNDATION | {"sources", "startcommand"},
    "requestinfo": {"identity"},
    "identity": set(),
    "agreement": {"facts", "notices"},
    "iisvariables": set(),
    "requesthost": {"forwarded"},
    "serverproxies": {"forwarded"},
    "deciding": PURE
    | {"agreement", "forwarded", "iisvariables", "notices", "requesthost", "requestinfo"}
    | {"serverproxies"},
    "login": FOUNDATION | {"identity", "options", "reply"},
    "health": FOUNDATION,
    "asgi": {"accesslog", "deciding", "draining", "health", "options", "reply", "replying"},
    "frameworks": {"asgi", "reply"},
    "views": {"errors", "frameworks", "login"},
    "draining": {"health", "process"},
    "probes": {"forwarded", "health", "reply"},
    "requestcontext": set(),
    "accesslog": FOUNDATION | {"forwarded", "logformats", "logstream"},
    "middleware": PURE
    | {"accesslog", "draining", "health", "https", "reply", "replying", "requestcontext"},
    "osfiles": {"process"},
    "ownfolder": {"osfiles"},
    "ownfiles": {"ownfolder"},
    "logfile": {"osfiles"},
    "logstream": set(),
    "logformats": {"requestcontext"},
    "logs": PURE | {"logfile", "logformats", "logstream", "requestcontext", "settings"},
    "process": FOUNDATION,
    "procfs": set(),
    "winjob": set(),
    "processtree": {"process", "procfs", "winjob"},
    "console": FOUNDATION,
    "serversettings": PURE | {"ports", "process"},
    "appkinds": FOUNDATION | {"asgi", "middleware"},
    "apps": PURE | {"appkinds", "asgi", "middleware", "startup"},
    # Servers: the table, what their doors share, and a room for each.
    "startuptime": set(),
    "advisories": set(),
    "servers": PURE | {"advisories", "process", "serversettings"},
    "serving": PURE | {"apps", "middleware", "ports", "servers", "serversettings", "startuptime"},
    "serve_gunicorn": FOUNDATION | {"gunicorn_user", "ports", "process", "serving"},
    "serve_waitress": FOUNDATION
    | {"accesslog", "apps", "draining", "process", "serversettings", "serving", "waitress_server"},
    "onehost": set(),
    "granian_wsgi": {"onehost"},
    "granian_threads": {"granian_wsgi"},
    "serve_granian": FOUNDATION
    | {"accesslog", "apps", "draining", "granian_threads", "onehost", "process", "serversettings"}
    | {"serving", "startuptime"},
    "serve_uvicorn": FOUNDATION | {"asgi_app", "process", "serversettings", "serving"}
    | {"startuptime"},
    "asgi_app": FOUNDATION | {"accesslog", "apps", "onehost"},
    "waitress_server": FOUNDATION,
    "wsgi": FOUNDATION | {"apps"},
    "gunicorn_older": set(),
    "gunicorn_log": {"accesslog", "gunicorn_older", "hosts", "options", "serversettings"},
    "gunicorn_worker": set(),
    "gunicorn_user": FOUNDATION,
    "gunicorn_conf": FOUNDATION
    | {"advisories", "apps", "draining", "gunicorn_log", "gunicorn_older", "gunicorn_user"}
    | {"gunicorn_worker", "serversettings", "startuptime", "wsgi"},
    "runserver": FOUNDATION | {"console", "ports", "serving"},
    # Workers: what a worker itself loads, and the launcher's rooms.
    "stopping": set(),
    "worker": {"stopping", "workercommand"},
    "workercommand": {"console", "launcher", "options", "process", "singleton", "workerlog"}
    | {"workeroptions", "workerplan"},
    "launcher": {"liveness", "osfiles", "processtree", "restarts", "singleton", "stopping"}
    | {"workerlog", "workerplan", "workerrun", "workerscript"},
    "workerplan": FOUNDATION
    | {"findings", "jobsettings", "logstream", "restarts", "stopping", "workeroptions"}
    | {"workerscript"},
    "workerscript": {"errors"},
    "entrypoint": set(),
    "cloudservice": {"entrypoint", "findings", "webconfig/model", "webconfig/xmltree"},
    "rolexpath": set(),
    "workerrun": {"process", "processtree", "workerlog"},
    "workerlog": {"logfile"},
    "workeroptions": {"options"},
    "restarts": set(),
    "liveness": set(),
    "singleton": {"errors", "process", "processtree"},
    "leaseguard": {"process", "processtree"},
    "jobsettings": {"findings"},
    "sitefolder": {"errors"},
    "cli_check": {"errors"},
    "cli_hosts": {"console", "errors", "findings"}
    | {f"emulator/{room}" for room in ("emulation", "environment", "iishost", "linuxhost")}
    | {f"emulator/{room}" for room in ("linuxplan", "plan", "winpaths")}
    | {f"emulator/{room}" for room in ("background", "rolehost", "roleplan")}
    | {f"emulator/{room}" for room in ("projectpython", "webjobplan", "webjobs")},
    "cli_emulate": {"cli_check", "cli_hosts", "console", "errors", "process", "sitefolder"}
    | {f"emulator/{room}" for room in ("emulation", "hostnames", "roleplan", "site")},
    "cli_build": {"builder/building", "builder/places", "console", "process", "sitefolder"}
    | {"emulator/environment", "emulator/projectpython"},
    "cli": PURE
    | {"__init__", "cli_build", "cli_emulate", "console", "process", "serving", "settings"}
    | {"settingsfindings", "settingsreport", "startup", "emulator/projectpython"},
    "__main__": {"cli"},
    "__init__": {"asgi", "connections", "errors", "findings", "health", "identity", "logs"}
    | {"middleware", "readers", "requestinfo", "secret", "settings", "views"},
}  # fmt: skip
# The packages: a room may import those of the lines below its own, and what stands behind.
WEBCONFIG = """
    __init__
    merging
    building defaults documents layers
    checks nodes
    interpreters ports tables xmltree
    decoding mimemap model schema variables
"""
EMULATOR = """
    iishost linuxhost webjobs
    emulation instances jobrun rolehost workers
    container easyauth roleplan webjobplan
    fastcgilaunch fastcgipool frontend iis linuxenviron linuxplan plan runscript warmup
    fastcgiprocess fastcgirequest httpplatform incoming listening rewriting websockets
    answering defaultsite fastcgiconnection fastcgipages handlers health image origins
    platformprocess proxy
    rulereading staticfiles
    answerhead children commands conditions fastcgierrors fastcgiexchange fastcgiparams filtering
    frontpages jobfiles kept pages passage repeats site sitefiles substitution variables watching
    affinity background certificates cgihead checking childoutput containerspace diagnosis
    environment exposure fastcgi fastcgiwire filebody frontheaders headonly hostnames jobcopy
    joblog jobschedule limits
    patterns probing publicname rapidfails readiness requesthead rolefolders signinpage
    slimtransport surroundings urlpaths winpaths
    environment fastcgi fastcgiwire filebody frontheaders headonly jobcopy joblog jobschedule limits
    patterns probing projectpython publicname rapidfails readiness requesthead requirement
    rolefolders signinpage slimtransport surroundings urlpaths winpaths
    environments interpreter
    __init__ default_application exchange folders httpvalues wfastcgi_child
"""
BUILDER = """
    building
    installing
    ownpackage
    running
    copying output steps
    contents listing madeonce requirements
    localsources places state stepenviron threads
    progress
    __init__
"""
# The emulator plays the other side: neither the middleware nor the rooms it decides with.
OUTSIDE_EMULATOR = FOUNDATION | {"findings", "osfiles", "ports", "process", "processtree"}
OUTSIDE_EMULATOR |= {"ownfiles", "ownfolder"}
OUTSIDE_EMULATOR |= {"procfs", "startup", "webconfig/__init__", "webconfig/model"}
OUTSIDE_EMULATOR |= {"procfs", "sitefolder", "startup", "webconfig/__init__", "webconfig/model"}
OUTSIDE_EMULATOR |= {"cloudservice", "entrypoint", "jobsettings", "restarts", "rolexpath"}
OUTSIDE_EMULATOR |= {f"builder/{room}" for room in ("building", "madeonce", "places", "running")}
OUTSIDE_EMULATOR |= {"builder/stepenviron"}
# A build is the platform's too: it runs its steps as the emulator runs programs.
OUTSIDE_BUILDER = FOUNDATION | {"osfiles", "ownfiles", "ownfolder", "process", "processtree"}
OUTSIDE_BUILDER |= {"emulator/children", "emulator/exchange", "emulator/surroundings"}


def layered(package: str, plan: str, outside: set[str]) -> dict[str, set[str]]:
    """Give what each room of a package may import."""
    allowed: dict[str, set[str]] = {}
    for line in reversed(plan.split("\n")):
        below = set(allowed)
        allowed.update({f"{package}/{room}": below | outside for room in line.split()})
    return allowed


ALLOWED.update(layered("webconfig", WEBCONFIG, {"findings"}))
ALLOWED.update(layered("emulator", EMULATOR, OUTSIDE_EMULATOR))
ALLOWED.update(layered("builder", BUILDER, OUTSIDE_BUILDER))
# Who may ask which system this is.
OS_ROOMS = {"process", "osfiles", "processtree"}


@functools.cache
def rooms() -> dict[str, ast.Module]:
    return {
        path.relative_to(PACKAGE).with_suffix("").as_posix(): ast.parse(path.read_text("utf-8"))
        for path in PACKAGE.rglob("*.py")
    }


def room_at(path: PurePosixPath) -> str:
    """Give the room of a module's path: a folder's is its `__init__`."""
    is_folder = (PACKAGE / path).is_dir()
    return (path / "__init__" if is_folder else path).as_posix()


def imported_rooms(room: str, tree: ast.Module) -> set[str]:
    """Give the names of this package's modules that a module imports, anywhere in it."""
    found = set()
    folder = PurePosixPath(room).parent
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = folder if node.level == 1 else folder.parent
            start = base.joinpath(*(node.module or "").split(".")) if node.module else base
            for alias in node.names:
                inside = (start / alias.name).as_posix()
                is_room = (PACKAGE / f"{inside}.py").exists() or (PACKAGE / inside).is_dir()
                found.add(room_at(PurePosixPath(inside) if is_room else start))
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names]
            assert not [name for name in names if (name or "").startswith("appsvc_runtime")]
    return found


@pytest.mark.parametrize("room", sorted(rooms()))
def test_imports_point_downwards(room: str) -> None:
    """A room imports what the plan lets it, and nothing else."""
    assert room in ALLOWED, f"place {room} in the plan first"
    assert imported_rooms(room, rooms()[room]) <= ALLOWED[room]


def test_the_plan_names_no_room_that_is_gone() -> None:
    """The plan above is true."""
    assert set(ALLOWED) == set(rooms())


@pytest.mark.parametrize("room", sorted(set(rooms()) - OS_ROOMS))
def test_only_one_room_knows_the_operating_system(room: str) -> None:
    """No other asks sys.platform or os.name."""
    asked = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(rooms()[room])
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert not asked & {"sys.platform", "os.name", "platform.system"}


@pytest.mark.parametrize("room", sorted(rooms()))
def test_rooms_open_with_what_they_know(room: str) -> None:
    """Each has a docstring, and stays small."""
    tree = rooms()[room]
    assert ast.get_docstring(tree)
    assert len((PACKAGE / f"{room}.py").read_text("utf-8").splitlines()) <= 320


PROBE = """
import json, sys
before = set(sys.modules)
import appsvc_runtime
from appsvc_runtime import AppServiceMiddleware
imported = set(sys.modules) - before
AppServiceMiddleware(lambda *_: [], environ={"WEBSITE_SITE_NAME": "x", "WEBSITE_INSTANCE_ID": "y"})
used = set(sys.modules) - before
print(json.dumps([sorted(imported), sorted(used)]))
"""


def probe() -> list[set[str]]:
    result = subprocess.run(
        [sys.executable, "-S", "-c", PROBE],
        capture_output=True, text=True, check=True, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert result.stderr == ""
    return [set(names) for names in json.loads(result.stdout)]


def test_the_web_process_stays_light() -> None:
    """Importing the middleware loads only itself; making one, nothing third-party, no tool."""
    imported, used = probe()
    own = {name for name in imported if name.partition(".")[0] == "appsvc_runtime"}
    assert own == {
        "appsvc_runtime",
        *(
            f"appsvc_runtime.{room}"
            for room in ("deciding", "errors", "facts", "hosts", "middleware", "notices", "options")
        ),
        "appsvc_runtime.settings.option_parsers",
        "appsvc_runtime.middleware.short_circuit",
        "appsvc_runtime.logs.request_context",
        "appsvc_runtime.middleware.request_info",
    }
    for heavy in ("re", "typing", "logging", "dataclasses", "ipaddress", "socket", "asyncio"):
        assert heavy not in imported
    outside = {name.partition(".")[0] for name in used} - {"appsvc_runtime"}
    assert outside <= set(sys.stdlib_module_names)
    assert not outside & {"xml", "logging", "asyncio", "socket", "http", "email"}


def test_importing_a_room_does_nothing() -> None:
    """No variable is read, no logging configured, nothing printed; only a configuration may."""
    modules = [
        f"appsvc_runtime.{room.replace('/', '.')}".removesuffix(".__init__")
        for room in sorted(set(ALLOWED) - {"gunicorn_conf", "__main__", "__init__"})
    ]
    code = (
        "import importlib, json, logging, os, sys\n"
        "class Watched(dict):\n"
        "    def __getitem__(self, key, *default):\n"
        "        if key.startswith(('APPSVC', 'WEB', 'WSGI', 'PORT', 'HTTP', 'PYTHON', 'GUNI')):\n"
        "            raise AssertionError(key)\n"
        "        raise KeyError(key)\n"
        "    def get(self, key, default=None): return self[key] if self.has(key) else default\n"
        "    def has(self, key):\n"
        "        try: self[key]\n"
        "        except KeyError: return False\n"
        "    __contains__ = has\n"
        "import click, runpy, ast, dataclasses, subprocess, gunicorn.config\n"
        "import aiohttp, regex, watchfiles\n"
        "try:\n    import waitress\nexcept ImportError: pass\n"
        "try:\n    import pydantic_settings\nexcept ImportError: pass\n"
        "real, os.environ = os.environ, Watched()\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except Exception as error:\n"
        "        sys.exit(f'{name}: {error!r}')\n"
        "    assert not logging.root.handlers, name\n"
        "os.environ = real\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, json.dumps(modules)], capture_output=True, text=True,
        check=False, cwd=ROOT, timeout=120,
    )  # fmt: skip
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
