"""`%NAME%` in a text, as cmd and .NET replace it.

Takes text, returns text. Must not know of roles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["expand"]

_VARIABLE = re.compile(r"%([^%=]+)%")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace %NAME%, in any letter case; unknown names stay."""
    upper = {name.upper(): value for name, value in variables.items()}
    return _VARIABLE.sub(lambda found: upper.get(found[1].upper(), found[0]), text)
