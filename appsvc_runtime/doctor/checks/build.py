"""BLD: what the build finds, installs and leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...azure.booleans import is_kudu_true
from ...emulator.linux.build.requirement_files import read_files
from ...errors import ConfigError
from ...system.plain_file import read_plain
from ..check import Found, check
from ..site import Site

_BUILD = "SCM_DO_BUILD_DURING_DEPLOYMENT"
_PACKAGE = "WEBSITE_RUN_FROM_PACKAGE"


@check("BLD-01", "The build finds no requirements", "error", source="aka.ms/requirements-not-found")
def bld_01(site: Site) -> Iterator[Found]:
    """Report that no file at the top of the site says which packages to install.

    The build looks for requirements.txt, setup.py and pyproject.toml in the top folder only, and in
    the file of CUSTOM_REQUIREMENTSTXT_PATH. File names have case there.
    """
    named = site.setting("CUSTOM_REQUIREMENTSTXT_PATH").strip()
    if named:
        if not site.has(named.removeprefix("./")):
            yield Found(
                "CUSTOM_REQUIREMENTSTXT_PATH names a file that the site does not have.",
                "Correct it; names have case there.",
            )
        return
    if any(map(site.has, ("requirements.txt", "pyproject.toml", "setup.py"))):
        return
    other = [one for one in site.tree.ending(".txt") if one.lower().endswith("requirements.txt")]
    if other:
        yield Found(
            f"{other[0]} is not what the build looks for: requirements.txt at the top.",
            f"Move or rename it, deploy its folder, or set CUSTOM_REQUIREMENTSTXT_PATH={other[0]}.",
            other[0],
        )
    elif any(site.tree.ending(".py")):
        yield Found(
            "Neither requirements.txt nor pyproject.toml is here: no package would be installed.",
            "Write requirements.txt.",
        )


@check(
    "BLD-02", "Two files say what to install", "warning", source="microsoft/Oryx, python snippet"
)
def bld_02(site: Site) -> Iterator[Found]:
    """Report a lock file that the build does not read because requirements.txt is there."""
    if not site.has("requirements.txt"):
        return
    for lock in ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"):
        if site.has(lock):
            yield Found(
                f"The build installs from requirements.txt and does not read {lock}.",
                "Write requirements.txt from it in your pipeline, or remove one of the two.",
                lock,
            )


@check("BLD-03", "The requirements cannot be read or installed there", "error",
       source="pip: Requirements File Format; microsoft/Oryx samples")  # fmt: skip
def bld_03(site: Site) -> Iterator[Found]:
    """Report requirements in another encoding, and packages from this machine's paths.

    PowerShell's `>` writes UTF-16, which pip reads and uv does not always. `-e` and local paths
    name files that the build does not have.
    """
    file = site.requirements_file
    if not file or not site.has(file):
        return
    try:
        read_files(site.folder / file, site.folder, {})
    except (ConfigError, OSError) as error:
        yield Found(str(error), "Save it as UTF-8.", file)
        return
    if site.data(file)[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield Found(f"{file} is UTF-16, as PowerShell's > writes it.", "Save it as UTF-8.", file)
    for one in site.requirements:
        path = one.text.removeprefix("--editable").removeprefix("-e").strip(" =")
        if one.text.startswith("-e") and not re.match(r"(?:git|hg|svn|bzr)\+|https?:", path):
            inner = path.partition("[")[0].removeprefix("./") or "."
            if inner != "." and not (site.folder / inner).is_dir():
                yield _elsewhere(one.text, one.file, one.line)
        elif re.search(r"(?:^|@\s*)(?:file:///?|[A-Za-z]:[\\/]|/|\.\./)", one.text):
            yield _elsewhere(one.text, one.file, one.line)


def _elsewhere(text: str, file: str, line: int) -> Found:
    return Found(
        "This package is at a path of your machine, which the build does not have.",
        "Name a release, or put its files into the site.",
        file,
        line,
        text[:200],
    )


@check("BLD-05", "Files are deployed that should not be", "warning",
       source="microsoft/azure-skills, python-appservice-deploy; AD:deploy-zip")  # fmt: skip
def bld_05(site: Site) -> Iterator[Found]:
    """Report virtual environments in the site's folder.

    A zip of the folder takes them along: thousands of files for another machine, and with the name
    antenv the platform takes it for its own. Deploy what git has, or leave them out of the zip.
    """
    ignored = site.text(".gitignore") + site.text(".dockerignore") + site.text(".webignore")
    for folder in site.tree.environments:
        if folder == "antenv":
            yield Found(
                "antenv is a virtual environment of this machine, and the platform would use it.",
                "Leave it out of what you deploy.",
                "antenv",
            )
        elif folder.rpartition("/")[2] not in ignored and not _ignores_itself(site, folder):
            yield Found(
                f"{folder} is a virtual environment of this machine, and is not ignored.",
                "Add it to .gitignore, and deploy what `git archive` gives.",
                folder,
            )


def _ignores_itself(site: Site, folder: str) -> bool:
    """Return whether a virtual environment says so itself, as those of uv and Python 3.13 do."""
    try:
        return read_plain(site.folder / folder / ".gitignore", 1_000).strip().endswith(b"*")
    except (OSError, ValueError):
        return False


@check("BLD-06", "Nothing installs the packages", "error", looks_at="settings files",
       source="Azure/azure-cli#33088; AD:configure-language-python")  # fmt: skip
def bld_06(site: Site) -> Iterator[Found]:
    """Report that the build is off and the site brings no packages.

    A zip deployment runs no build unless SCM_DO_BUILD_DURING_DEPLOYMENT is 1 or true.
    """
    if is_kudu_true(site.settings.get(_BUILD, "")) or is_kudu_true(
        site.settings.get("ENABLE_ORYX_BUILD", "")
    ):
        return
    vendored = (".python_packages", "antenv", "__pypackages__")
    if not site.requirements or any((site.folder / name).is_dir() for name in vendored):
        return
    yield Found(
        f"{_BUILD} is not set: a zip deployment installs no packages.",
        f"Set {_BUILD}=true, or deploy from a pipeline that installs them into the site.",
    )


@check("BLD-07", "A package is run, so the build is lost", "error", looks_at="settings",
       source="AD:deploy-run-package")  # fmt: skip
def bld_07(site: Site) -> Iterator[Found]:
    """Report WEBSITE_RUN_FROM_PACKAGE together with a build.

    The site then is the zip as it was uploaded, read-only: what a build has installed is not in it.
    """
    if site.settings.get(_PACKAGE, "") in ("", "0"):
        return
    if is_kudu_true(site.settings.get(_BUILD, "")):
        yield Found(f"{_PACKAGE} and {_BUILD} are both set.", f"Remove {_PACKAGE}.")


@check("BLD-09", "The build's archive is missing", "error", source="microsoft/Oryx#2921")
def bld_09(site: Site) -> Iterator[Found]:
    """Report a manifest of a build that says its output is packed, without that archive.

    The container's start ends at once then. It happens if files of a built site are copied.
    """
    text = site.text("oryx-manifest.toml")
    found = re.search(r"(?im)^[ \t]*CompressDestinationDir\s*=\s*\"?true", text)
    if found and not any(map(site.has, ("output.tar.gz", "output.tar.zst"))):
        yield Found(
            "The manifest says that the output is packed, but there is no output.tar.gz or .zst.",
            "Remove oryx-manifest.toml, and deploy the sources.",
            "oryx-manifest.toml",
        )


@check(
    "BLD-10", "A new build may install other versions", "note", source="pip: Repeatable Installs"
)
def bld_10(site: Site) -> Iterator[Found]:
    """Report requirements without an exact version.

    The next deployment of the same code may run with other releases than those that you tested.
    """
    if not site.requirements_file or (site.has("uv.lock") and not site.has("requirements.txt")):
        return
    loose = [one for one in site.requirements if one.name and not one.pin and "@" not in one.text]
    if loose:
        names = ", ".join(one.name for one in loose[:3]) + (" …" if len(loose) > 3 else "")
        yield Found(
            f"{len(loose)} of {len(site.requirements)} packages have no exact version: {names}.",
            "Pin them with `pip freeze`, `pip-compile` or `uv export`.",
            loose[0].file,
            loose[0].line,
        )


@check(
    "BLD-12", "collectstatic has nowhere to write", "warning", source="microsoft/Oryx#1750, #2413"
)
def bld_12(site: Site) -> Iterator[Found]:
    """Report Django settings without STATIC_ROOT.

    The build runs `manage.py collectstatic`; without STATIC_ROOT that fails, and the build goes on.
    """
    if not site.is_django or site.setting("DISABLE_COLLECTSTATIC").lower() in ("true", "1"):
        return
    if not site.django_settings:
        return
    texts = [site.text(name) for name in site.django_settings]
    if not any("STATIC_ROOT" in text for text in texts) and any(
        "django.contrib.staticfiles" in text for text in texts
    ):
        yield Found(
            "The settings have no STATIC_ROOT: collectstatic fails, and the site has no styles.",
            'Write STATIC_ROOT = BASE_DIR / "staticfiles".',
            site.django_settings[0],
        )
