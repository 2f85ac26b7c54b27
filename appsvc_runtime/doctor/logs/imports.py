"""Logs of an import that fails."""

from __future__ import annotations

from .shape import shape

__all__ = ["SHAPES"]

SHAPES = (
    shape(
        "agents",
        r"/agents/python/\S*(?:typing_extensions|importlib_metadata|opentelemetry)|"
        r"cannot import name '(?P<name>\w+)' from 'typing_extensions' \(/agents",
        "Application Insights' agent puts its old packages before the site's",
        "Start with `exec appsvc serve`, or remove ApplicationInsightsAgent_EXTENSION_VERSION.",
        "OTEL-01",
    ),
    shape(
        "library",
        r"ImportError: (?P<name>lib[\w.+-]+\.so[.\d]*): cannot open shared object",
        "the library {name} is not in the image",
        "Use a package that brings it (opencv-python-headless …), or an image of your own.",
        "BLD-11",
    ),
    shape(
        "glibc",
        r"version [`'](?P<name>GLIBC\w*_[\d.]+)' not found",
        "a package in the site was compiled for a newer system ({name})",
        "Have the packages installed by the build on the platform.",
        "BLD-08",
    ),
    shape(
        "other-python",
        r"(?:undefined symbol: _?Py\w+|"
        r"cannot import name '_\w+' from partially initialized module '(?:numpy|pandas|lxml|"
        r"PIL)|Module use of python3\d+\.dll conflicts)",
        "compiled packages in the site are for another Python",
        "Have them installed by the build.",
        "BLD-08",
    ),
    shape(
        "numpy",
        r"numpy\.dtype size changed|compiled using NumPy 1\.x",
        "a package was compiled against another numpy",
        "Pin numpy to the release that it wants, such as numpy<2.",
        "BLD-10",
    ),
    shape(
        "werkzeug",
        "cannot import name '(?P<name>url_quote|url_decode|url_encode|safe_str_cmp|"
        "BaseResponse)' from 'werkzeug",
        "Flask or an extension is older than the installed Werkzeug ({name} is gone)",
        "Update Flask, or pin the Werkzeug that fits.",
        "BLD-10",
    ),
    shape(
        "jinja",
        "cannot import name '(?P<name>escape|Markup|contextfilter|"
        "soft_unicode)' from '(?P<module>jinja2|markupsafe|flask)",
        "{module} has no {name} any more: a package is older than it",
        "Update what imports it, or pin {module}.",
        "BLD-10",
    ),
    shape(
        "collections",
        r"cannot import name '(?P<name>\w+)' from 'collections'|has no attribute 'ImpImporter'",
        "a package is older than this Python",
        "Update it, or choose an older Python.",
        "PY-02",
    ),
    shape(
        "left-python",
        "No module named '(?P<name>distutils|imp|asyncore|asynchat|cgi|pkg_resources|"
        "telnetlib|crypt)'",
        "{name} is not in this Python any more",
        'Update what imports it; for pkg_resources add "setuptools<82".',
        "",
    ),
    shape(
        "no-module",
        "ModuleNotFoundError: No module named '(?P<name>[^']+)'",
        "the module {name} is not installed, or not where it is imported from",
        "Add its package to requirements.txt, and have the site built.",
        "BLD-01",
    ),
    shape(
        "multipart",
        'Form data requires "python-multipart"',
        "python-multipart is missing",
        "Add python-multipart to requirements.txt.",
        "",
    ),
    shape(
        "odbc",
        r"Can't open lib '(?P<name>ODBC Driver \d+[^']*)'|Data source name not found",
        "the ODBC driver {name} is not in the image",
        "Use another driver version, or mssql-python, which brings its own.",
        "BLD-11",
    ),
    shape(
        "secret-key",
        "The SECRET_KEY setting must not be empty",
        "Django's SECRET_KEY is empty",
        "Set it as an app setting.",
        "SET-02",
    ),
    shape(
        "key-error",
        r"^\s*KeyError: '(?P<name>[A-Z][A-Z0-9_]+)'\s*$|"
        r"Set the (?P<other>[A-Z]\w{1,99}) environment variable|"
        r"Environment variable \"(?P<third>[A-Z]\w{1,99})\" not set",
        "the app setting {name}{other}{third} is missing",
        "Set it: `az webapp config appsettings set --settings {name}{other}{third}=…`.",
        "SET-02",
    ),
    shape(
        "key-vault",
        r"@Microsoft\.KeyVault\(",
        "a Key Vault reference was not resolved",
        "Give the site an identity with the role Key Vault Secrets User, and look at the "
        "setting's state in the portal.",
        "SET-01",
    ),
    shape(
        "syntax",
        r"^\s*(?P<kind>SyntaxError|IndentationError|TabError): (?P<said>.+)",
        "the source is not valid for this Python: {said}",
        "Correct it, or choose the Python that it was written for.",
        "START-13",
    ),
    shape(
        "asgi-under-wsgi",
        r"__call__\(\) missing 1 required positional argument: '(?:send|receive)'",
        "an ASGI app runs under a WSGI worker",
        "Start it with `exec appsvc serve --server uvicorn`.",
        "START-04",
    ),
    shape(
        "wsgi-under-asgi",
        r"__call__\(\) (?:missing 1 required positional argument: 'start_response'|"
        "takes 3 positional arguments but 4 were given)",
        "a WSGI app runs under an ASGI server",
        "Start it with `exec appsvc serve`, or gunicorn's own worker.",
        "START-04",
    ),
    shape(
        "circular",
        "partially initialized module '(?P<name>[^']+)'.{0,300}circular import",
        "modules import each other in a circle, or a file has the name of a package ({name})",
        "Rename the file, or move the import into a function.",
        "",
    ),
)
