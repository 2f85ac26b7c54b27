"""BLD, continued: the packages themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..check import Found, check
from ..site import USE, Site

# Packages that need a library of the system that the image has not, and what to take instead.
_SYSTEM = {
    "opencv-python": ("libGL.so.1", "opencv-python-headless"),
    "opencv-contrib-python": ("libGL.so.1", "opencv-contrib-python-headless"),
    "weasyprint": ("Pango", "an image of your own, or fpdf2"),
    "pyzbar": ("libzbar", "an image of your own"),
    "pdf2image": ("poppler's programs", "pypdfium2"),
    "pytesseract": ("the program tesseract", "an image of your own"),
    "playwright": ("a browser and its libraries", "an image of your own"),
    "python-magic": ("libmagic", "puremagic"),
    "mysqlclient": ("a compiler and MySQL's headers", "pymysql"),
    "psycopg2": ("a compiler and PostgreSQL's headers", "psycopg2-binary, or psycopg[binary]"),
    "pycairo": ("Cairo's headers", "an image of your own"),
    "python-ldap": ("OpenLDAP's headers", "ldap3"),
    "pygraphviz": ("Graphviz", "an image of your own"),
}
_NATIVE = re.compile(r"\.cpython-(\d)(\d+)[\w-]*\.so$|\.cp(\d)(\d+)-win[\w-]*\.pyd$")


@check(
    "BLD-08", "Packages in the site are for another Python", "error", source="microsoft/Oryx#1678"
)
def bld_08(site: Site) -> Iterator[Found]:
    """Report compiled packages in the site that its Python, or Linux, cannot load."""
    said = 0
    for name in site.tree.ending(".so", ".pyd"):
        found = _NATIVE.search(name)
        if found is None or said == 3:
            continue
        if name.endswith(".pyd"):
            if "iis" not in site.hosts:
                said += 1
                yield Found("This is compiled for Windows.", "Install it in the build.", name)
            continue
        version = (int(found[1]), int(found[2]))
        if site.python and version != site.python:
            said += 1
            yield Found(
                f"This is compiled for Python {version[0]}.{version[1]}, and the site has "
                f"{site.python[0]}.{site.python[1]}.",
                "Install it in the build.",
                name,
            )


@check("BLD-11", "A package needs a library that the image has not", "warning",
       source="MicrosoftDocs/azure-docs#35472; the packages' own pages")  # fmt: skip
def bld_11(site: Site) -> Iterator[Found]:
    """Report packages whose import fails, or that must be compiled, in the Python image."""
    for one in site.requirements:
        if one.name in _SYSTEM:
            needs, instead = _SYSTEM[one.name]
            yield Found(
                f"{one.name} needs {needs}, which the image does not have.",
                f"Use {instead}.",
                one.file,
                one.line,
            )


@check("BLD-13", "appsvc-runtime is not among the requirements", "error", looks_at="command files",
       source="this package")  # fmt: skip
def bld_13(site: Site) -> Iterator[Found]:
    """Report a startup command or an import of this package that no requirement installs."""
    uses = re.search(r"\bappsvc\b|\bappsvc_runtime\b", site.launch.text)
    file, line = "", 0
    if not uses:
        for source in site.sources.with_words(USE.pattern):
            file, line = source.name, source.line_of(USE)
            break
    if (uses or file) and site.requirements and not site.requires("appsvc-runtime"):
        yield Found(
            "appsvc-runtime is used, but the build would not install it.",
            "Add appsvc-runtime to the requirements.",
            file,
            line,
        )


@check(
    "BLD-14",
    "A server that is named is not installed",
    "error",
    looks_at="command files",
    source="Oryx: the virtual environment has only the site's packages; the image has gunicorn",
)
def bld_14(site: Site) -> Iterator[Found]:
    """Report a server or a worker class in the startup command that no requirement installs."""
    if not site.has_command or not site.requirements or site.project.get("tool", {}).get("poetry"):
        return
    needed = {
        "uvicorn": ("uvicorn", "fastapi-cli", "fastapi"), "hypercorn": ("hypercorn",),
        "granian": ("granian",), "waitress-serve": ("waitress", "appsvc-runtime"),
        "uvicorn_worker.UvicornWorker": ("uvicorn-worker",),
        "uvicorn.workers.UvicornWorker": ("uvicorn",), "gevent": ("gevent",),
        "eventlet": ("eventlet",),
    }  # fmt: skip
    words = re.findall(r"[\w.-]+", site.launch.text)
    for word, packages in needed.items():
        if word in words and not site.requires(*packages):
            yield Found(
                f"The startup command needs {packages[0]}, which no requirement installs.",
                f"Add {packages[0]} to the requirements.",
                site.requirements[0].file,
                evidence=site.masked(site.launch.text),
            )
