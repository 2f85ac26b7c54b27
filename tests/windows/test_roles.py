r"""Worker roles and WebJobs of the emulator on Windows: paths with `\`, lists with `;`."""

from __future__ import annotations

from pathlib import Path

from tests.support.emulator import make_site
from tests.windows.machine import WindowsPython

NAMESPACE = "http://schemas.microsoft.com/ServiceHosting/2008/10/ServiceDefinition"
DEFINITION = rf"""
<ServiceDefinition name="S" xmlns="{NAMESPACE}">
  <WorkerRole name="role1">
    <Runtime><EntryPoint>
      <ProgramEntryPoint commandLine="bin\ps.cmd LaunchWorker.ps1"/>
    </EntryPoint></Runtime>
  </WorkerRole>
</ServiceDefinition>"""


def test_role_without_arguments(windows: WindowsPython, folder: Path) -> None:
    """The set-up of Visual Studio: its command, its folder, its path, in any letter case."""
    site = make_site(
        folder / "S",
        {
            "ServiceDefinition.csdef": DEFINITION,
            "Role1/BIN/launchworker.PS1": 'Get-Content bin\\AzureSetup.cfg\niex "py $command"',
            "Role1/BIN/azuresetup.CFG": 'worker_command="app\\main.py" one\r\n'
            "worker_directory=src\r\npython_path=%RootDir%\\lib;%RootDir%\\more\r\n",
            "Role1/src/app/main.py": "import os, sys, time\nimport helper, other\n"
            "print('runs', sys.argv[1:], 'in', os.path.basename(os.getcwd()), flush=True)\n"
            "time.sleep(600)\n",
            "Role1/lib/helper.py": "",
            "Role1/more/other.py": "",
        },
    )
    command = windows.appsvc("emulate", windows.path(site))
    with windows.start_command(command, cwd=folder) as process:
        log = process.wait_for("runs ['one'] in src")
        assert r"$ python app\main.py one" in log


def test_settings_of_a_job(windows: WindowsPython, folder: Path) -> None:
    """As Notepad and PowerShell write it: UTF-16, with comments."""
    settings = "{\r\n  // seconds\r\n  stopping_wait_time: 172800, 'is_in_place': true,\r\n}"
    job = "App_Data/jobs/triggered/once"
    site = make_site(
        folder / "S",
        {
            f"{job}/run.py": "import os\nprint(os.path.basename(os.getcwd()))",
            f"{job}/settings.job": settings.encode("utf-16"),
        },
    )
    command = windows.appsvc(
        "emulate", windows.path(site), "--job-os", "windows", "--trigger", "once"
    )
    result = windows.run_command(command, cwd=folder)
    text = (result.stdout + result.stderr).decode()
    assert result.returncode == 0, text
    assert "once" in [line.split()[-1] for line in text.splitlines() if line.strip()]
    assert "settings.job" not in text
