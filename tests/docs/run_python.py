"""Run the Python blocks of a page in one process: `python -m tests.docs.run_python PAGE NAME`.

The blocks share their names, from top to bottom; a block that is a file is a separate module. A
line before each block reports its position to the parent process. The first block that raises an
exception ends the run.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

from tests.docs.blocks import read
from tests.docs.workplace import write_file

__all__ = ["END", "MARK"]

MARK = "\x1e"
END = "end"


def main(path: str, name: str) -> None:
    """Run the blocks of the page at `path`; `name` is its name in the output."""
    root = Path.cwd()
    shared = _module("page")
    for block in read(Path(path), name).to_run("python"):
        file = block.comments.get("file", "")
        if file:
            write_file(root, block)
        if block.language != "python" or "not-run" in block.comments:
            continue
        folder = root / block.comments.get("cwd", ".")
        os.chdir(folder)
        sys.path[:] = [str(folder), *(entry for entry in sys.path if entry != str(folder))]
        module = _module(f"page_{Path(file).stem}") if file else shared
        module.__file__ = str(folder / (file or "page.py"))
        print(f"{MARK}{block.line}{MARK}", flush=True)
        # Padded, so that line numbers in a traceback are those of the page.
        code = compile("\n" * block.line + block.source, path, "exec", dont_inherit=True)
        exec(code, vars(module))
    print(f"{MARK}{END}{MARK}", flush=True)


def _module(name: str) -> ModuleType:
    """Return a new module to which the blocks' classes can belong."""
    module = sys.modules[name] = ModuleType(name)
    return module


if __name__ == "__main__":
    main(*sys.argv[1:])
