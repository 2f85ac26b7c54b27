"""SET: app settings, and the names that the app reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from ...azure import key_vault, names
from ...emulator.linux import booleans
from ...errors import ConfigError
from ..check import Found, check
from ..git_index import read_names
from ..python_sources import Source, dotted, is_main
from ..site import Site

_REFERENCE = re.compile(r"\s*@Microsoft\.(KeyVault|AppConfiguration)\(", re.I)
# Set by the platform or the system, not by a user.
_GIVEN = re.compile(
    r"(?:WEBSITE|WEBSITES|WEBJOBS|APPSETTING|APPSVC|AZURE|IDENTITY|MSI|HTTP|HTTPS|LC|XDG|SCM|ORYX|"
    r"PYTHON|GUNICORN|DIAGNOSTIC|UVICORN|WEB_CONCURRENCY|HTTP_PLATFORM|AzureWebJobs)_\w*|"
    + "|".join(f"{prefix}.*" for prefix in names.CONNECTION_PREFIXES)
    + r"|PORT|SERVER_PORT|HOME|PATH|PWD|USER|LANG|TZ|TMPDIR|TEMP|TMP|HOSTNAME|VIRTUAL_ENV|SHELL|"
    r"TERM|CI|APP_PATH|DJANGO_SETTINGS_MODULE|FLASK_APP|FLASK_ENV|FLASK_DEBUG|WSGI_LOG|"
    r"WSGI_HANDLER|COMPUTERNAME|USERNAME|APPDATA|LOCALAPPDATA|NO_COLOR|DISPLAY|EMULATED|RoleRoot"
)
_APP_FILES = (*names.FLASK_FILES, "main.py")
_LOCAL = re.compile(
    r"UseDevelopmentStorage=true|(?:@|//|host=|server=|tcp:|;)\s*(?:localhost|127\.0\.0\.1)\b",
    re.I,
)


@check("SET-01", "A reference has not been resolved", "error", host="any", looks_at="settings",
       source="MicrosoftDocs/azure-docs#27555; AD:app-service-key-vault-references")  # fmt: skip
def set_01(site: Site) -> Iterator[Found]:
    """Report Key Vault and App Configuration references that cannot be read as they are written.

    The platform replaces them. Where it cannot (no identity, no role, a wrong name), the app gets
    the text of the reference. `az webapp config appsettings list` shows the text in any case: only
    what is written wrongly is reported here.
    """
    for name, value in site.settings.items():
        if not _REFERENCE.match(value):
            continue
        if not value.rstrip().endswith(")"):
            yield Found(f"The reference in {name} has no closing bracket.", "Correct it.")
        elif key_vault.is_reference(value) and not re.search(
            r"SecretUri=https://|VaultName=[^;=]+;\s*SecretName=", value, re.I
        ):
            yield Found(
                f"The reference in {name} names no secret.",
                "Write @Microsoft.KeyVault(VaultName=…;SecretName=…).",
            )


@check("SET-02", "The app reads a setting that nobody gives", "error", host="any",
       looks_at="files settings", source="the site's own sources")  # fmt: skip
def set_02(site: Site) -> Iterator[Found]:
    """Report `os.environ["NAME"]` without default when the module is imported, and no such setting.

    The import fails with a KeyError, and the site does not start. Names that the platform sets are
    left out.
    """
    given = site.settings
    upper = {name.upper() for name in given}
    for source in site.sources.with_words("environ"):
        missing = list(_read(source))
        if missing and not _may_be_imported(site, source.name):
            continue
        for name, line in missing:
            if name.upper() not in upper and not _GIVEN.fullmatch(name) and name.isidentifier():
                yield Found(
                    f"{name} is read when {source.name} is imported, and is not among the app "
                    "settings.",
                    f"Set it, or write os.environ.get({name!r}).",
                    source.name,
                    line,
                )


@check("SET-03", "One name has two values", "warning", host="any", looks_at="settings",
       source="AD:reference-app-settings")  # fmt: skip
def set_03(site: Site) -> Iterator[Found]:
    """Report names that differ only in case, or in `:`, `.` and `__`.

    On Linux they are different variables, on Windows one of them is lost.
    """
    first: dict[str, str] = {}
    for name in sorted(site.settings):
        plain = re.sub(r"[:.]|__", "_", name).upper()
        other = first.setdefault(plain, name)
        if site.settings[other] != site.settings[name]:
            yield Found(
                f"{other} and {name} are one name to some readers, and have different values.",
                "Keep one.",
            )


@check("SET-04", "A name is changed on Linux", "warning", looks_at="settings",
       source="AD:reference-app-settings; AD:configure-common")  # fmt: skip
def set_04(site: Site) -> Iterator[Found]:
    """Report names with `:`, `.` or `-`.

    Linux has no such variables: `:` becomes `__`, and a shell cannot read the others.
    """
    for name in sorted(site.settings):
        if re.search(r"[:.\-\s]", name):
            instead = re.sub(r"[.\-\s]", "_", name.replace(":", "__"))
            yield Found(f"{name!r} cannot be a variable's name.", f"Call it {instead}.")


@check("SET-05", "A file with secrets is under version control", "error", host="any",
       source="GitHub docs: Removing sensitive data; yeongseon/azure-functions-doctor")  # fmt: skip
def set_05(site: Site) -> Iterator[Found]:
    """Report `.env` files and publish profiles that git has.

    What is in the history stays there, and goes into every deployment that takes what git has.
    """
    wanted = (".env", ".env.local", ".env.production", ".env.prod", "local.settings.json")
    files = [name for name in site.tree.files if name.rpartition("/")[2] in wanted]
    files += [name for name in site.tree.files if name.lower().endswith(".publishsettings")]
    if not files or not (site.folder / ".git").exists():
        return
    for name in sorted(read_names(site.folder).intersection(files)):
        yield Found(
            f"{name} is under version control.",
            f"Run `git rm --cached {name}`, add it to .gitignore, and change what is in it.",
            name,
        )


@check("SET-06", "A setting names this machine", "error", host="any", looks_at="settings",
       source="yeongseon/azure-functions-doctor")  # fmt: skip
def set_06(site: Site) -> Iterator[Found]:
    """Report connection strings and URLs with localhost, or of the storage emulator.

    On the platform that is the container itself, where nothing listens.
    """
    for name, value in site.settings.items():
        if _LOCAL.search(value):
            yield Found(
                f"{name} names localhost or the storage emulator.", "Name the real service."
            )


@check("SET-07", "The time zone has Windows' name", "warning", looks_at="settings",
       source="MicrosoftDocs/azure-docs#88420")  # fmt: skip
def set_07(site: Site) -> Iterator[Found]:
    """Report WEBSITE_TIME_ZONE with a Windows name on Linux, which reads the names of IANA."""
    for name in ("WEBSITE_TIME_ZONE", "TZ"):
        zone = site.settings.get(name, "")
        if zone and "/" not in zone and (" " in zone or zone.endswith("Time")):
            yield Found(f"{name} has a name of Windows.", "Use one such as Europe/Berlin.")


@check(
    "SET-08",
    "A switch has a value that its reader does not know",
    "warning",
    looks_at="settings",
    source="microsoft/Oryx and projectkudu/kudu: the program that reads each",
)
def set_08(site: Site) -> Iterator[Found]:
    """Report settings that are on or off with a word that their program does not understand.

    The start script reads Go's spellings (true, 1, T …), Kudu `1` and `true`, a shell `true` only.
    """
    for checks in (booleans.check_start, booleans.check_build):
        try:
            checks(site.settings)
        except ConfigError as error:
            yield Found(error.message, error.hint)
    for text in booleans.find_surprises(site.settings, ("go", "viper", "dotnet", "bash", "kudu")):
        yield Found(text, "Write true or false in lower case.")


def _may_be_imported(site: Site, file: str) -> bool:
    """Return whether the app, a job or another file names this one; else it is a script."""
    path = PurePosixPath(file)
    word = path.parent.name if path.stem == "__init__" else path.stem
    if not word or file in _APP_FILES or "app_data/jobs/" in file.lower():
        return True
    named = re.compile(rf"\b{re.escape(word)}\b")
    if named.search(f"{site.plan.app} {site.launch.text}"):
        return True
    return any(named.search(text) for name, text in site.sources.all_text() if name != file)


def _names_environ(test: ast.expr) -> bool:
    return any(
        "environ" in (getattr(one, "attr", ""), getattr(one, "id", "")) for one in ast.walk(test)
    )


def _read(source: Source) -> Iterator[tuple[str, int]]:
    """Yield the variables that are read without default outside of functions."""
    waiting: list[ast.AST] = [source.tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Try):
            continue  # not at import, or its error is expected
        if isinstance(node, ast.If | ast.IfExp) and (
            is_main(node.test) or _names_environ(node.test)
        ):
            continue
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Load)
            and dotted(node.value) in ("os.environ", "environ")
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        ):
            yield node.slice.value, node.lineno
        waiting += ast.iter_child_nodes(node)
