"""The default site: the page shown if no app was found, with the places that were searched.

Copied next to a `plan.json` and served by the container's own gunicorn as `application:app`, so it
depends on nothing but Python itself. Must not import the package that it comes from.
"""

from __future__ import annotations

import json
import os
import re
from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 50rem;
  padding: 1.5rem 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
code { font-size: .9rem; }
li { margin-bottom: .35rem; }
ol, ul { margin: 0; padding-left: 1.5rem; }
footer { border-top: 1px solid; font-size: .85rem; margin-top: 2rem; padding-top: .5rem; }
"""
_TITLE = "The default site: no app was found"
_FOOTER = (
    "On App Service, clients get a page that says only that a site is running. "
    "This page is made by appsvc emulate."
)
_ADVICE = (
    "Name the app in a startup command: `exec appsvc serve mypackage.mymodule:app`.",
    "Or put it where the platform searches: a file app.py with a variable app, or for Django a "
    "folder with wsgi.py directly in the site.",
    "Check before you deploy: `appsvc explain SITE`.",
)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Respond to any request with the page."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "plan.json"), "rb") as file:
        plan = json.load(file)
    is_html = "text/html" in environ.get("HTTP_ACCEPT", "text/html")
    body = (html_page(plan) if is_html else text_page(plan)).encode("utf-8", "replace")
    found = environ.get("PATH_INFO", "/") in ("", "/")
    kind = "text/html" if is_html else "text/plain"
    start_response(
        "200 OK" if found else "404 Not Found",
        [
            ("Content-Type", f"{kind}; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Vary", "Accept"),
            ("Cache-Control", "no-store"),
        ],
    )
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _sections(plan: dict[str, Any]) -> Iterator[tuple[str, str, Sequence[str]]]:
    yield "What was looked for", "ol", plan["looked_at"]
    if plan["warnings"]:
        yield "Possible causes", "ul", plan["warnings"]
    yield "What to do", "ul", _ADVICE


def _lead(plan: dict[str, Any]) -> str:
    return (
        f"The platform finds no app to start in {plan['site']} (Python "
        f"{plan['python_version']}), so it shows this page instead."
    )


def _marked(line: str) -> str:
    """Return a line as HTML; text between backticks becomes code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(line))


def html_page(plan: dict[str, Any]) -> str:
    """Return the page as HTML."""
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_TITLE}</title>\n<style>{_STYLE}</style>\n</head>",
        f"<body>\n<main>\n<h1>{_TITLE}</h1>\n<p>{escape(_lead(plan))}</p>",
    ]
    for title, kind, lines in _sections(plan):
        items = "\n".join(f"<li>{_marked(line)}</li>" for line in lines)
        parts.append(f"<h2>{title}</h2>\n<{kind}>\n{items}\n</{kind}>")
    parts.append(f"</main>\n<footer>{_FOOTER}</footer>\n</body>\n</html>\n")
    return "\n".join(parts)


def text_page(plan: dict[str, Any]) -> str:
    """Return the page as plain text."""
    parts = [_TITLE, _lead(plan)]
    for title, _, lines in _sections(plan):
        parts.append("\n".join([f"{title}:", *(f"  - {line}" for line in lines)]))
    return "\n\n".join([*parts, _FOOTER]) + "\n"
