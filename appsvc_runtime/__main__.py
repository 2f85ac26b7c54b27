"""`python -m appsvc_runtime` is the `appsvc` command."""

from .cli.main import entry_point

if __name__ == "__main__":
    entry_point()
