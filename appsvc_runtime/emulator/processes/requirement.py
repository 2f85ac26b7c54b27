"""What a site's Python must find: this package if the site starts it, and the app's modules.

Takes text and an interpreter, raises an error or returns a hint. Must not know of hosts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import ConfigError
from .interpreter import Interpreter

__all__ = ["missing_module", "need_runtime", "runtime_in"]

_PACKAGE = "appsvc_runtime"
# Only at the start of a line: an import inside a `try` may be optional.
_IMPORT = re.compile(rf"^(?:from|import)\s+{_PACKAGE}\b", re.MULTILINE)
_NO_MODULE = re.compile(r"(?:ModuleNotFoundError: |: )No module named '?(?P<name>[\w.]+)'?")


def runtime_in(words: Sequence[str], script: str | None = None) -> str:
    """Return the part of this package that Python's arguments start, or "".

    `script` is the text of the script among them, if any.
    """
    module = words[1] if len(words) > 1 and words[0] == "-m" else ""
    if module.partition(".")[0] == _PACKAGE:
        return f"-m {module}"
    if module or script is None or _IMPORT.search(script) is None:
        return ""
    return f"a script that imports {_PACKAGE}"


def need_runtime(
    interpreter: Interpreter, where: str, what: str, site: Path, environ: Mapping[str, str]
) -> None:
    """Raise ConfigError if `where` runs `what` of this package, and the Python cannot find it.

    The package may also be in the site, or on PYTHONPATH of `environ`.
    """
    if not what or interpreter.runtime or (site / _PACKAGE).is_dir() or environ.get("PYTHONPATH"):
        return
    raise ConfigError(
        f"{where} needs appsvc-runtime ({what}), which is not installed for {interpreter.path}.",
        hint="Add appsvc-runtime to requirements.txt and install it there "
        f"({interpreter.path} -m pip install appsvc-runtime), or name another with --python.",
    )


def missing_module(output: str, program: str) -> str:
    """Return a hint about a module that a process did not find, or "" if its output names none."""
    found = _NO_MODULE.findall(output)
    if not found:
        return ""
    return (
        f"The module {found[-1]!r} is not installed for {program}: install the site's "
        "requirements there, or name another interpreter with --python."
    )
