"""Which package installs a module, and what to do if it is missing."""

from __future__ import annotations

import sys

import pytest

from appsvc_runtime.startup import distributions


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("yaml", "pyyaml"),
        ("azure.storage.blob.aio", "azure-storage-blob"),
        ("azure.other", "azure"),
        ("flask_login.utils", "flask-login"),
        ("flask", "flask"),
    ],
)
def test_packages(module: str, package: str) -> None:
    """The longest known part counts; else the top module, with hyphens."""
    assert distributions.distribution_of(module) == package


def test_what_the_table_calls_removed_is_not_in_this_python() -> None:
    """Each module is missing from the release on that the table names."""
    names = sys.stdlib_module_names
    for module in ("cgi", "distutils", "asyncore", "imp", "telnetlib", "binhex", "mailcap"):
        since = tuple(map(int, distributions.removed_in(module).split(".")))
        assert (module in names) is (sys.version_info[:2] < since), module
    assert distributions.removed_in("json") == ""


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("cgi", "It left the standard library with Python 3.13: update what imports it"),
        ("distutils.version", "It left the standard library with Python 3.12: update what"),
        ("yaml", "Add pyyaml to requirements.txt"),
        ("json.nothing", "There is a 'json', but no 'nothing' in it"),
        ("azure.identity", "Add azure-identity to requirements.txt"),
        ("shop", "If 'shop' is a package, add it"),
    ],
)
def test_advice(module: str, said: str) -> None:
    """It distinguishes a package, a part of one that is there, and a module that Python removed."""
    assert distributions.advise(module, {"json", "azure"}).startswith(said)
