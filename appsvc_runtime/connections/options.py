"""The options of a connection string: all its parts except host and credentials.

Pure. Must not know what a name means. Secret values become a `Secret`.
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

# A value this long is always hidden: it is not worth showing, nor worth searching for secrets.
LONG = 1000


def squeeze(name: str) -> str:
    """Return a name in lower case, without blanks, underscores and hyphens, to compare names."""
    return re.sub(r"[\s_-]", "", name).lower()


class Options(Mapping[str, "str | Secret"]):
    """The parts of a string other than host and credentials; names are found in any spelling.

    A value is a `Secret` if its name or its look says that it may be one. `repr` shows no names
    either: after an unquoted `;` in a password, the rest of the password is read as a name.
    """

    def __init__(self, pairs: Pairs) -> None:
        items: dict[str, tuple[str, str | Secret]] = {}
        for name, value in pairs:
            hidden = len(value) > LONG or masking.mask_value(name, value) != value
            items[squeeze(name)] = (name, Secret(value) if hidden else value)
        self._items = Sealed(items)

    def text(self, name: str, default: str = "") -> str:
        """Return a value as plain text, even if it is a secret."""
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

    __sentry_repr__ = __repr__  # Sentry would list a mapping's values

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        refuse_dump(self, "Dump the texts that text(name) and reveal() return instead.")

    def __deepcopy__(self, memo: object) -> Options:
        return self

    def __copy__(self) -> Options:
        return self
