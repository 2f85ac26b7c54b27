"""Linux containers as the emulator's host: build, plan, start them, and forward requests to them.

Knows the order in which a deployment becomes a running site. Must not contain a rule of the
platform, nor know of the front end.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from ...azure import names, ports
from ...errors import ConfigError
from ...startup import plan as startup_plan
from ...system import own_files, process, sockets
from ..http.backend import Names
from ..http.messages import Answer, Request, Say, Tunnel
from ..processes import readiness, run_folder
from ..processes.exposure import Exposure
from . import booleans, environment, image, namespace, space
from .app_path import make_app_path, remove_app_path
from .container import Container
from .deployment import Deployed, check_version, deploy
from .diagnosis.seen import Cause
from .diagnosis.site import Site, describe, find_causes
from .image import Image
from .image_folder import write_image_folder
from .instances import Instances
from .launches import Launches
from .layout import Layout
from .limits import HealthPlan, read_health, read_limits
from .plan import LinuxPlan
from .report import report
from .space import Space
from .wwwroot import is_read_only, write_wwwroot

__all__ = ["LinuxHost"]

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
        self._reserved: socket.socket | None = None
        self._made = asyncio.Event()
        self._closed = False

    async def start(self, tell: Callable[[str], None], taken: int) -> str:
        """Build the site and start its containers; see `http.backend.Host`."""
        plan, say = self._plan, self._say
        booleans.check_start(plan.settings)
        for surprise in booleans.find_surprises(plan.settings, ("go", "viper")):
            say("settings", f"Warning: {surprise}")
        limits, findings = read_limits(plan.settings)
        health: HealthPlan | None = None
        if plan.options.health_path:
            health, more = read_health(
                plan.options.health_path, plan.options.health_interval, plan.settings
            )
            findings += more
        for finding in findings:
            say("settings", f"{finding.level.capitalize()}: {finding.where}: {finding}")
        await asyncio.to_thread(run_folder.remove_old_runs, plan.linux, remove_app_path)
        own_files.remove_path(self._run)
        deployed = await deploy(plan, self._environ, say)
        self._run.mkdir(0o700)
        made = await image.prepare_image(plan.python, self._environ, say)
        check_version(deployed, made.version)
        layout = self._lay_out(deployed, made)
        inside = await namespace.make_space(layout)
        report(plan, deployed, inside, say)
        launches = Launches(plan, self._run, layout, inside, made, self._environ)
        count = plan.options.instances
        containers, ids, used = [], [], {taken}
        exposure = Exposure(say, "as the container's must")
        for number in range(count):
            port = self._choose_port(used)
            used.add(port)
            label = "container" if count == 1 else f"container-{number + 1}"
            start = self._plan_start(deployed.folder, inside, made, port, tell=number == 0)
            launch = launches.make(start, port, number, self._causes(deployed.folder, start))
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
        failing = [reason for reason, status in launches.explained.items() if status >= 500]
        self.remark = self.remark or "".join(failing[:1])
        return problem

    async def ask(self, request: Request) -> Answer | Tunnel:
        """Forward the request to an instance, as soon as the instances exist."""
        await self._made.wait()
        if self._instances is None:
            return Answer(503, note="the emulator ends")
        return await self._instances.ask(request)

    async def stop(self, busy: Callable[[], bool]) -> None:
        """Stop the containers, which finish their requests."""
        self._closed = True
        self._made.set()
        if self._instances is not None:
            await self._instances.stop(busy)

    async def close(self) -> None:
        """Stop the containers in order; on cancellation, at once."""
        self._closed = True
        self._made.set()
        try:
            if self._instances is not None:
                await self._instances.close()
        finally:
            self._clean_up()

    async def kill(self) -> None:
        """Kill the containers at once."""
        self._closed = True
        self._made.set()
        if self._instances is not None:
            self._instances.kill()
        self._clean_up()

    def _clean_up(self) -> None:
        if self._reserved is not None:
            self._reserved.close()
        remove_app_path(self._run)
        own_files.discard(self._run)

    def _lay_out(self, deployed: Deployed, made: Image) -> Layout:
        """Make the folders of the containers."""
        plan, opt = self._plan, self._run / "opt"
        write_image_folder(opt / Path(names.IMAGE_FOLDER).name)
        point = make_app_path(self._run) if deployed.is_built else None
        if deployed.is_built:
            path = str(point or Path(names.BUILT_PARENT) / "<id>")
            version = ".".join(map(str, made.version))
            write_wwwroot(plan.wwwroot, path, version, empty=deployed.is_new)
        return Layout(
            home=plan.home,
            opt=opt,
            site=deployed.folder,
            wwwroot=plan.wwwroot if deployed.is_built else deployed.folder,
            stage=self._run / "stage",
            point=point,
            read_only=is_read_only(plan.settings),
        )

    def _choose_port(self, used: set[int]) -> int:
        """Return the image's port, which startup commands hard-code, or report another port."""
        wanted = ports.choose_port(None, self._plan.settings, ["PORT"])
        if self._plan.options.instances > 1:
            port = readiness.free_port(used)
            why = "there are several instances on this machine"
        else:
            # Another emulator may have seen that the port is free, and be starting its container.
            self._reserved = None if wanted in used else sockets.reserve(wanted)
            if self._reserved and _is_free(wanted):
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
        self, folder: Path, inside: Space, made: Image, port: int, *, tell: bool
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
            if space.rewrite_file(file, folder, inside):
                self._say("emulator", f"In the copy of {named}, the platform's paths are replaced.")
        start = startup_plan.make_plan(
            folder,
            settings,
            startup_command=command or None,
            python_version=made.version,
            cores=process.cpu_count(),
            folder=inside.site,  # which needs no quotes
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
