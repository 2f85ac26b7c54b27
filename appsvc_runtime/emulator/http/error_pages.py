"""Error pages with a reason: the status that IIS would show, and the reason from IIS's own log.

Pure: text in, a response out; all text from outside is escaped. Must not know why a request failed.
No page loads anything, and each is readable in a narrow window, light and dark.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from multidict import CIMultiDict

from .header_values import read_accept
from .messages import Answer, Request

__all__ = ["answer", "html_page", "text_page"]

# More of a process's output does not help in a browser; the log has all of it.
MAX_OUTPUT = 64_000

IIS_FOOTER = "IIS does not show the reason. This page is made by appsvc emulate."
_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 50rem;
  padding: 1.5rem 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
pre { border: 1px solid; border-radius: .25rem; font-size: .85rem; margin: 0; max-height: 60vh;
  overflow: auto; padding: .75rem; white-space: pre-wrap; }
/* Opens at its end, where the reason usually is. */
.output { display: flex; flex-direction: column-reverse; }
footer { border-top: 1px solid; font-size: .85rem; margin-top: 2rem; padding-top: .5rem; }
"""


def answer(
    request: Request,
    status: int,
    substatus: int,
    title: str,
    why: str,
    *,
    details: str = "",
    command: str = "",
    output: str = "",
    headers: Mapping[str, str] | None = None,
    footer: str = IIS_FOOTER,
) -> Answer:
    """Return a page as a response: HTML, or text if the client prefers that.

    `title` is a few words, `why` one or two sentences, `details` advice or background, `command`
    the command that was run, `output` its output, `footer` names the author of the page. A HEAD
    request gets the headers only. The note for the log is `404.8: why`.
    """
    html = _wants_html(request.headers.getall("Accept", []))
    kind, make = ("text/html", html_page) if html else ("text/plain", text_page)
    text = make(status, substatus, title, why, details, output, footer, command)
    body = text.encode("utf-8", "replace")
    made = CIMultiDict(headers or {})
    made["Content-Type"] = f"{kind}; charset=utf-8"
    made["Content-Length"] = str(len(body))
    made["Cache-Control"] = "no-store"
    made["X-Content-Type-Options"] = "nosniff"
    note = f"{_number(status, substatus)}: {' '.join(why.split())}"
    return Answer(status, made, b"" if request.method == "HEAD" else body, note=note)


def html_page(
    status: int,
    substatus: int,
    title: str,
    why: str,
    details: str = "",
    output: str = "",
    footer: str = IIS_FOOTER,
    command: str = "",
) -> str:
    """Return a whole HTML page; `answer` describes the arguments."""
    number = _number(status, substatus)
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(number)} {escape(title)}</title>\n<style>{_STYLE}</style>\n</head>",
        f"<body>\n<main>\n<h1>{escape(number)} {escape(title)}</h1>\n<p>{_lines(why)}</p>",
    ]
    if details:
        parts.append(f"<p>{_lines(details)}</p>")
    if command:
        parts.append(f"<h2>What was run</h2>\n<pre><code>{escape(command)}</code></pre>")
    if output:
        shown = f'<pre class="output" tabindex="0"><samp>{escape(_shorten(output))}</samp></pre>'
        parts.append(f"<h2>What the process printed</h2>\n{shown}")
    parts.append(f"</main>\n<footer>{escape(footer)}</footer>")
    parts.append("</body>\n</html>\n")
    return "\n".join(parts)


def text_page(
    status: int,
    substatus: int,
    title: str,
    why: str,
    details: str = "",
    output: str = "",
    footer: str = IIS_FOOTER,
    command: str = "",
) -> str:
    """Return the page as plain text; `answer` describes the arguments."""
    parts = [f"{_number(status, substatus)} {title}", why]
    if details:
        parts.append(details)
    if command:
        parts.append(f"What was run:\n{command}")
    if output:
        parts.append(f"What the process printed:\n{_shorten(output)}")
    parts.append(footer)
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _wants_html(accept: list[str]) -> bool:
    """Return whether a client accepts HTML by name, or sends no Accept header.

    A client that accepts `*/*` only, as curl does, is a terminal or a program: it gets text.
    """
    ranges = read_accept(", ".join(accept))
    return not ranges or any(
        quality > 0 and kind.startswith(("text/html", "application/xhtml"))
        for kind, quality in ranges
    )


def _number(status: int, substatus: int) -> str:
    return f"{status}.{substatus}" if substatus else str(status)


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br>\n")


def _shorten(output: str) -> str:
    if len(output) <= MAX_OUTPUT:
        return output
    return f"(the last {MAX_OUTPUT} characters)\n{output[-MAX_OUTPUT:]}"
