"""How each container of a site is started: its script, its variables and its command.

Writes the script, and the files that a container finds in its image. Must not know how a container
is watched.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...azure import names
from ...redaction.masking import mask_command
from ...startup.plan import StartPlan
from ..processes import run_folder
from . import environment, start_script
from .default_site import write_default_site
from .diagnosis.seen import Cause
from .image import Image
from .layout import Layout
from .mounts import written_layer
from .plan import LinuxPlan
from .space import Space
from .warmup import Launch

__all__ = ["Launches"]


class Launches:
    """The launches of one run, whose folder is `run`; `layout` has the containers' folders.

    `environ` holds this process's own variables. `explained` are the sentences printed about
    responses of any of them, with the status.
    """

    def __init__(
        self,
        plan: LinuxPlan,
        run: Path,
        layout: Layout,
        space: Space,
        image: Image,
        environ: Mapping[str, str],
    ) -> None:
        self._plan = plan
        self._run = run
        self._layout = layout
        self._space = space
        self._image = image
        self._environ = environ
        self.explained: dict[str, int] = {}

    def make(
        self, start: StartPlan, port: int, number: int, causes: tuple[Cause, ...] = ()
    ) -> Launch:
        """Write the files that a container starts from, and return how it is started.

        `causes` are what lies in the site and can keep it from starting.
        """
        plan, space = self._plan, self._space
        if start.framework == "default":
            write_default_site(
                self._layout.opt / Path(names.DEFAULT_SITE_FOLDER).name, start, plan.site
            )
        antenv = (self._layout.site / names.VIRTUAL_ENVIRONMENT).is_dir()
        script = self._run / f"startup-{number}.sh"
        script.write_text(
            start_script.make_script(
                start,
                space,
                self._image,
                pre_run=plan.settings.get(names.PRE_RUN_COMMAND, ""),
                antenv=antenv,
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
            image=self._image,
        )
        return Launch(
            argv=(*space.prefix, "/bin/sh", str(script)),
            environ=run_folder.mark_variables(self._run, environ),
            cwd=self._layout.site,
            port=port,
            command=mask_command(space.inside(start.command)),
            antenv=antenv,
            written=written_layer(self._layout.stage) if space.fresh else None,
            app=start.app or "",
            causes=causes,
            explained=self.explained,
        )
