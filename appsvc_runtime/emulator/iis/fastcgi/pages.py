"""The response that a client gets from a FastCGI process, or an error page if none came.

Pure. For most errors IIS has one page, with status 500.0 and an error number; here the status
shows the cause.
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
    """A request that is passed to no process; carries the status of the response."""

    def __init__(self, status: int, title: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.title = title


def stopping() -> RefusedError:
    """Return the error for a request that arrives while the emulator stops."""
    return RefusedError(503, "Stopping", "The emulator is stopping.")


def queue_is_full(length: int) -> RefusedError:
    """Return the error for a request beyond queueLength, with the same status as IIS."""
    return RefusedError(
        503,
        "Too many requests are waiting",
        f"{length} requests are waiting for a process.",
        hint="That is the queueLength of the fastCgi application.",
    )


def rapid_failure(limit: int) -> RefusedError:
    """Return the error for requests until processes may be started again; IIS sends 500 as well."""
    return RefusedError(
        500,
        "The FastCGI process fails again and again",
        f"More than {limit} FastCGI processes have failed within a minute: "
        "no other is started until the minute is over.",
        hint="See in the log why the last ones failed, then try again in a while.",
    )


def pass_on(response: Response, label: str) -> Answer:
    """Return a process's own response; the note is its label, with the main line of its error.

    That is the last line of the traceback, which wfastcgi writes before what the app printed.
    """
    note = label
    if response.stderr:
        told = response.stderr.partition("\n\nStdOut: ")[0].strip()
        note += ": " + (told.splitlines() or [""])[-1].strip()[:200]
    return Answer(
        response.status, CIMultiDict(response.headers), response.body, response.reason, note
    )


def page(error: FastCgiError | CgiHeadError, label: str, request: Request | None = None) -> Answer:
    """Return the error page for a failure of the process called `label`, "" for no process.

    The status is 500 for a process that took too long, 502 for a process that ended or sent an
    invalid response, else the error's own. `request` selects HTML or text by what its client
    accepts; plain text without it.
    """
    status, title, details, output = 502, "The FastCGI process failed", error.hint, ""
    if isinstance(error, RefusedError):
        status, title = error.status, error.title
    elif isinstance(error, FastCgiTimeoutError):
        status, title = 500, "The FastCGI process took too long"
        details = "IIS responds with 500.0 and error code 0x80070102, and ends the process."
    elif isinstance(error, FastCgiExitError):
        details = 'IIS responds with 500.0: "The FastCGI process exited unexpectedly".'
        if error.not_repeated:
            details += (
                "\nThe request is not sent again, because the app may have served it already."
            )
    elif isinstance(error, CgiHeadError):
        title = "The app's response cannot be passed on"
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
