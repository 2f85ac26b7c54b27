"""The blocks of code on a page, and the comments before them that specify how they are run.

Sybil finds fences and comments. CONTRIBUTING.md describes the comments. Must not run anything.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sybil import Document, Region
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer, FencedCodeBlockLexer

from tests.docs.pages import name_of

__all__ = ["RUN", "Block", "Page", "read"]

# Blocks in these languages are run; blocks in others are files, messages and the like.
RUN = ("console", "python")
# The names of comments, and whether each is for console, Python or any block.
COMMENTS = {"not-run": RUN, "cwd": (), "exit": ("console",), "file": (), "in": ("python",)}
_CLOSING = re.compile(r"\s*--+>")
_OTHER_NAMES = {"py": "python", "python3": "python", "pycon": "python", "shell": "console"}
_WORD = re.compile(r"^[ \t]*<!--+\s*([A-Za-z][\w-]*)\b[^>\n]*-->[ \t]*$", re.MULTILINE)
_MISSPELT = re.compile(r"no[nt]?[-_ ]?run|skip|cwd|dir|chdir|exit([-_]code)?|file(name)?|path")


@dataclass
class Block:
    """A block: its position, its text, and the values of the comments before it, by name.

    For a Python block, `output` is the text of the block that follows: the expected output.
    """

    page: str
    line: int
    language: str
    source: str
    comments: dict[str, str] = field(default_factory=dict)
    output: str | None = None

    @property
    def place(self) -> str:
        """Return page and line, as an editor opens them."""
        return f"{self.page}:{self.line}"


@dataclass
class Page:
    """The blocks of a page, and one sentence for each mistake in its comments."""

    blocks: list[Block]
    problems: list[str]

    def to_run(self, language: str) -> list[Block]:
        """Return the blocks of a language that are run, and those that are files."""
        return [
            block
            for block in self.blocks
            if "file" in block.comments
            or (block.language == language and {"not-run", "in"}.isdisjoint(block.comments))
        ]

    def not_run(self) -> list[Block]:
        """Return the blocks with a comment that they are not run, or are a part of a file."""
        return [block for block in self.blocks if not {"not-run", "in"}.isdisjoint(block.comments)]


def read(path: Path, name: str = "") -> Page:
    """Return the blocks of a page in their order."""
    name = name or name_of(path)
    page = Page([], [])
    try:
        document = Document.parse(str(path), _regions)
    except ValueError as error:
        page.problems.append(f"{name}: two blocks overlap; close each fence that is open. {error}")
        return page
    comments: dict[str, str] = {}
    end = 0
    before: Block | None = None
    for example in document.examples():
        region = example.region
        gap = document.text[end : region.start]
        if gap.strip():
            page.problems += _unused(comments, f"{name}:{example.line}", gap)
            comments, before = {}, None
        closing = _CLOSING.match(document.text, region.end)  # the end of the comment
        end = closing.end() if closing else region.end
        lexemes = region.lexemes
        if "directive" in lexemes and lexemes["directive"] in COMMENTS:
            comments[lexemes["directive"]] = lexemes["arguments"].strip()
            before = None
            continue
        language = str(lexemes["arguments"] if "directive" in lexemes else lexemes["language"])
        source = str(lexemes["source"])
        block = Block(name, example.line, language, source, comments)
        comments = {}
        page.problems += _check(block)
        if before is not None and language == "text" and not block.comments:
            before.output = source
        before = block if language == "python" and "directive" not in lexemes else None
        page.blocks.append(block)
    page.problems += _unused(comments, name, "")
    page.problems += _misspelt(name, document.text)
    return page


def _regions(document: Document) -> Iterator[Region]:
    found = list(FencedCodeBlockLexer(r"[A-Za-z][\w+-]*")(document))
    fences = [one for one in found if not _is_inside(one, (each for each in found if each != one))]
    lexers = (
        DirectiveInHTMLCommentLexer("|".join(COMMENTS)),
        DirectiveInHTMLCommentLexer("invisible-code", "python"),
    )
    comments = [region for lexer in lexers for region in lexer(document)]
    yield from fences
    yield from (one for one in comments if not _is_inside(one, fences))


def _is_inside(region: Region, fences: Iterable[Region]) -> bool:
    return any(fence.start <= region.start < fence.end for fence in fences)


def _check(block: Block) -> Iterator[str]:
    """Yield the mistakes of a block, as sentences that state what to do."""
    if block.language in _OTHER_NAMES:
        yield (
            f"{block.place}: the language is {block.language}; write "
            f"{_OTHER_NAMES[block.language]}, so that it is run."
        )
    for name, value in block.comments.items():
        languages = COMMENTS[name]
        if languages and block.language not in languages:
            yield (
                f"{block.place}: `{name}` stands before a block of {block.language}, which is "
                "never run; take the comment out."
            )
        if name == "exit" and value and not value.isdecimal():
            yield f"{block.place}: `exit` is {value!r}; write a number."
        if not value:
            yield f"{block.place}: `{name}` says nothing; write <!-- {name}: … -->."
    if block.language == "python":
        try:
            compile(block.source, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except SyntaxError as error:
            line = block.line + (error.lineno or 0)
            yield f"{block.page}:{line}: this is no Python: {error.msg}; correct it."
    if block.language == "console" and "not-run" not in block.comments:
        first = block.source.lstrip().partition("\n")[0]
        if not first.startswith("$ "):
            yield (
                f"{block.place}: a console block begins with a command behind the prompt `$ `; "
                f"this one begins with {first!r}."
            )


def _unused(comments: dict[str, str], place: str, gap: str) -> Iterator[str]:
    for name in comments:
        what = gap.strip().partition("\n")[0][:40]
        behind = f" before {what!r}" if what else ""
        yield f"{place}: `{name}` stands{behind} and not directly before a block; move it there."


def _misspelt(name: str, text: str) -> Iterator[str]:
    """Yield comments that resemble one of the known names without being one."""
    for match in _WORD.finditer(text):
        if match[1] not in COMMENTS and _MISSPELT.fullmatch(match[1].lower()):
            line = text.count("\n", 0, match.start()) + 1
            yield (
                f"{name}:{line}: {match[0].strip()} is not understood; known are "
                + ", ".join(f"<!-- {one}: … -->" for one in COMMENTS)
                + "."
            )
