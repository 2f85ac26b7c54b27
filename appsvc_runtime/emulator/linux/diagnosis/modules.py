"""A module that is missing: where it went, and which package installs it. Pure.

Source of the removed modules: docs.python.org, "What's New" of 3.11 to 3.13 (PEP 594, PEP 632).
"""

from __future__ import annotations

import re

from .seen import Seen

__all__ = ["find_missing", "is_own", "missing_in", "not_installed"]

_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '(?P<name>[^']+)'")
_OWN_NAMES = frozenset({"appsvc", "appsvc_runtime"})
# Modules of the standard library that Python no longer has, and since when.
_REMOVED = {
    **dict.fromkeys(("asynchat", "asyncore", "distutils", "imp", "smtpd"), "3.12"),
    **dict.fromkeys(("binhex",), "3.11"),
    **dict.fromkeys(("formatter", "parser", "symbol"), "3.10"),
    **dict.fromkeys(
        (
            "aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3", "mailcap",
            "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "sndhdr", "spwd", "sunau",
            "telnetlib", "uu", "xdrlib",
        ),
        "3.13",
    ),
}  # fmt: skip
# Modules that web apps often import and whose package has a different name.
_PACKAGES = {
    "OpenSSL": "pyOpenSSL",
    "allauth": "django-allauth",
    "azure.storage.blob": "azure-storage-blob",
    "azure.identity": "azure-identity",
    "azure.keyvault.secrets": "azure-keyvault-secrets",
    "azure.storage.queue": "azure-storage-queue",
    "debug_toolbar": "django-debug-toolbar",
    "django_filters": "django-filter",
    "docx": "python-docx",
    "fitz": "PyMuPDF",
    "flask_cors": "flask-cors",
    "google.protobuf": "protobuf",
    "jose": "python-jose",
    "magic": "python-magic",
    "markdown": "Markdown",
    "multipart": "python-multipart",
    "pkg_resources": '"setuptools<82"',
    "pptx": "python-pptx",
    "pythonjsonlogger": "python-json-logger",
    "serial": "pyserial",
    "slugify": "python-slugify",
    "storages": "django-storages",
    "websocket": "websocket-client",
    "whitenoise": "whitenoise",
    "zmq": "pyzmq",
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "decouple": "python-decouple",
    "dotenv": "python-dotenv",
    "environ": "django-environ",
    "flask_sqlalchemy": "flask-sqlalchemy",
    "jwt": "PyJWT",
    "rest_framework": "djangorestframework",
    "corsheaders": "django-cors-headers",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
    "Crypto": "pycryptodome",
}


def missing_in(output: str) -> list[str]:
    """Return the modules that an output reports as missing, in order."""
    return [found["name"] for found in _NO_MODULE.finditer(output)]


def is_own(name: str) -> bool:
    """Return whether a command or a module is this package's."""
    return name.partition(".")[0] in _OWN_NAMES


def find_missing(seen: Seen, name: str) -> tuple[str, str]:
    """Return the reason for a missing module, and what to do."""
    top = name.partition(".")[0]
    if is_own(name):
        return not_installed(name)
    missing = f"the module {name!r} is missing (ModuleNotFoundError)"
    if seen.has_file(f"{top}.py") or seen.has_file(f"{top}/__init__.py"):
        return missing, "It is in the site: check from which folder it is imported."
    if top in _REMOVED:
        return (
            f"the module {name!r} left the standard library with Python {_REMOVED[top]}",
            "Choose an older Python, or newer releases of the packages that import it.",
        )
    if not seen.antenv:
        return missing, "The site was not built, so none of its packages is installed: build it."
    return missing, f"Add {_package_of(name)} to requirements.txt."


def not_installed(name: str) -> tuple[str, str]:
    """Return the reason and what to do if this package itself is missing."""
    return (
        f"{name} is not installed in it",
        "Add appsvc-runtime to requirements.txt: the path of its wheel, which is deployed with the "
        "site.",
    )


def _package_of(name: str) -> str:
    """Return the package that installs a module, by its longest known part."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        found = _PACKAGES.get(".".join(parts[:count]))
        if found:
            return found
    return parts[0].replace("_", "-")
