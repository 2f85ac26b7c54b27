"""Loads an app object by name: `module:attr`, factories, `WSGI_HANDLER`'s syntax, detection.

Imports the user's code. Must not know of servers, sockets or requests. Every failure is an
AppLoadError that says what was looked for, where, and what to do; it includes the traceback of an
error inside the app.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from ..errors import AppLoadError, AppServiceError, ConfigError
from ..middleware.asgi import AppServiceASGIMiddleware
from ..middleware.wsgi import AppServiceMiddleware
from ..settings import options
from ..startup import distributions
from ..startup import plan as startup_plan
from ..startup.python_files import FACTORIES
from . import kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from _typeshed.wsgi import WSGIApplication

    T = TypeVar("T")

__all__ = ["AppChoice", "check_app", "choose_app", "load_any", "load_app", "wrap", "wrap_any"]

# Values of WSGI_HANDLER that mean this package, which then has to find the app itself.
_OURSELVES = re.compile(r"appsvc_runtime\.wsgi([.:].*)?")
_WSGI_NAMES = ("app", "application")


@dataclass(frozen=True)
class AppChoice:
    """An app's `name`, and the `reason` why it was chosen, as text for the user."""

    name: str
    reason: str


def choose_app(
    site: str | os.PathLike[str], environ: Mapping[str, str], argument: str | None = None
) -> AppChoice:
    """Choose the app to serve: the argument, `APPSVC_APP`, `WSGI_HANDLER`, or detection.

    `site` is the app's folder. A `WSGI_HANDLER` that names this package is ignored. Raises
    AppLoadError if no app is named and none is detected, ConfigError if `APPSVC_APP` names this
    package itself.
    """
    if argument:
        return AppChoice(argument, "named on the command line")
    named = options.resolve("APPSVC_APP", None, environ)
    if named:
        if _OURSELVES.fullmatch(named):  # it would load itself again and again
            raise ConfigError(
                "The setting APPSVC_APP names this package, not an app.",
                hint="Set it to your app's module:attr, or remove it.",
            )
        return AppChoice(named, "named by APPSVC_APP")
    handler = environ.get("WSGI_HANDLER", "").strip()
    if handler and not _OURSELVES.fullmatch(handler):
        return AppChoice(handler, "named by WSGI_HANDLER")
    plan = startup_plan.make_plan(site, environ)
    if plan.app is not None:
        return AppChoice(plan.app, f"detected: {plan.rule}")
    from ..redaction.masking import mask_command  # loaded only if no app was found

    # The steps include the pre-run command, which may hold a secret.
    looked_at = "".join(f"  - {mask_command(step)}\n" for step in plan.looked_at)
    advice = "Name it in the startup command, `exec appsvc serve MODULE:APP`, or set APPSVC_APP."
    if any("exec appsvc serve" in warning for warning in plan.warnings):
        advice = "Or set APPSVC_APP to MODULE:APP."
    raise AppLoadError(
        f"No app was found in {os.fspath(site)!r}.",
        hint=" ".join([*plan.warnings, advice]),
        details=f"Looked for:\n{looked_at}",
    )


def load_app(name: str, site: str | os.PathLike[str] | None = None) -> WSGIApplication:
    """Import and return the WSGI app with a name.

    `name` is `module:attr` (attr may be dotted), `module:factory()`, `module` (its `app`, else its
    `application`), or a dotted name as in wfastcgi's WSGI_HANDLER, in which any part may be a call:
    `django.core.wsgi.get_wsgi_application()`. `site` is added to the import path if it is missing
    there. Raises AppLoadError.
    """
    resolver = _Resolver(name.strip(), _put_on_path(site))
    return resolver.checked(resolver.resolve())


def load_any(name: str, site: str | os.PathLike[str] | None = None) -> Any:
    """Import and return the WSGI or ASGI app with a name, which `load_app` describes.

    Raises AppLoadError.
    """
    resolver = _Resolver(name.strip(), _put_on_path(site))
    found = resolver.resolve()
    return found if resolver.inspect(kinds.is_asgi, found) else resolver.checked(found)


def _put_on_path(site: str | os.PathLike[str] | None) -> str:
    folder = os.fspath(site) if site is not None else os.getcwd()
    if not {folder, os.path.abspath(folder)} & set(sys.path):
        sys.path.insert(0, os.path.abspath(folder))
    importlib.invalidate_caches()
    return folder


def check_app(app: Any, name: str) -> WSGIApplication:
    """Return `app` if it can be a WSGI app, else raise AppLoadError, whose message uses `name`."""
    return _Resolver(name, "").checked(app)


def wrap(app: WSGIApplication) -> WSGIApplication:
    """Return `app` behind an AppServiceMiddleware.

    If the user has wrapped the whole app, it is returned unchanged, so that the user's options
    count. A middleware around a part of the app handles that part's requests by its own options.
    """
    return app if kinds.is_wrapped(app, AppServiceMiddleware) else AppServiceMiddleware(app)


def wrap_any(app: Any) -> tuple[Any, str]:
    """Return an app behind our middleware for its interface, and the interface: wsgi or asgi."""
    if not kinds.is_asgi(app):
        return wrap(app), "wsgi"
    if kinds.is_wrapped(app, AppServiceASGIMiddleware):
        return app, "asgi"
    return AppServiceASGIMiddleware(app, **kinds.added_options(app)), "asgi"


class _Resolver:
    """Resolves one name to an object, and keeps the details for its error messages."""

    def __init__(self, name: str, folder: str) -> None:
        self.name = name
        self.folder = folder
        self.location = name  # as module:attr, once it is known

    def resolve(self) -> Any:
        module_name, colon, attribute = self.name.partition(":")
        if not self.name or (colon and not (module_name and attribute)):
            raise self.error("is not the name of an app.", "Write it as module:attr.")
        if colon:
            module = self.import_module(module_name)
            if module is None:
                raise self.not_found(module_name)
            return self.follow(module, module_name, attribute.split("."))
        return self.resolve_dotted()

    def resolve_dotted(self) -> Any:
        """Return the object of a dotted name as wfastcgi does, attributes before submodules.

        The longest part before the last dot that is a module is imported. The rest are attributes;
        each one that ends in `()` is called.
        """
        parts = self.name.split(".")
        for count in range(max(len(parts) - 1, 1), 0, -1):
            module_name = ".".join(parts[:count])
            module = None if "()" in module_name else self.import_module(module_name)
            if module is not None:
                return self.follow(module, module_name, parts[count:])
        raise self.not_found(parts[0].removesuffix("()"))

    def import_module(self, module_name: str) -> ModuleType | None:
        """Import and return a module; None if it does not exist.

        Raises AppLoadError if the module exists and its import fails.
        """
        try:
            return importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            # The module itself or a package above it does not exist. A missing module of another
            # name is an import inside the app that failed; its traceback is reported.
            if missing == module_name or module_name.startswith(f"{missing}."):
                return None
            raise self.failed(f"importing {module_name!r}", error) from error
        except AppServiceError:  # the app has used this package, which could not use a setting
            raise
        except Exception as error:
            raise self.failed(f"importing {module_name!r}", error) from error
        except SystemExit as error:  # a script without `if __name__ == "__main__"`
            raise self.failed(f"importing {module_name!r}", error) from error

    def follow(self, found: Any, path: str, names: list[str]) -> Any:
        """Return the object at a path of attributes and submodules; call those that end in `()`."""
        self.location = path
        for name in names:
            bare = name.removesuffix("()")
            path = f"{path}.{bare}"
            found = self.look_up(found, bare, path)
            if bare != name:
                found = self.call(found, path)
            if isinstance(found, ModuleType):
                self.location = found.__name__
            else:
                self.location += ("." if ":" in self.location else ":") + name
        return self.app_in(found) if isinstance(found, ModuleType) else found

    def look_up(self, outer: Any, name: str, path: str) -> Any:
        """Return an attribute, or a package's submodule; `path` is its full name."""
        try:
            found = getattr(outer, name, None)
        except Exception as error:  # a module's own __getattr__, a property
            raise self.failed(f"looking up {path}", error) from error
        if found is None and isinstance(outer, ModuleType) and hasattr(outer, "__path__"):
            found = self.import_module(path)
        if found is None:
            where = getattr(outer, "__name__", type(outer).__name__)
            raise self.error(f"cannot be loaded: {where!r} has no {name!r}.", self.advice(outer))
        return found

    def app_in(self, module: ModuleType) -> Any:
        """Return a module's `app`, or its `application`."""
        for name in _WSGI_NAMES:
            if callable(getattr(module, name, None)):
                self.location += f":{name}"
                return getattr(module, name)
        raise self.error(
            f"cannot be loaded: the module {module.__name__!r} has neither `app` nor "
            "`application`.",
            self.advice(module),
        )

    def call(self, factory: Any, path: str) -> Any:
        try:
            return factory()
        except AppServiceError:
            raise
        except (Exception, SystemExit) as error:
            raise self.failed(f"calling {path}()", error) from error

    def checked(self, app: Any) -> WSGIApplication:
        """Return `app` if it can be a WSGI app, else raise AppLoadError."""
        refusal = self.inspect(kinds.refuse, app, self.location)
        if refusal is not None:
            error = self.error(*refusal)
            raise (
                kinds.AsgiAppError(error.message, hint=error.hint) if kinds.is_asgi(app) else error
            )
        return app  # type: ignore[no-any-return]

    def inspect(self, look: Callable[..., T], *values: Any) -> T:
        """Return `look(*values)`; raise AppLoadError if the object raises when it is looked at.

        So do objects that stand for another one, as Flask's `request` outside of a request.
        """
        try:
            return look(*values)
        except Exception as error:
            raise self.error(
                f"is no app: looking at it raised {type(error).__name__}.",
                "Name the app object, as in module:app.",
            ) from error

    def advice(self, outer: Any) -> str:
        if isinstance(outer, ModuleType):
            for name, value in list(vars(outer).items()):
                if not name.startswith("_") and kinds.looks_like_app(value):
                    return f"It has `{name}`: name it as `{outer.__name__}:{name}`."
            for name in sorted(FACTORIES):
                if isinstance(vars(outer).get(name), FunctionType):
                    return f"It has `{name}`: name it as `{outer.__name__}:{name}()`."
        return "Name the app object as module:attr, in APPSVC_APP or on the command line."

    def not_found(self, module_name: str) -> AppLoadError:
        if module_name.endswith(".py"):
            right = self.name.replace(".py", "", 1)
            return self.error("names a file, not a module.", f"Write it as {right!r}.")
        return self.error(
            f"cannot be loaded: there is no module {module_name!r} in {self.folder!r} or on the "
            "import path.",
            "Name the app as module:attr, start in the app's folder or use --site, and install "
            "its requirements.",
        )

    def failed(self, doing: str, error: BaseException) -> AppLoadError:
        text = str(error).rstrip(".")
        what = f"{type(error).__name__}: {text}" if text else type(error).__name__
        hint = "The traceback shows where; correct it there."
        if isinstance(error, ModuleNotFoundError) and error.name:
            hint = (
                f"{distributions.advise(error.name, sys.modules)}; the traceback shows the import."
            )
        return self.error(f"cannot be loaded: {doing} failed with {what}.", hint, _traceback(error))

    def error(self, problem: str, hint: str, details: str = "") -> AppLoadError:
        return AppLoadError(f"The app {self.name!r} {problem}", hint=hint, details=details)


def _traceback(error: BaseException) -> str:
    """Return the traceback without the frames of this module and importlib before the app's."""
    frames = error.__traceback__
    while frames is not None and (
        frames.tb_frame.f_code.co_filename == __file__
        or frames.tb_frame.f_code.co_filename == importlib.__file__
        or frames.tb_frame.f_code.co_filename.startswith("<frozen importlib")
    ):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))
