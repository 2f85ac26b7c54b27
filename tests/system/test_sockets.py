"""A port that is kept for a child that starts later."""

from __future__ import annotations

import subprocess
import sys

import pytest

from appsvc_runtime.system import sockets
from tests.support.servers import ROOT

TRY = "from appsvc_runtime.system import sockets; print(sockets.reserve(65432) is not None)"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names")
def test_a_port_is_reserved_once() -> None:
    """By one process of the machine, until its socket is closed; the port itself stays free."""

    def tried() -> str:
        return subprocess.check_output([sys.executable, "-c", TRY], cwd=ROOT, text=True).strip()

    kept = sockets.reserve(65432)
    assert kept is not None
    assert sockets.reserve(65432) is None
    assert tried() == "False"
    sockets.bind("127.0.0.1", 65432).close()
    other = sockets.reserve(65433)
    assert other is not None
    other.close()
    kept.close()
    assert tried() == "True"


def test_elsewhere_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both get a socket."""
    monkeypatch.setattr(sockets.sys, "platform", "darwin")
    for _ in range(2):
        found = sockets.reserve(65432)
        assert found is not None
        found.close()
