"""What was observed of a start, what lies in the site, and the result. Data only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Cause", "Seen", "Trouble"]


@dataclass(frozen=True)
class Trouble:
    """Why no container can respond: a sentence, a hint, the container's output and its command."""

    why: str
    hint: str = ""
    output: str = ""
    command: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, [self.why, self.hint]))


@dataclass(frozen=True)
class Cause:
    """What lies in the site and can keep it from starting: `why` and what to do.

    `why` is a clause without a full stop. `explains` returns whether it is the reason for what was
    observed.
    """

    why: str
    hint: str
    explains: Callable[[Seen], bool]

    def __str__(self) -> str:
        # Names of files and apps stay as they are.
        why = f"The {self.why[4:]}" if self.why.startswith("the ") else self.why
        return f"{why}. {self.hint}"


@dataclass(frozen=True)
class Seen:
    """What was observed of a start that failed.

    `code` is the exit code of the container's first process, negative for a signal, or None if it
    still ran after `limit` seconds. `listened` holds the addresses where the container listened,
    `port` is where it should have listened. `answer` is the result of the last warm-up request.
    `has_file` returns whether the site has a file of the given name. `causes` are what lies in the
    site and can be the reason.
    """

    command: str
    port: int
    output: str = ""
    code: int | None = None
    limit: float = 230.0
    listened: Sequence[tuple[str, int]] = ()
    answer: str = ""
    has_file: Callable[[str], bool] = lambda _: False
    antenv: bool = True
    causes: Sequence[Cause] = ()
