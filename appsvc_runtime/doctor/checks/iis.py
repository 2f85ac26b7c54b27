"""IIS: web.config, wfastcgi and HttpPlatformHandler."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...startup import interface
from ..check import Found, UnknownError, check
from ..site import Site


def _configs(site: Site) -> list[str]:
    found = [name for name in site.tree.files if name.rpartition("/")[2].lower() == "web.config"]
    return sorted(found, key=lambda name: (name.count("/"), name))


@check("IIS-02", "wfastcgi has had no release since 2017's design", "note", host="iis",
       source="learn.microsoft.com: Configure Python web apps for IIS")  # fmt: skip
def iis_02(site: Site) -> Iterator[Found]:
    """Report wfastcgi, in whose place Microsoft's page recommends HttpPlatformHandler."""
    for name in _configs(site):
        if "wfastcgi" in site.text(name):
            yield Found(
                "wfastcgi serves one request at a time in each process.",
                "HttpPlatformHandler with `appsvc runserver` replaces it.",
                name,
                _line(site.text(name), "wfastcgi"),
            )
            return


@check(
    "IIS-03",
    "An ASGI app runs under wfastcgi",
    "error",
    host="iis",
    source="kennethreitz/responder#360",
)
def iis_03(site: Site) -> Iterator[Found]:
    """Report WSGI_HANDLER that names an ASGI app: wfastcgi calls it as a WSGI app."""
    for name in _configs(site):
        text = site.text(name)
        found = re.search(r"key=\"WSGI_HANDLER\"\s+value=\"([\w.]+)\"", text)
        if found and "." in found[1]:
            module, _, attribute = found[1].rpartition(".")
            if interface.read_interface(f"{module}:{attribute}", site.folder) == interface.ASGI:
                yield Found(
                    f"{found[1]} is an ASGI app, and wfastcgi runs WSGI apps only.",
                    "Use HttpPlatformHandler with `appsvc runserver --server uvicorn`.",
                    name,
                    text.count("\n", 0, found.start()) + 1,
                )


@check("IIS-04", "The port is not passed to the server", "error", host="iis",
       source="PTVS: the template's web.config and runserver.py")  # fmt: skip
def iis_04(site: Site) -> Iterator[Found]:
    """Report `<httpPlatform>` whose program does not learn the port.

    The handler picks a free port. The program gets it by HTTP_PLATFORM_PORT, in its arguments or
    its variables.
    """
    for name in _configs(site):
        text = site.text(name)
        found = re.search(r"<httpPlatform\b[^<>]*>", text)
        if not found or "HTTP_PLATFORM_PORT" in text or "appsvc" in found[0]:
            continue
        script = re.search(r"(?<![\w\\/.-])[\w\\/.-]{1,300}\.py\b", found[0])
        own = script[0].replace("\\", "/").rpartition("/")[2] if script else ""
        if own and any("HTTP_PLATFORM_PORT" in site.text(one) for one in site.tree.named(own)):
            continue
        yield Found(
            "Nothing passes HTTP_PLATFORM_PORT to the program: IIS waits for a port that nobody "
            "opens.",
            'Write arguments="-m appsvc_runtime.runserver --port %HTTP_PLATFORM_PORT%".',
            name,
            text.count("\n", 0, found.start()) + 1,
        )


@check(
    "IIS-05",
    "A secret is in web.config",
    "warning",
    host="iis",
    source="this package's list of secret names",
)
def iis_05(site: Site) -> Iterator[Found]:
    """Report values of web.config whose names are those of secrets.

    The file is in the repository. Set them as app settings, or for the machine.
    """
    from ...redaction.masking import is_secret_name

    pattern = re.compile(
        r"<(?:add|environmentVariable)\s+(?:key|name)=\"([^\"]+)\"\s+value=\"([^\"]+)\""
    )
    for name in _configs(site):
        text = site.text(name)
        line, counted = 1, 0
        for found in pattern.finditer(text):
            line, counted = line + text.count("\n", counted, found.start()), found.start()
            if is_secret_name(found[1]) and not found[2].startswith(("%", "@")):
                yield Found(
                    f"{found[1]} is written out.",
                    "Set it outside of the file.",
                    name,
                    line,
                )


@check("IIS-01", "web.config has a mistake", "error", host="iis",
       source="IIS's schema files; HttpPlatformHandler and FastCGI references")  # fmt: skip
def iis_01(site: Site) -> Iterator[Found]:
    """Report what the emulator's reader of web.config finds, as errors and as warnings.

    Needs the extra `[emulator]`.
    """
    try:
        from ...emulator.iis.webconfig import checks, file, merge
    except ImportError:
        raise UnknownError('it needs the extra: pip install "appsvc-runtime[emulator]"') from None
    for name in _configs(site)[:1]:
        document = file.parse(site.data(name), name)
        merged = merge.resolve([merge.Level(name.rpartition("/")[0], document)], "")
        names = site.given.values if site.given else (lambda _: True)
        found = checks.check(merged.config, environ_names=names)
        for one in (*document.findings, *merged.findings, *found):
            if one.level == "error":
                where, _, line = one.where.rpartition(":")
                number = int(line) if where and line.isdigit() else 0
                yield Found(one.message, one.hint, name, number)


def _line(text: str, word: str) -> int:
    return text.count("\n", 0, text.find(word)) + 1
