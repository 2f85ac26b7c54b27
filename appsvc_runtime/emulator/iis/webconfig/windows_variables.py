"""The names of `%VAR%` references that Windows expands, and of the variables of every site.

Pure: reads no environment. Must not know where a text comes from.
"""

from __future__ import annotations

import re

__all__ = ["is_windows_variable", "names_in"]

# ExpandEnvironmentStrings takes anything between two percent signs as a name. A name with blanks or
# a slash is percent-encoding or prose, and is not worth a finding; `(x86)` occurs in real names.
_NAME = re.compile(r"%([A-Za-z_][A-Za-z0-9_.]*(?:\(x86\))?)%", re.ASCII | re.IGNORECASE)
_WINDOWS = frozenset(
    "ALLUSERSPROFILE APPDATA COMMONPROGRAMFILES COMMONPROGRAMFILES(X86) COMPUTERNAME COMSPEC "
    "HOMEDRIVE HOMEPATH LOCALAPPDATA NUMBER_OF_PROCESSORS OS PATH PATHEXT PROCESSOR_ARCHITECTURE "
    "PROGRAMDATA PROGRAMFILES PROGRAMFILES(X86) PROGRAMW6432 PUBLIC SYSTEMDRIVE SYSTEMROOT TEMP "
    "TMP USERDOMAIN USERNAME USERPROFILE WINDIR APP_POOL_ID APP_POOL_CONFIG".split()
)
# Set by App Service on Windows (Kudu's environment page), as is every name that begins with
# WEBSITE_.
_APP_SERVICE = frozenset({"HOME", "HOME_EXPANDED", "WEBROOT_PATH", "REGION_NAME"})


def names_in(text: str) -> tuple[str, ...]:
    """Return the names between percent signs as written, without repeats, in order."""
    return tuple(dict.fromkeys(_NAME.findall(text)))


def is_windows_variable(name: str) -> bool:
    """Return whether Windows, IIS or App Service sets the variable for every site."""
    upper = name.upper()
    return upper in _WINDOWS or upper in _APP_SERVICE or upper.startswith("WEBSITE_")
