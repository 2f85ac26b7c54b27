"""web.config, read as IIS reads it: text to model and findings, levels merged for a path.

Pure: bytes and names in, values out. Must not know of files on disk, processes or servers. In
their order: `decoding`, `xmltree`, `schema`, `tables`, `nodes`, `documents` read one file;
`layers`, `mimemap`, `defaults`, `building`, `merging` put several together; `variables`,
`interpreters`, `ports`, `checks` look at the outcome.
"""

from __future__ import annotations

from .checks import check, kind
from .documents import Document, Scope, parse
from .interpreters import application_of, modules_of, python_handler, split_processor, worker_of
from .merging import Level, Merged, matching_scopes, resolve
from .xmltree import MAX_SIZE, Element, read_tree

__all__ = [
    "MAX_SIZE",
    "Document",
    "Element",
    "Level",
    "Merged",
    "Scope",
    "application_of",
    "check",
    "kind",
    "matching_scopes",
    "modules_of",
    "parse",
    "python_handler",
    "read_tree",
    "resolve",
    "split_processor",
    "worker_of",
]
