"""What the container's image has besides Python: gunicorn, uvicorn and uvicorn-worker.

A virtual environment, made once per interpreter and kept in the user's cache folder. The image's
own Python has these packages in its site-packages, behind those of the site (Oryx: the Dockerfiles
in images/runtime/python; the image's debugging tools are left out). Must not know of sites.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigError
from ..http.messages import Say
from ..processes.surroundings import resolve_interpreter
from ..processes.workspace import cache_folder
from .build.environment import step_environ
from .build.made_once import make_once
from .build.run_step import last_words, run_step

__all__ = ["Image", "prepare_image"]

# The image installs the current gunicorn, and since Python 3.14 uvicorn 0.46.
_PACKAGES = ("gunicorn", "uvicorn", "uvicorn-worker")
_WHOLE = "appsvc-image"
_LABEL = "image"
_MAX_DEPTH = 8
# Hints for steps that fail.
_VENV = "Name an interpreter that has venv with --python (Debian: install python3-venv)."
_PIP = "Check that pip reaches its index: `pip download gunicorn`."


@dataclass(frozen=True)
class Image:
    """An image: its interpreter, folder of programs, packages, and version of Python."""

    python: str
    bin: Path
    site_packages: Path
    version: tuple[int, int]


async def prepare_image(python: str, environ: Mapping[str, str], say: Say) -> Image:
    """Return the image for an interpreter, and make it if it does not exist.

    Raise ConfigError if `python` is not an interpreter, or the packages cannot be installed.
    """
    path, version = await asyncio.to_thread(resolve_interpreter, python)
    name = f"{version[0]}.{version[1]}"
    key = hashlib.sha256(f"{_installation(path)} {' '.join(_PACKAGES)}".encode()).hexdigest()[:12]
    folder = cache_folder(environ) / f"image-{name}-{key}"
    made = Image(
        str(folder / "bin" / "python"),
        folder / "bin",
        folder / "lib" / f"python{name}" / "site-packages",
        version,
    )

    async def make() -> None:
        await _make(made, folder, path, environ, say)

    try:
        # `exists` is False for a link to an interpreter that was removed.
        await make_once(
            folder, _WHOLE, Path(made.python).exists, make, lambda text: say(_LABEL, text)
        )
    except OSError as error:
        raise ConfigError(
            f"The folder {folder}, for the image's packages, cannot be made: {error.strerror}.",
            hint="Set XDG_CACHE_HOME to a folder that you may write to.",
        ) from None
    return made


def _installation(python: str) -> str:
    """Return the folder of the Python that a virtual environment is based on.

    Environments of the same Python share an image.
    Before Python 3.11, an environment made by another environment's Python names that environment.
    """
    folder = Path(python).parent
    for _ in range(_MAX_DEPTH):
        try:
            lines = (folder.parent / "pyvenv.cfg").read_text("utf-8", "replace").splitlines()
        except OSError:
            break
        pairs = (line.partition("=") for line in lines)
        homes = [value.strip() for name, _, value in pairs if name.strip() == "home"]
        if not homes:
            break
        folder = Path(homes[0])
    return str(folder)


async def _make(
    made: Image, folder: Path, python: str, environ: Mapping[str, str], say: Say
) -> None:
    say(_LABEL, f"Made once, in {folder}: {', '.join(_PACKAGES)}, as in the image.")
    variables = step_environ(environ, (), folder)
    install = [made.python, "-m", "pip", "install", "--quiet", "--prefer-binary", *_PACKAGES]
    for argv, hint in (([python, "-m", "venv", str(folder)], _VENV), (install, _PIP)):
        ended = await run_step(_LABEL, argv, environ=variables, cwd=folder.parent, say=say)
        if ended.code:
            said = last_words(ended.tail) or f"exit code {ended.code}."
            raise ConfigError(
                f"The image's packages cannot be installed ({argv[2]}): {said}", hint=hint
            )
