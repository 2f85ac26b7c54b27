"""What a run reports of a site before its containers start: folders, paths, and what is more here.

Must not know how containers are started.
"""

from __future__ import annotations

from ...azure import names
from ...redaction.masking import mask_command
from ...startup import fixed_paths
from ..http.messages import Say
from .deployment import Deployed
from .more_here import describe_more
from .plan import LinuxPlan
from .space import Space

__all__ = ["report"]

_EMULATOR, _SITE = "emulator", "site"


def report(plan: LinuxPlan, deployed: Deployed, space: Space, say: Say) -> None:
    """Report where the site runs, what becomes of its files, and what fails there only."""
    for note in space.notes:
        say(_EMULATOR, note)
    if space.fresh:
        say(
            _EMULATOR,
            f"The site runs from {space.site}, as on the platform: what it writes into its folder "
            f"is lost at each restart. {names.SITE_FOLDER} has the build's archive.",
        )
    if space.read_only:
        say(_EMULATOR, f"{names.SITE_FOLDER} is read-only, because of WEBSITE_RUN_FROM_PACKAGE.")
    for text in describe_more(deployed.folder, own_home=plan.options.home is None):
        say(_EMULATOR, text)
    found = fixed_paths.find_in_text("The startup command", plan.options.startup_command)
    for name, value in plan.settings.items():
        found += fixed_paths.find_in_text(f"The app setting {name}", value)
    found += fixed_paths.find_paths(deployed.folder)
    for text in fixed_paths.describe(found, built=deployed.is_built):
        say(_SITE, f"Warning: {mask_command(text)}")
