"""Linux containers as the emulator's host: build, plan, start them, and forward requests to them.

Knows the order in which a deployment becomes a running site. Must not contain a rule of the
platform, nor know of the front end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from ...azure import names, ports
from ...errors import ConfigError
from ...redaction.masking import mask_command
from ...startup import plan as startup_plan
from ...system import own_files, process, sockets
from ..http.backend import Names
from ..http.messages import Answer, Request, Say, Tunnel
from ..processes import readiness, run_folder
from ..processes.exposure import Exposure
from . import default_site as linux_default_site
from . import environment, image, namespace, start_script
from .build import build
from .container import Container
from .diagnosis.seen import Cause
from .diagnosis.site import Site, describe, find_causes
from .image import Image
from .instances import Instances
from .limits import HealthPlan, read_health, read_limits
from .namespace import Space
from .plan import LinuxPlan
from .warmup import Launch

__all__ = ["LinuxHost"]

_BUILD_SWITCH = "SCM_DO_BUILD_DURING_DEPLOYMENT"
_EVERYWHERE = "0.0.0.0"


class LinuxHost:
    """The site of `plan` in its containers, an implementation of `http.backend.Host`.

    `environ` holds this process's own variables; a build and a container get few of them.
    """

    def __init__(self, plan: LinuxPlan, environ: Mapping[str, str], say: Say) -> None:
        self.names = Names(
            plan.site_name, plan.default_name, plan.public_name, plan.authentication, plan.linux
        )
        self.remark = ""
        self._plan = plan
        self._environ = environ
        self._say = say
        # Needed by this run only; another emulator of the site has its own.
        self._run = run_folder.run_folder(plan.linux)
        self._instances: Instances | None = None
        self._explained: dict[str, int] = {}
        self._made = asyncio.Event()
        self._closed = False

    async def start(self, tell: Callable[[str], None], taken: int) -> str:
        """Build the site and start its containers; see `http.backend.Host`."""
        plan, say = self._plan, self._say
        limits, findings = read_limits(plan.settings)
        health: HealthPlan | None = None
        if plan.options.health_path:
            health, more = read_health(
                plan.options.health_path, plan.options.health_interval, plan.settings
            )
            findings += more
        for finding in findings:
            say("settings", f"{finding.level.capitalize()}: {finding.where}: {finding}")
        await asyncio.to_thread(run_folder.remove_old_runs, plan.linux)
        own_files.remove_path(self._run)
        folder = await self._build()
        self._run.mkdir(0o700)
        made = await image.prepare_image(plan.python, self._environ, say)
        self._compare_versions(made, folder)
        space = await namespace.make_space(folder, plan.home, self._run / "stage")
        if space.note:
            say("emulator", space.note)
        count = plan.options.instances
        containers, ids, used = [], [], {taken}
        exposure = Exposure(say, "as the container's must")
        for number in range(count):
            port = self._choose_port(used)
            used.add(port)
            label = "container" if count == 1 else f"container-{number + 1}"
            start = self._plan_start(folder, space, made, port, tell=number == 0)
            launch = self._prepare(folder, space, made, start, port, number)
            containers.append(Container(label, launch, limits, say, exposure=exposure))
            ids.append(environment.instance_id(plan.site_name, number))
        self._instances = Instances(
            containers,
            ids,
            affinity=plan.options.affinity,
            public_name=plan.public_name,
            say=say,
            health=health,
        )
        if self._closed:
            self._instances.kill()
        self._made.set()
        problem = await self._instances.start()
        exposure.tell()
        failing = [reason for reason, status in self._explained.items() if status >= 500]
        self.remark = self.remark or "".join(failing[:1])
        return problem

    async def ask(self, request: Request) -> Answer | Tunnel:
        """Forward the request to an instance, as soon as the instances exist."""
        await self._made.wait()
        if self._instances is None:
            return Answer(503, note="the emulator ends")
        return await self._instances.ask(request)

    async def close(self) -> None:
        """Stop the containers in order; on cancellation, at once."""
        self._closed = True
        self._made.set()
        try:
            if self._instances is not None:
                await self._instances.close()
        finally:
            own_files.discard(self._run)

    async def kill(self) -> None:
        """Kill the containers at once."""
        self._closed = True
        self._made.set()
        if self._instances is not None:
            self._instances.kill()
        own_files.discard(self._run)

    async def _build(self) -> Path:
        """Build the site, or find an earlier build; return the folder to run."""
        plan, say = self._plan, self._say
        options = build.Options(
            site=plan.site,
            output=plan.output,
            python=plan.python,
            app_settings=plan.options.app_settings,
            clean=plan.options.clean,
        )
        switched_off = plan.settings.get(_BUILD_SWITCH, "").strip().lower() in ("false", "0")
        if plan.options.build and not switched_off:
            return (await build.build(options, self._environ, say)).folder
        why = f"Not built, because of {_BUILD_SWITCH}" if plan.options.build else "Not built"
        built = self._built_before(why, switched_off=switched_off)
        if built is None:
            say("build", f"{why}: the site is deployed as it is.")
            built = await build.copy_site(options, say)
        return built

    def _built_before(self, why: str, *, switched_off: bool) -> Path | None:
        """Return the folder that an earlier build has made, or None."""
        plan, say = self._plan, self._say
        for folder in (plan.site, plan.output):
            left = build.read_built(folder)
            if left.problem and folder == plan.site:  # for the other folder, the copy reports it
                say("build", f"Warning: {left.problem}.")
            if left.built is not None:
                say("build", f"{why}: the earlier build in {folder} is run.")
                return folder
            if left.unfinished and (folder == plan.site or not switched_off):
                raise ConfigError(
                    f"The last build in {folder} was not finished, so it cannot be run without a "
                    "build.",
                    hint="Build it: leave out --no-build.",
                )
        return None

    def _compare_versions(self, made: Image, folder: Path) -> None:
        built = build.read_built(folder).built
        if built is not None and built.version != made.version:
            then, now = (".".join(map(str, version)) for version in (built.version, made.version))
            raise ConfigError(
                f"{folder} was built for Python {then}, but would be run by Python {now}, which "
                "finds none of its packages.",
                hint="Build it again (leave out --no-build), or name that Python with --python.",
            )

    def _choose_port(self, used: set[int]) -> int:
        """Return the image's port, which startup commands hard-code, or report another port."""
        wanted = ports.choose_port(None, self._plan.settings, ["PORT"])
        if self._plan.options.instances > 1:
            port = readiness.free_port(used)
            why = "there are several instances on this machine"
        else:
            if wanted not in used and _is_free(wanted):
                return wanted
            port = readiness.free_port(used)
            why = f"{wanted} is taken on this machine"
        self._say(
            "emulator",
            f"PORT is {port}, because {why}: a startup command that names {wanted} does not "
            "work, write $PORT instead.",
        )
        return port

    def _plan_start(
        self, folder: Path, space: Space, made: Image, port: int, *, tell: bool
    ) -> startup_plan.StartPlan:
        """Decide what to run by the platform's own rules; with `tell`, report it."""
        plan = self._plan
        command = plan.options.startup_command
        settings = {**plan.settings, "PORT": str(port)}
        for named in (command, settings.get(names.GUNICORN_CONFIG_PATH, "")):
            file = folder / named.removeprefix(f"{names.SITE_FOLDER}/")
            # Only files in the copy are changed: others are the user's own. The platform makes a
            # script executable.
            if not named or not _is_file(file) or not own_files.make_executable(folder, file):
                continue
            if namespace.rewrite_file(file, space):
                self._say("emulator", f"In the copy of {named}, /home is replaced by {space.home}.")
        start = startup_plan.make_plan(
            folder,
            settings,
            startup_command=command or None,
            python_version=made.version,
            cores=process.cpu_count(),
        )
        if tell:
            self._say("plan", f"{start.framework.capitalize()}: {start.rule}.")
            for warning in describe(start, self._causes(folder, start)):
                self._say("plan", f"Warning: {warning}")
            if start.framework == "default":
                hint = start.warnings[:1]
                self.remark = " ".join(["This is the default site: no app was found.", *hint])
        return start

    def _causes(self, folder: Path, start: startup_plan.StartPlan) -> tuple[Cause, ...]:
        """Return what lies in the site and can keep it from starting."""
        plan = self._plan
        return find_causes(Site(folder, plan.options.startup_command or "", start, plan.settings))

    def _prepare(
        self,
        folder: Path,
        space: Space,
        made: Image,
        start: startup_plan.StartPlan,
        port: int,
        number: int,
    ) -> Launch:
        """Write the files that a container starts from, and return how it is started."""
        plan = self._plan
        default_site = self._run / "defaultsite"
        if start.framework == "default":
            linux_default_site.write_default_site(default_site, start, plan.site)
        antenv = folder / names.VIRTUAL_ENVIRONMENT
        script = self._run / f"startup-{number}.sh"
        script.write_text(
            start_script.make_script(
                start,
                space,
                made,
                pre_run=plan.settings.get(names.PRE_RUN_COMMAND, ""),
                antenv=antenv if antenv.is_dir() else None,
                default_site=default_site,
            ),
            "utf-8",
        )
        environ = environment.make_environ(
            self._environ,
            site_name=plan.site_name,
            public_name=plan.default_name,
            space=space,
            port=port,
            instance=number,
            app_settings=plan.options.app_settings,
            image=made,
        )
        return Launch(
            argv=(*space.prefix, "/bin/sh", str(script)),
            environ=run_folder.mark_variables(self._run, environ),
            cwd=folder,
            port=port,
            command=mask_command(start_script.shown_command(start, space, default_site)),
            antenv=antenv.is_dir(),
            app=start.app or "",
            causes=self._causes(folder, start),
            explained=self._explained,
        )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # it is a command, not the name of a file
        return False


def _is_free(port: int) -> bool:
    try:
        sockets.bind(_EVERYWHERE, port).close()
    except ConfigError:
        return False
    return True
