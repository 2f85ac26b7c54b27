"""The variables of a build's steps: the app settings, and this machine's variables for the network.

Takes names and values, returns a dict. Nothing else of a user's shell is passed on: an app that
depends on it would fail on the platform. Must not know of steps.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ....azure import names

__all__ = ["app_setting_variables", "machine_variables", "step_environ"]

_KEPT = frozenset(
    """
    http_proxy https_proxy no_proxy all_proxy ftp_proxy requests_ca_bundle curl_ca_bundle
    tmpdir tmp temp tz xdg_cache_home netrc
    systemroot systemdrive windir comspec pathext appdata localappdata programdata userprofile
    """.split()
)
_KEPT_PREFIXES = ("pip_", "uv_", "ssl_cert_")
# These would override the build's own choices: where packages go, and for which Python.
_NOT_KEPT = frozenset(
    """
    pip_target pip_user pip_prefix pip_root pip_require_virtualenv pip_python pip_requirement
    pip_editable pip_dry_run uv_project uv_project_environment uv_python uv_system_python uv_target
    """.split()
)


def machine_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return this process's variables that a clean environment needs to reach a network.

    PATH is included, without the folders of virtual environments: the platform does not have these.
    """
    kept = {name: value for name, value in environ.items() if _is_kept(name.lower())}
    own = _link_folders(environ.get("PATH", ""))
    if sys.prefix != sys.base_prefix:  # otherwise it is the machine's own folder, such as /usr/bin
        own.add(os.path.dirname(sys.executable))
    if environ.get("VIRTUAL_ENV"):
        own.add(os.path.join(environ["VIRTUAL_ENV"], "bin"))
    folders = [
        folder
        for folder in environ.get("PATH", os.defpath).split(os.pathsep)
        if folder and folder not in own and not (Path(folder).parent / "pyvenv.cfg").is_file()
    ]
    return {**kept, "PATH": os.pathsep.join(folders)}


def _is_kept(name: str) -> bool:
    return name in _KEPT or (name.startswith(_KEPT_PREFIXES) and name not in _NOT_KEPT)


def _link_folders(path: str) -> set[str]:
    """Return the folders on PATH, below the user's home, that hold a link to this very command.

    pipx and uv put it there: an app without this package would find the command through it.
    """
    home = os.path.expanduser("~")
    return {
        folder
        for folder in path.split(os.pathsep)
        if os.path.islink(link := os.path.join(folder, "appsvc"))
        and Path(folder).is_relative_to(home)
        and Path(os.path.realpath(link)).is_relative_to(os.path.realpath(sys.prefix))
    }


def app_setting_variables(settings: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the app settings under both of their names, as on Linux: `:` becomes `__`."""
    made = {}
    for name, value in settings:
        plain = name.replace(":", "__").replace(".", "_")
        made[plain] = value
        made[f"{names.APP_SETTING_PREFIX}{plain}"] = value
    return made


def step_environ(
    environ: Mapping[str, str], settings: Iterable[tuple[str, str]], source: Path
) -> dict[str, str]:
    """Return the variables of every step; `source` is the folder that is built."""
    home = environ.get("HOME") or os.path.expanduser("~")
    return {
        **machine_variables(environ),
        "HOME": home,  # where pip keeps its downloads
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "PYTHONUNBUFFERED": "1",
        "SOURCE_DIR": str(source),
        "DESTINATION_DIR": str(source),
        **app_setting_variables(settings),
        "LANG": "C.UTF-8",
    }
