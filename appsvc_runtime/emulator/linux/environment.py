"""The variables of a Linux container: those of the image, the platform and the app settings.

Takes names and values, returns a dict. Of this machine's variables it includes only those that a
network needs, so that nothing works only because of a user's shell. Must not know of processes.
Sources: AD, reference-app-settings; the image's variables are those of Oryx's Dockerfiles.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping

from ...azure import names
from ..processes.environment import platform_variables
from .build.environment import app_setting_variables, machine_variables
from .image import Image
from .space import Space

__all__ = ["PATH", "instance_id", "make_environ"]

# The image's folders of programs behind those of its Python: Debian's own.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAMES = ("TERM", "COLORTERM", "COLUMNS")


def instance_id(site_name: str, instance: int) -> str:
    """Return an instance's id from its number: 64 hexadecimal digits, the same at each start."""
    return hashlib.sha256(f"appsvc {site_name} {uuid.getnode()} {instance}".encode()).hexdigest()


def make_environ(
    base: Mapping[str, str],
    *,
    site_name: str,
    public_name: str,
    space: Space,
    port: int,
    instance: int,
    app_settings: Iterable[tuple[str, str]],
    image: Image,
) -> dict[str, str]:
    """Return the variables of the container's first process.

    `base` holds this process's own variables, `instance` is the number of the container, from 0.
    PATH has the image's programs and this machine's own, not those that a user has installed. A
    user's value wins, except for PORT, which the emulator sets.
    """
    machine = machine_variables(base)
    environ = {
        **machine,
        **{name: base[name] for name in _NAMES if name in base},
        **platform_variables(
            site_name=site_name,
            public_name=public_name,
            instance_id=instance_id(site_name, instance),
        ),
        "HOME": space.home,
        "HOST": "0.0.0.0",
        "LANG": "C.UTF-8",  # the image has en_US.UTF-8, which some machines lack
        "PATH": f"{image.bin}:{PATH}",
        "PYTHONPATH": space.inside(names.IMAGE_PYTHONPATH),
        "PYTHON_VERSION": ".".join(map(str, image.version)),
        # Output is shown as it comes; on the platform no user waits for it.
        "PYTHONUNBUFFERED": "1",
        # The path of the platform, also if the file is elsewhere: programs know the image's by it.
        names.GUNICORN_CONFIG_PATH: names.IMAGE_GUNICORN_CONFIG,
        "WEBSITE_ROLE_INSTANCE_ID": str(instance),
    }
    for name, value in app_setting_variables(app_settings).items():
        environ[name] = space.inside(value)
    environ["PORT"] = str(port)
    return environ
