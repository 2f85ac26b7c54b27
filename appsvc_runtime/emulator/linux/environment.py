"""The variables of a Linux container: the image's, the platform's, the app settings.

Names and values in, a dict out. Of this machine's there is only what a network needs, so that
nothing works by a user's shell alone. Must not know of processes. Source: AD,
reference-app-settings; the image's are those of Oryx's Dockerfiles.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping

from ..processes.environment import platform_variables
from .build.environment import app_setting_variables, machine_variables
from .image import Image
from .namespace import Space

__all__ = ["instance_id", "make_environ"]

_NAMES = ("TERM", "COLORTERM", "COLUMNS")


def instance_id(site_name: str, instance: int) -> str:
    """Give the id of an instance, by its number: 64 hexadecimal digits, the same at each start."""
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
    """Give the variables of the container's first process.

    `base` are this process's own, `instance` is the number of the container, from 0. PATH begins
    with the image's programs. What a user sets counts, but for PORT, which is that of the
    emulation.
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
        "LANG": "C.UTF-8",  # en_US.UTF-8 in the image, which not every machine has
        "PATH": f"{image.bin}:{machine['PATH']}",
        "PYTHON_VERSION": ".".join(map(str, image.version)),
        # What is printed is shown as it comes; on the platform nobody waits for it.
        "PYTHONUNBUFFERED": "1",
        "WEBSITE_ROLE_INSTANCE_ID": str(instance),
    }
    for name, value in app_setting_variables(app_settings).items():
        environ[name] = space.inside(value)
    environ["PORT"] = str(port)
    return environ
