"""Which settings an app misses, by what it printed when it ended.

Pure. The texts are those of Python, pydantic, python-decouple, django-environ, environs and this
package. Must not know of containers.
"""

from __future__ import annotations

import re

__all__ = ["missing_settings", "set_hint"]

_NAME = r"[A-Za-z_][A-Za-z0-9_.:-]*"
_TEXTS = tuple(
    re.compile(text, re.MULTILINE)
    for text in (
        rf"\bThe setting (?P<name>{_NAME}) is missing: ",
        rf"UndefinedValueError: (?P<name>{_NAME}) not found\.",
        rf"ImproperlyConfigured: Set the (?P<name>{_NAME}) environment variable$",
        rf'EnvError: Environment variable "(?P<name>{_NAME})" not set$',
    )
)
# Of the os module, whose `environ` raises it; another KeyError is none of a setting.
_KEY_ERROR = re.compile(
    rf'^ +File "(?:<frozen os>|[^"\n]*[\\/]os\.py)", line \d+, in __getitem__\n'
    rf"(?:^ .*\n)*^KeyError: '(?P<name>{_NAME})'$",
    re.MULTILINE,
)
_PYDANTIC = re.compile(
    r"^(?:pydantic_core\._pydantic_core\.)?ValidationError: \d+ validation errors? for .*\n"
    r"(?P<fields>(?:.*\n)*)",
    re.MULTILINE,
)
_FIELD = re.compile(rf"^(?P<name>{_NAME})\n  Field required \[type=missing, ", re.MULTILINE)


def missing_settings(output: str) -> list[str]:
    """Return the names of the settings that an app's output reports as missing, in order."""
    found = [match["name"] for text in _TEXTS for match in text.finditer(output)]
    found += [match["name"] for match in _KEY_ERROR.finditer(output)]
    validation = _PYDANTIC.search(f"{output}\n")
    if validation:
        # A field's own name, in any case, is that of its setting unless there is a prefix.
        found += [
            match["name"].replace(".", "__").upper()
            for match in _FIELD.finditer(validation["fields"])
        ]
    return list(dict.fromkeys(found))


def set_hint(names: list[str]) -> str:
    """Return what to do about missing settings, as a sentence."""
    options = " ".join(f"--set {name}=VALUE" for name in names)
    return (
        f"Give it with {options}, and on Azure as an app setting."
        if len(names) == 1
        else (f"Give them with {options}, and on Azure as app settings.")
    )
