"""`appsvc emulate --as webjob` for a Linux site: nothing that the platform may lack."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.emulator.integration.test_emulate_worker import emulating
from tests.support.emulator import alive_with, make_site
from tests.support.pythons import only_on
from tests.support.servers import run

pytestmark = [
    only_on(10),
    pytest.mark.skipif(sys.platform == "win32", reason="scripts with a shebang"),
]
CONTINUOUS = "App_Data/jobs/continuous/"
TRIGGERED = "App_Data/jobs/triggered/"
WHERE = "import importlib.util, sys; print('found', bool(importlib.util.find_spec('of_the_site')))"
UNKNOWN = "Whether the platform's finds them is documented nowhere"


def with_antenv(site: Path) -> Path:
    """Add a virtual environment `antenv` with the module `of_the_site` to a site; return that."""
    import venv  # a Python for embedding has none

    venv.create(site / "antenv")
    (packages,) = (site / "antenv").glob("lib/python*/site-packages")
    (packages / "of_the_site.py").write_text("")
    return site


def executable(site: Path, *names: str) -> Path:
    for name in names:
        (site / name).chmod(0o755)
    return site


def trigger(site: Path, job: str, *options: str) -> tuple[int, str]:
    done = run("-m", "appsvc_runtime", "emulate", str(site), "--trigger", job, *options)
    return done.returncode, done.stdout + done.stderr


def test_packages_of_the_site(tmp_path: Path) -> None:
    """run.py and run.sh do not find them; a run.sh that activates antenv does."""
    activate = f'#!/bin/sh\n. "$HOME/site/wwwroot/antenv/bin/activate"\npython -c "{WHERE}"\n'
    files: dict[str, str | bytes] = {
        f"{TRIGGERED}bare/run.py": WHERE,
        f"{TRIGGERED}shell/run.sh": f'#!/bin/sh\npython3 -c "{WHERE}"\n',
        f"{TRIGGERED}active/run.sh": activate,
    }
    site = with_antenv(make_site(tmp_path / "shop", files))
    executable(site, f"{TRIGGERED}shell/run.sh", f"{TRIGGERED}active/run.sh")
    for job, found in (("bare", False), ("shell", False), ("active", True)):
        code, output = trigger(site, job)
        assert code == 0, output
        assert f" {job} " in output
        assert f"found {found}\n" in output
        assert "WebJobs of a Linux site: the site has no web.config" in output
        assert (UNKNOWN in output) is (job == "bare")


def test_scripts_that_linux_does_not_run(tmp_path: Path) -> None:
    """Each fault is a sentence with its fix, and the job is not run; another job is."""
    files: dict[str, str | bytes] = {
        f"{CONTINUOUS}bad/run.sh": b"echo ran bad\r\n",
        f"{CONTINUOUS}good/run.sh": b"#!/bin/sh\necho ran good\n",
    }
    site = executable(make_site(tmp_path / "shop", files), f"{CONTINUOUS}good/run.sh")
    with emulating(site, "--as", "webjob") as emulator:
        log = emulator.wait_for("good +ran good")
        assert "Error: continuous/bad: run.sh has no shebang. Write #!/bin/bash" in log
        assert "Error: continuous/bad: run.sh has line ends of Windows (CRLF)" in log
        assert "Error: continuous/bad: run.sh is not executable. Run `chmod +x run.sh`" in log
        assert "Ready 1 job" in log
        assert "ran bad" not in log
        assert emulator.stop() == 0
    assert alive_with(str(site)) == []
    make_site(site, {f"{TRIGGERED}worse/run.sh": b"echo ran bad\r\n"})
    code, output = trigger(site, "worse")
    assert code == 2
    for part in ("has no shebang", "line ends of Windows", "is not executable"):
        assert part in output
    assert "ran bad" not in output


def test_a_continuous_and_a_scheduled_job(tmp_path: Path) -> None:
    """They are stopped and started as on Windows, and end with all that they started."""
    loop = '#!/bin/sh\nwhile [ ! -e "$WEBJOBS_SHUTDOWN_FILE" ]; do sleep 0.1; done\necho bye\n'
    files: dict[str, str | bytes] = {
        f"{CONTINUOUS}queue/run.sh": loop,
        f"{TRIGGERED}tick/run.py": "print('tick')",
        f"{TRIGGERED}tick/settings.job": '{"schedule": "* * * * * *"}',
    }
    site = executable(make_site(tmp_path / "shop", files), f"{CONTINUOUS}queue/run.sh")
    with emulating(site, "--as", "webjob") as emulator:
        log = emulator.wait_for("tick +tick", times=2)
        assert "queue        $ run.sh\n" in log
        assert emulator.stop() == 0
        assert "queue        bye\n" in emulator.log()
    assert alive_with(str(site)) == []
    assert not list((tmp_path / ".appsvc/shop/temp").glob("run-*"))


def test_a_script_for_this_package(tmp_path: Path) -> None:
    """A run.py that imports it is warned of, as the bare interpreter may not have it."""
    site = make_site(tmp_path / "shop", {f"{TRIGGERED}a/run.py": "import appsvc_runtime\n"})
    code, output = trigger(site, "a")
    assert code == 1
    assert "run.py needs appsvc-runtime, which the bare interpreter does not have." in output
    assert "No module named 'appsvc_runtime'" in output


def test_a_site_for_windows_keeps_its_order(tmp_path: Path) -> None:
    """With web.config, Kudu's order and the project's Python count; an option decides first."""
    files: dict[str, str | bytes] = {
        f"{TRIGGERED}a/run.py": WHERE,
        "web.config": "<configuration/>",
    }
    site = with_antenv(make_site(tmp_path / "shop", files))
    python = ("--python", str(site / "antenv/bin/python"))
    code, output = trigger(site, "a", *python)
    assert (code, "found True\n" in output) == (0, True), output
    assert "WebJobs of a Windows site: the site has web.config." in output
    assert "found False\n" in trigger(site, "a", *python, "--job-os", "linux")[1]
