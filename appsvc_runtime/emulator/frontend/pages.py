"""The front end's own response pages, and the text of requests in the log.

Pure. Must not know of sockets. The page for a request that took too long has the platform's
wording, which clients and their tests look for; the other pages are our own.
"""

from __future__ import annotations

from html import escape

from multidict import CIMultiDict

from ..http.messages import Answer

__all__ = ["page", "shown", "timed_out"]

_MAX_SHOWN = 400


def page(status: int, title: str, text: str = "", note: str = "") -> Answer:
    """Return a page; `text` is shown as preformatted text, `note` goes into the log."""
    body = f"<!DOCTYPE html>\n<title>{status} - {escape(title)}</title>\n"
    body += f"<h1>{status} - {escape(title)}</h1>\n"
    if text:
        body += f"<pre>{escape(text)}</pre>\n"
    headers = CIMultiDict(
        {"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    )
    return Answer(status, headers, body.encode("utf-8", "replace"), note=note)


def timed_out(seconds: float) -> Answer:
    """Return the page for a request in which no byte passed for `seconds`."""
    title = "500 - The request timed out."
    body = (
        f"<html><head><title>{title}</title></head><body><h2>{title}</h2>"
        "The web server failed to respond within the specified time.</body></html>"
    )
    return Answer(
        500,
        CIMultiDict({"Content-Type": "text/html"}),
        body.encode(),
        note=f"cut: nothing came for {seconds:g} s",
    )


def shown(text: str) -> str:
    """Return a client's text in a form that is safe to log: printable ASCII, cut if it is long."""
    if len(text) > _MAX_SHOWN:
        text = f"{text[:_MAX_SHOWN]}..."
    if text.isascii() and text.isprintable():
        return text
    return text.encode("unicode_escape", "backslashreplace").decode("ascii")
