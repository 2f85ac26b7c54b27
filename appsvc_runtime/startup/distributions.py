"""Which package installs a module, and which modules left the standard library. Data.

Source of the removed modules: docs.python.org, "What's New" of 3.10 to 3.13 (PEP 594, PEP 632).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ["advise", "distribution_of", "removed_in"]

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
_DISTRIBUTIONS = {
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
    "google.protobuf": "protobuf",
    "jose": "python-jose",
    "magic": "python-magic",
    "multipart": "python-multipart",
    "pkg_resources": '"setuptools<82"',
    "pptx": "python-pptx",
    "pythonjsonlogger": "python-json-logger",
    "serial": "pyserial",
    "slugify": "python-slugify",
    "storages": "django-storages",
    "websocket": "websocket-client",
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


def removed_in(name: str) -> str:
    """Return the release of Python that has removed a module of the standard library, or ""."""
    return _REMOVED.get(name.partition(".")[0], "")


def distribution_of(name: str) -> str:
    """Return the package that installs a module, as it stands in requirements.txt."""
    return _find(name) or name.partition(".")[0].replace("_", "-")


def advise(module: str, imported: Container[str]) -> str:
    """Return what to do about a missing module; `imported` are the modules that are there."""
    package, _, inner = module.partition(".")
    known = _find(module)
    if inner and package in imported and not known:
        return f"There is a {package!r}, but no {inner!r} in it"
    if since := removed_in(module):
        return f"It left the standard library with Python {since}: update what imports it"
    if known:
        return f"Add {known} to requirements.txt and install it"
    return f"If {package!r} is a package, add it to requirements.txt and install it"


def _find(name: str) -> str:
    """Return the package of the longest part of a module's name that the table has, or ""."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        found = _DISTRIBUTIONS.get(".".join(parts[:count]))
        if found:
            return found
    return ""
