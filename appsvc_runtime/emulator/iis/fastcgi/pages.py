"""What a visitor sees of a FastCGI process: its answer, or a page where it gave none.

Pure. IIS has one page for most of this, with status 500.0 and an error number; here the status
tells what is at fault.
"""

from __future__ import annotations

from multidict import CIMultiDict

from ...http import error_pages
from ...http.messages import Answer, Request
from .cgi_head import CgiHeadError
from .errors import FastCgiExitError, FastCgiTimeoutError
from .exchange import Response
from .protocol import FastCgiError

__all__ = ["RefusedError", "page", "pass_on", "queue_is_full", "rapid_failure", "stopping"]


class RefusedError(FastCgiError):
    """A request that no process gets, with the status to answer it with."""

    def __init__(self, status: int, title: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.title = title


def stopping() -> RefusedError:
    """For a request that comes when all ends."""
    return RefusedError(503, "Stopping", "The emulator is stopping.")


def queue_is_full(length: int) -> RefusedError:
    """For one too many, as IIS answers it."""
    return RefusedError(
        503,
        "Too many requests are waiting",
        f"{length} requests are waiting for a process.",
        hint="That is the queueLength of the fastCgi application.",
    )


def rapid_failure(limit: int) -> RefusedError:
    """For all, until processes may be started again; IIS answers 500 as well."""
    return RefusedError(
        500,
        "The FastCGI process fails again and again",
        f"More than {limit} FastCGI processes have failed within a minute: "
        "no other is started until the minute is over.",
        hint="See in the log why the last ones failed, then try again in a while.",
    )


def pass_on(response: Response, label: str) -> Answer:
    """Give a process's own answer; the note is its name, with the line of its error that says most.

    That is the last of the traceback, which wfastcgi has before what the app printed.
    """
    note = label
    if response.stderr:
        told = response.stderr.partition("\n\nStdOut: ")[0].strip()
        note += ": " + (told.splitlines() or [""])[-1].strip()[:200]
    return Answer(
        response.status, CIMultiDict(response.headers), response.body, response.reason, note
    )


def page(error: FastCgiError | CgiHeadError, label: str, request: Request | None = None) -> Answer:
    """Give the answer for what went wrong in the process called `label`, empty for none.

    500 for a process that took too long, 502 for one that ended or sent what is no answer, else the
    error's own. `request` says what kind of page its visitor wants; plain text without one.
    """
    status, title, details, output = 502, "The FastCGI process failed", error.hint, ""
    if isinstance(error, RefusedError):
        status, title = error.status, error.title
    elif isinstance(error, FastCgiTimeoutError):
        status, title = 500, "The FastCGI process took too long"
        details = "IIS answers 500.0 with error code 0x80070102, and ends the process."
    elif isinstance(error, FastCgiExitError):
        details = 'IIS answers 500.0: "The FastCGI process exited unexpectedly".'
    elif isinstance(error, CgiHeadError):
        title = "The app's answer cannot be passed on"
    if isinstance(error, FastCgiExitError):
        output = error.output
        if not output:
            details += "\nIt printed nothing. WSGI_LOG in appSettings names wfastcgi's own log."
    why = f"{label}: {error.message}" if label else error.message
    if request is not None:
        return error_pages.answer(request, status, 0, title, why, details=details, output=output)
    text = error_pages.text_page(status, 0, title, why, details, output)
    headers = CIMultiDict({"Content-Type": "text/plain; charset=utf-8"})
    return Answer(status, headers, text.encode("utf-8", "replace"), note=f"{status}: {why}")
