"""Set up logging for the host: one line in an app.

    from appsvc_runtime import configure_logging

    configure_logging()                     # Flask, workers, any program
    LOGGING = dict_config()                 # Django's settings; gunicorn's logconfig_dict

Lines go to the file that `WSGI_LOG` names, else to standard output (under wfastcgi, which has none,
to `python.log` in the site's log folder). Importing this module configures nothing. Must not know
of requests.
"""

from __future__ import annotations

import logging
import logging.config
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, drop_frames
from ..settings import options
from ..settings.load import load_settings
from ..settings.settings import Settings
from . import request_context
from .file import SharedFileHandler
from .formats import RequestFilter, TextFormatter, make_json_formatter, shown
from .stdout import STDOUT_NAMES, StdoutHandler

if TYPE_CHECKING:
    from types import TracebackType

    from ..settings.app_settings import AppSettings

__all__ = ["configure_logging", "dict_config", "make_handler"]

UNCAUGHT = "appsvc_runtime.uncaught"
_hooked = False
# The handlers made here; no other handler is touched.
_own: weakref.WeakSet[logging.Handler] = weakref.WeakSet()


@drop_frames
def configure_logging(
    settings: Settings | None = None,
    *,
    level: str | int | None = None,
    format: str | None = None,  # noqa: A002 - the usual word
    file: str | os.PathLike[str] | None = None,
    max_bytes: int | None = None,
    backups: int | None = None,
) -> logging.Handler:
    """Send this process's log to the place where the host shows it; return the handler.

    - `level` (`APPSVC_LOG_LEVEL`): of the root logger, a name or any number; INFO by default.
    - `format` (`APPSVC_LOG_FORMAT`): `text` or `json`.
    - `file` (`WSGI_LOG`): "" is standard output, even if the variable is set.
    - `max_bytes` (`APPSVC_LOG_MAX_BYTES`) and `backups` (`APPSVC_LOG_BACKUPS`): the size at which
      the file is renamed, and how many renamed files are kept.

    `settings`: by default those of `load_settings()`. Uncaught exceptions, also those of threads,
    and warnings are logged too. Exceptions still go to standard error, unless the log already shows
    them on standard output. A second call replaces the handler of the first; other handlers are not
    touched. Raises ConfigError for a value that cannot be used.
    """
    plan = _Plan(settings, level, format, file, max_bytes, backups)
    handler = make_handler(
        file=plan.file, max_bytes=plan.max_bytes, backups=plan.backups, form=plan.format,
        instance=plan.instance,
    )  # fmt: skip
    root = logging.getLogger()
    for old in list(root.handlers):
        if old in _own:
            root.removeHandler(old)
            old.close()
    root.addHandler(handler)
    root.setLevel(plan.level)
    return handler


@drop_frames
def dict_config(
    settings: Settings | None = None,
    *,
    level: str | int | None = None,
    format: str | None = None,  # noqa: A002
    file: str | os.PathLike[str] | None = None,
    max_bytes: int | None = None,
    backups: int | None = None,
) -> dict[str, Any]:
    """Return the same setup for `logging.config.dictConfig`: Django's LOGGING, and your own.

    Arguments and errors as for `configure_logging`. The result holds plain values only, and may be
    extended. It includes gunicorn's loggers, unless gunicorn has already given them handlers:
    Django settings do not undo a user's configuration of gunicorn's logs.
    """
    plan = _Plan(settings, level, format, file, max_bytes, backups)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {
            "appsvc": {
                "()": f"{__name__}.make_handler",
                "file": plan.file,
                "max_bytes": plan.max_bytes,
                "backups": plan.backups,
                "form": plan.format,
                "instance": plan.instance,
            }
        },
        "root": {"handlers": ["appsvc"], "level": plan.level},
        # gunicorn's two loggers do not propagate to the root. gunicorn itself sets their levels.
        "loggers": {
            name: {"handlers": ["appsvc"], "propagate": False}
            for name in ("gunicorn.error", "gunicorn.access")
            if all(handler in _own for handler in logging.getLogger(name).handlers)
        },
    }


def make_handler(
    *, file: str = "", max_bytes: int = 0, backups: int = 0, form: str = "text", instance: str = ""
) -> logging.Handler:
    """Return the handler that `dict_config` names; make the middleware record requests.

    `file`: "" is standard output. `form`: `text` or `json`.
    """
    handler: logging.Handler
    if file:
        handler = SharedFileHandler(file, max_bytes=max_bytes, backups=backups)
    else:
        handler = StdoutHandler()
    handler.setFormatter(make_json_formatter() if form == "json" else TextFormatter())
    handler.addFilter(RequestFilter(instance))
    _own.add(handler)
    request_context.enable()
    _catch_the_uncaught()
    return handler


class _Plan:
    """The options: each value from its argument, else its variable, else its default."""

    def __init__(
        self,
        settings: Settings | None,
        level: str | int | None,
        form: str | None,
        file: str | os.PathLike[str] | None,
        max_bytes: int | None,
        backups: int | None,
    ) -> None:
        settings = load_settings() if settings is None else settings
        known = settings.app_settings
        self.level = _level(level, known)
        self.format: str = options.resolve("APPSVC_LOG_FORMAT", form, known)
        for number in (max_bytes, backups):
            if number is not None and not isinstance(number, int | str):
                raise ConfigError(
                    "max_bytes and backups must be whole numbers.", hint="Correct them in the call."
                )
        self.max_bytes: int = options.resolve("APPSVC_LOG_MAX_BYTES", max_bytes, known)
        self.backups: int = options.resolve("APPSVC_LOG_BACKUPS", backups, known)
        self.instance = settings.instance_id
        self.file = _file(file, settings)


def _level(level: str | int | None, known: AppSettings) -> str | int:
    if isinstance(level, int) and not isinstance(level, bool) and level >= 0:
        return level
    found: str | int = options.resolve("APPSVC_LOG_LEVEL", level, known)
    return found


def _file(file: str | os.PathLike[str] | None, settings: Settings) -> str:
    """Return the log file's path, "" for standard output."""
    if file is not None and not isinstance(file, str | bytes | os.PathLike):
        raise ConfigError("The log file must be a path.", hint="Correct it in the call.")
    if file is None:
        file = settings.value("WSGI_LOG", default="")
        if not file and settings.host == "fastcgi" and settings.log_folder is not None:
            file = settings.log_folder / "python.log"
    name = os.fsdecode(file).strip()
    return "" if not name or name in STDOUT_NAMES else os.path.abspath(name)


def _catch_the_uncaught() -> None:
    """Log uncaught exceptions. Install the hooks once, and call existing hooks as well."""
    global _hooked
    logging.captureWarnings(True)
    main_hook, thread_hook, unraisable_hook = (
        sys.excepthook, threading.excepthook, sys.unraisablehook,
    )  # fmt: skip

    def in_main(
        kind: type[BaseException], value: BaseException, trace: TracebackType | None
    ) -> None:
        quiet = not issubclass(kind, KeyboardInterrupt) and _log_uncaught(
            logging.CRITICAL, "Uncaught exception", (kind, value, trace)
        )
        if not quiet or main_hook is not sys.__excepthook__:
            main_hook(kind, value, trace)

    def in_thread(what: threading.ExceptHookArgs) -> None:
        name = what.thread.name if what.thread else "?"
        quiet = not issubclass(what.exc_type, SystemExit) and _log_uncaught(
            logging.CRITICAL,
            f"Uncaught exception in thread {name}",
            (what.exc_type, what.exc_value, what.exc_traceback),
        )
        if not quiet or thread_hook is not threading.__excepthook__:
            thread_hook(what)

    def unraisable(what: Any) -> None:
        # Converted to a text here: keeping the object would bring it back to life.
        text = what.err_msg or "Exception ignored in"
        if what.object is not None:
            text += f": {shown(what.object)}"
        quiet = _log_uncaught(
            logging.ERROR, text, (what.exc_type, what.exc_value, what.exc_traceback)
        )
        if not quiet or unraisable_hook is not sys.__unraisablehook__:
            unraisable_hook(what)

    # After the first time, replace only the interpreter's hook: a newer hook may call ours.
    if not _hooked or main_hook is sys.__excepthook__:
        sys.excepthook = in_main
    if not _hooked or thread_hook is threading.__excepthook__:
        threading.excepthook = in_thread
    if not _hooked or unraisable_hook is sys.__unraisablehook__:
        sys.unraisablehook = unraisable
    _hooked = True


def _log_uncaught(level: int, text: str, error: Any) -> bool:
    """Log an error; return whether a reader of standard error sees it in the log."""
    try:
        handlers = [h for h in logging.getLogger().handlers if isinstance(h, StdoutHandler)]
        before = sum(handler.written for handler in handlers)
        logging.getLogger(UNCAUGHT).log(level, "%s", text, exc_info=error)
        return sum(handler.written for handler in handlers) > before
    except Exception:  # the interpreter is ending, or another handler failed
        return False
