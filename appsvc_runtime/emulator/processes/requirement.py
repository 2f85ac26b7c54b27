"""What a site's Python has to find: this package where the site starts it, and the app's modules.

Text and an interpreter in, an error or a hint out. Must not know of hosts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import ConfigError
from .interpreter import Interpreter

__all__ = ["missing_module", "need_runtime", "runtime_in"]

_PACKAGE = "appsvc_runtime"
# At the beginning of a line: what stands in a `try` may do without.
_IMPORT = re.compile(rf"^(?:from|import)\s+{_PACKAGE}\b", re.MULTILINE)
_NO_MODULE = re.compile(r"(?:ModuleNotFoundError: |: )No module named '?(?P<name>[\w.]+)'?")


def runtime_in(words: Sequence[str], script: str | None = None) -> str:
    """Return what of this package Python's arguments start, "" for nothing.

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

    It may also lie in the site, or where PYTHONPATH of `environ` leads.
    """
    if not what or interpreter.runtime or (site / _PACKAGE).is_dir() or environ.get("PYTHONPATH"):
        return
    raise ConfigError(
        f"{where} needs appsvc-runtime ({what}), which is not installed for {interpreter.path}.",
        hint="Add appsvc-runtime to requirements.txt and install it there "
        f"({interpreter.path} -m pip install appsvc-runtime), or name another by --python.",
    )


def missing_module(output: str, program: str) -> str:
    """Return what to do about a module that a process did not find; "" if that was not said."""
    found = _NO_MODULE.findall(output)
    if not found:
        return ""
    return (
        f"The module {found[-1]!r} is not installed for {program}: install the site's "
        "requirements there, or name another interpreter by --python."
    )
