"""The options of a connection string: all that it says beyond host and credentials.

Pure. Must not know what a name means. What is a secret becomes a `Secret`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NoReturn

from ..redaction import masking
from ..redaction.secret import Sealed, Secret, refuse_dump

if TYPE_CHECKING:
    from .syntax import Pairs

__all__ = ["LONG", "Options", "squeeze"]

# A value this long is not worth showing, nor worth looking through for what it may hide.
LONG = 1000


def squeeze(name: str) -> str:
    """Return a name without case, blanks, underscores and hyphens: how names are compared."""
    return re.sub(r"[\s_-]", "", name).lower()


class Options(Mapping[str, "str | Secret"]):
    """What a string says beyond host and credentials; names are found in any spelling.

    Values that are secret by their name, or look as if they held one, are a `Secret`. `repr` shows
    no name either: where a `;` in a password was not quoted, what follows it is read as a name.
    """

    def __init__(self, pairs: Pairs) -> None:
        items: dict[str, tuple[str, str | Secret]] = {}
        for name, value in pairs:
            hidden = len(value) > LONG or masking.mask_value(name, value) != value
            items[squeeze(name)] = (name, Secret(value) if hidden else value)
        self._items = Sealed(items)

    def text(self, name: str, default: str = "") -> str:
        """Return a value as text, a secret's too."""
        value = self.get(name, default)
        return value.reveal() if isinstance(value, Secret) else value

    def __getitem__(self, name: str) -> str | Secret:
        return self._items.open()[squeeze(name)][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.open().values())

    def __len__(self) -> int:
        return len(self._items.open())

    def __repr__(self) -> str:
        return f"<Options: {len(self)} names>"

    __sentry_repr__ = __repr__  # Sentry would go through a mapping's values

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        refuse_dump(self, "Dump its text(name), or what reveal() returns, where that is wanted.")

    def __deepcopy__(self, memo: object) -> Options:
        return self

    def __copy__(self) -> Options:
        return self
