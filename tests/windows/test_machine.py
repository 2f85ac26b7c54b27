"""The Windows Python itself: what it is, its variables and paths, and the end of its processes."""

from __future__ import annotations

from pathlib import Path

from tests.windows.machine import WindowsPython

WHAT = r"""
import os, sys, appsvc_runtime
print(sys.platform, sys.version_info[:2], os.name, os.environ["SHOP"], os.getcwd())
print(appsvc_runtime.__file__)
sys.stdout.flush(); print("wrong", file=sys.stderr); sys.exit(7)
"""


def test_it_is_windows_with_this_repository(windows: WindowsPython, folder: Path) -> None:
    done = windows.run("-c", WHAT, cwd=folder, SHOP="a b")
    assert done.stdout.decode().splitlines() == [
        f"win32 (3, 11) nt a b {windows.path(folder)}",
        r"D:\repo\appsvc_runtime\__init__.py",
    ]
    assert (done.stderr, done.returncode) == (b"wrong\r\n", 7)


def test_the_command_is_there(windows: WindowsPython, folder: Path) -> None:
    done = windows.run_command(windows.appsvc("--version"), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert b"appsvc" in done.stdout


GRANDCHILD = r"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)"])
time.sleep(600)
"""


def test_a_process_ends_with_its_tree(windows: WindowsPython, folder: Path) -> None:
    with windows.start("-c", GRANDCHILD, cwd=folder) as process:
        process.wait_for("here")
        assert len(process.tree()) >= 2
    assert process.tree() == []


WAITING = r"""
import time
print("here", flush=True)
try: time.sleep(600)
except KeyboardInterrupt: print("stopped")
"""


def test_ctrl_c_is_pressed_in_a_console(windows: WindowsPython, folder: Path) -> None:
    with windows.console(windows.command("-c", WAITING), cwd=folder) as process:
        process.wait_for("here")
        process.press_ctrl_c()
        assert process.wait() == 0, process.text
        assert "stopped" in process.text
