"""What `.ci/run` prints at its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT

SCRIPT = ROOT / ".ci" / "failed_tests"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="not in the repository")

LOG = """\
py310: commands[0]> python -m pytest --numprocesses 3
........F....                                        [100%]
FAILED in the middle, of a test's own output
ERROR: No matching distribution
FAILED tests/a/test_b.py::test_c - AssertionError: assert 'tests/x.py' in 'y'
  tests/a/test_b.py:3: AssertionError
FAILED tests/a/test_b.py::TestD::test_e[x - [1]] - assert 1 == 2
FAILED tests/a/test_b.py::test_f[one-two]
\x1b[31mERROR\x1b[0m tests/a/test_g.py
================= 3 failed, 1 error in 1.23s =================
py310: exit 1 (2.00 seconds) /home/you> python -m pytest pid=1
gunicorn23: commands_pre[0]> python -m pip install gunicorn
gunicorn23: commands[0]> python -m pytest
FAILED tests/a/test_b.py::test_c - AssertionError: again
FAILED tests/a/test_b.py::test_c - AssertionError: again
lint: commands[0]> ruff check
"""


def test_the_names_of_failed_tests_of_all_environments(tmp_path: Path) -> None:
    """Each is one line, with its environment and without its message."""
    (tmp_path / "tox.log").write_text(LOG)
    result = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "tox.log"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert result.stdout.splitlines() == [
        "py310: FAILED tests/a/test_b.py::test_c",
        "py310: FAILED tests/a/test_b.py::TestD::test_e[x - [1]]",
        "py310: FAILED tests/a/test_b.py::test_f[one-two]",
        "py310: ERROR tests/a/test_g.py",
        "gunicorn23: FAILED tests/a/test_b.py::test_c",
    ]


def test_the_end_of_a_run_prints_them() -> None:
    """They come after the summaries, which are the last that a long output is searched for."""
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    summaries = next(number for number, line in enumerate(lines) if "passed|failed" in line)
    assert ".ci/failed_tests" in lines[summaries + 1]
