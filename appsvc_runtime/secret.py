"""A value that nothing shows by accident.

Knows nothing of any other room.
"""

from __future__ import annotations

import hmac

__all__ = ["MASK", "Secret"]

MASK = "********"


class Secret:
    """A text that `repr`, `str`, f-strings and tracebacks show as asterisks.

    `reveal()` gives the text. Two secrets are equal if their texts are, compared in constant time;
    a secret equals no plain string. Empty ones are false.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self), _bytes(other))

    def __hash__(self) -> int:
        return hash(("Secret", self._text))


def _bytes(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogatepass")
