"""`appsvc emulate --as worker`: a Cloud Service's roles as the fabric runs them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.apps import copy_example
from tests.support.azurite import azurite
from tests.support.emulator import alive_with, make_site
from tests.support.pythons import only_on
from tests.support.servers import clean_environ, run

pytestmark = only_on(14)
NAMESPACE = "http://schemas.microsoft.com/ServiceHosting/2008/10/"
SHOW = """
    import os, sys, time
    print("argv", sys.argv[1:], "in", os.path.basename(os.getcwd()), flush=True)
    for name in sorted(os.environ):
        if name.startswith(("Role", "EMULATED", "MY_", "Diagnostic", "PYTHON")):
            print(f"{name}={os.environ[name]}", flush=True)
    print("a word of warning", file=sys.stderr, flush=True)
    time.sleep(600)
"""


def csdef(role: str, entry: str = r"bin\ps.cmd LaunchWorker.ps1 worker.py one %MY_ID%") -> str:
    return f"""<?xml version="1.0"?>
<ServiceDefinition name="S" xmlns="{NAMESPACE}ServiceDefinition">
  <WorkerRole name="{role}">
    <Runtime><Environment>
      <Variable name="MY_TEXT" value="a b"/>
      <Variable name="MY_ID">
        <RoleInstanceValue xpath="/RoleEnvironment/CurrentInstance/@id"/>
      </Variable>
      <Variable name="MY_SETTING"><RoleInstanceValue xpath="/RoleEnvironment/CurrentInstance/\
ConfigurationSettings/ConfigurationSetting[@name='Storage']/@value"/></Variable>
      <Variable name="MY_STORE"><RoleInstanceValue xpath="/RoleEnvironment/CurrentInstance/\
LocalResources/LocalResource[@name='cache']/@path"/></Variable>
      <Variable name="MY_NOTHING"><RoleInstanceValue xpath="/RoleEnvironment/Else/@id"/></Variable>
    </Environment>
    <EntryPoint>
      <ProgramEntryPoint commandLine="{entry}" setReadyOnProcessStart="true"/>
    </EntryPoint>
    </Runtime>
    <ConfigurationSettings><Setting name="Storage"/></ConfigurationSettings>
    <LocalResources><LocalStorage name="cache" sizeInMB="10"/></LocalResources>
  </WorkerRole>
</ServiceDefinition>"""


CSCFG = f"""<ServiceConfiguration xmlns="{NAMESPACE}ServiceConfiguration">
<Role name="W"><Instances count="2"/><ConfigurationSettings>
<Setting name="Storage" value="from-the-configuration"/></ConfigurationSettings></Role>
</ServiceConfiguration>"""


class Emulated:
    """A running emulator and its log."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    def log(self) -> str:
        """Return its output so far."""
        return self._output.read_text("utf-8", "replace")

    def wait_for(self, pattern: str, times: int = 1, seconds: float = 40) -> str:
        """Wait until its output matches a pattern; return the log."""
        deadline = time.monotonic() + seconds
        while len(re.findall(pattern, self.log(), re.MULTILINE)) < times:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"It did not print {pattern!r}:\n{self.log()}")
            time.sleep(0.01)
        return self.log()

    def stop(self) -> int:
        """Press Ctrl-C; return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(40)


@contextmanager
def emulating(site: Path, *options: str, **variables: str) -> Iterator[Emulated]:
    """Run `appsvc emulate SITE` until the block ends."""
    output = site.parent / "emulator.out"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "appsvc_runtime", "emulate", str(site), *options],
            env=clean_environ(**variables),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Emulated(process, output)
    finally:
        for _ in range(2):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()


def test_role_of_a_definition(tmp_path: Path) -> None:
    """Each instance has the command line, variables, folders and logs of the fabric and ps.cmd."""
    site = make_site(
        tmp_path / "S",
        {"ServiceDefinition.csdef": csdef("W"), "ServiceConfiguration.cscfg": CSCFG,
         "W/worker.py": SHOW},
    )  # fmt: skip
    with emulating(site) as emulator:
        log = emulator.wait_for("a word of warning", times=2)
        assert "Ready 2 instances" in log
        assert "argv ['one', 'deployment(" in log
        assert "in W\n" in log
        for line in (
            "EMULATED=true",
            "MY_TEXT=a b",
            "MY_SETTING=from-the-configuration",
            f"PYTHON={sys.executable}",
        ):
            assert log.count(line) == 2, line
        assert len(set(re.findall(r"MY_ID=(.*)", log))) == 2
        assert "MY_NOTHING" in log.partition("Ready")[0]  # a warning: its xpath has no value
        assert "MY_NOTHING=" not in log
        stores = {Path(path) for path in re.findall(r"DiagnosticStore=(.*)", log)}
        assert len(stores) == 2
        for store in stores:
            assert "argv ['one'" in (store / "LogFiles/LaunchWorker.ps1.txt").read_text()
            errors = (store / "LogFiles/LaunchWorker.ps1.err.txt").read_text()
            assert errors == "a word of warning\n"
        assert all(Path(path).is_dir() for path in re.findall(r"MY_STORE=(.*)", log))
        assert emulator.stop() == 0
    assert alive_with(str(site)) == []


def test_settings_and_instances_from_the_command_line(tmp_path: Path) -> None:
    """They override the configuration."""
    site = make_site(
        tmp_path / "S",
        {"ServiceDefinition.csdef": csdef("W"), "ServiceConfiguration.cscfg": CSCFG,
         "W/worker.py": SHOW},
    )  # fmt: skip
    with emulating(site, "--as", "worker", "--instances", "1", "--set", "Storage=mine") as emulator:
        log = emulator.wait_for("a word of warning")
        assert "Ready 1 instance\n" in log
        assert "MY_SETTING=mine" in log
        assert emulator.stop() == 0


def test_role_folder_without_a_definition(tmp_path: Path) -> None:
    """A worker.py is run as with the templates' definition."""
    site = make_site(tmp_path / "Worker1", {"worker.py": SHOW, "requirements.txt": ""})
    with emulating(site, "--as", "worker") as emulator:
        log = emulator.wait_for("a word of warning")
        assert "argv [] in Worker1" in log
        assert "EMULATED=true" in log
        assert emulator.stop() == 0


def test_entry_point_that_ends_is_recycled(tmp_path: Path) -> None:
    """LaunchWorker.ps1 does not restart it; the fabric does, and the emulator reports that."""
    site = make_site(tmp_path / "W", {"worker.py": "raise SystemExit(3)"})
    with emulating(site, "--as", "worker") as emulator:
        log = emulator.wait_for("The entry point has ended", times=2)
        assert "(exit code 3, which LaunchWorker.ps1 does not pass on)" in log
        assert emulator.stop() == 0


def test_the_example_with_its_queue(tmp_path: Path) -> None:
    """The launcher in the role, orders in the queue, receipts, a clean stop on Ctrl-C."""
    site = copy_example("worker", tmp_path)
    with azurite() as storage:
        setting = f"Storage={storage.connection_string}"
        with emulating(site, "--set", setting) as emulator:
            emulator.wait_for("worker.py has started as process")
            sent = subprocess.run(
                [sys.executable, "QueueWorker/send.py", "5"],
                cwd=site,
                env=clean_environ(STORAGE=storage.connection_string),
                check=False,
                timeout=60,
            )
            assert sent.returncode == 0
            emulator.wait_for("receipt written", times=5)
            assert emulator.stop() == 0
            assert "it was asked to stop" in emulator.log()
            assert "AccountKey" not in emulator.log()


def test_secrets_in_the_command_line_are_not_shown(tmp_path: Path) -> None:
    """The definition's text is shown, without its variables' values."""
    site = make_site(
        tmp_path / "S",
        {
            "ServiceDefinition.csdef": csdef("W", r"bin\ps.cmd LaunchWorker.ps1 worker.py %KEY%"),
            "W/worker.py": "import sys, time\nprint(len(sys.argv[1]), flush=True)\ntime.sleep(600)",
        },
    )
    with emulating(site, "--set", "KEY=TOPSECRET") as emulator:
        log = emulator.wait_for("W +9$")
        assert "$ python worker.py %KEY%" in log
        assert "TOPSECRET" not in log


def test_local_storage_and_a_second_emulator(tmp_path: Path) -> None:
    """It is emptied when the instance is recycled, but never by another emulator."""
    code = """
        import os, time
        place = os.path.join(os.environ["MY_STORE"], "file")
        print("before", os.path.exists(place), flush=True)
        open(place, "w").close()
        time.sleep(0.2)
    """
    site = make_site(tmp_path / "S", {"ServiceDefinition.csdef": csdef("W"), "W/worker.py": code})
    with emulating(site) as emulator:
        emulator.wait_for("before False", times=2)
        assert "before True" not in emulator.log()
        result = run("-m", "appsvc_runtime", "emulate", str(site))
        assert result.returncode == 2
        assert "Another emulator runs this project already" in result.stderr


@pytest.mark.parametrize(
    ("files", "options", "said"),
    [
        ({"readme.txt": ""}, ["--as", "worker"], "There is no ServiceDefinition.csdef in"),
        ({"ServiceDefinition.csdef": ""}, [], "ServiceDefinition.csdef is empty"),
        ({"ServiceDefinition.csdef": "<a"}, [], "not well-formed XML"),
        ({"ServiceDefinition.csdef": "<!DOCTYPE a><a/>"}, [], "has a DOCTYPE"),
        (
            {"ServiceDefinition.csdef": csdef("W", "Worker.exe")},
            [],
            "The entry point of 'W' does not run Python",
        ),
        (
            {"ServiceDefinition.csdef": csdef("W").replace("ProgramEntryPoint", "NetFxEntryPoint")},
            [],
            "has no program entry point",
        ),
        (
            {"ServiceDefinition.csdef": csdef("W", r"bin\ps.cmd LaunchWorker.ps1")},
            [],
            "gives Python nothing to run",
        ),
        ({"worker.py": ""}, ["--as", "worker", "--port", "1"], "--port means nothing to a worker"),
        ({"worker.py": ""}, ["--as", "worker", "--trigger", "x"], "--trigger means nothing to a"),
        ({"worker.py": ""}, ["--as", "worker", "--python", "/none"], "--python '/none'"),
    ],
    ids=["nothing", "empty", "malformed", "doctype", "not-python", "no-entry-point", "no-script",
         "port", "trigger", "python"],
)  # fmt: skip
def test_what_cannot_be_emulated(
    tmp_path: Path, files: dict[str, str], options: list[str], said: str
) -> None:
    """The error is one sentence with exit code 2, without a traceback."""
    site = make_site(tmp_path / "S", files)
    result = run("-m", "appsvc_runtime", "emulate", str(site), *options)
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    """The error names it."""
    result = run("-m", "appsvc_runtime", "emulate", str(tmp_path / "none"), "--as", "worker")
    assert result.returncode == 2
    assert f"The project folder '{tmp_path / 'none'}' does not exist." in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc shows who is left")
def test_emulator_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    """Its child processes end with it."""
    site = make_site(tmp_path / "W", {"worker.py": SHOW})
    with emulating(site, "--as", "worker") as emulator:
        emulator.wait_for("a word of warning")
        emulator.process.kill()
        emulator.process.wait()
        deadline = time.monotonic() + 20
        while alive_with(str(site)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
