"""`python -m appsvc_runtime` is the `appsvc` command."""

import sys

if __name__ == "__main__" and sys.argv[1:2] == ["worker"]:
    from .system.import_path import look_here_last

    look_here_last()  # queue.py in the current folder is the worker's, not the launcher's

from .cli.entry import entry_point

if __name__ == "__main__":
    entry_point()
