"""What a LaunchWorker.ps1 runs: the known versions in a few lines, and what users make of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.emulator.roles.azure_setup import AzureSetup, read_azure_setup
from appsvc_runtime.emulator.roles.launch_script import LaunchScript, read_launch_script

REPOSITORY = Path(__file__).parents[3]
# As the article has it: two branches, each for two Pythons, and no word of arguments.
ARTICLE = r"""
$two = $env:PYTHON2 -eq "on"
if (-not ($env:EMULATED -eq "true")) {
    Write-Output "Running worker.py"
    if ($two) {
        cd..
        iex "$env:PYPATH\python.exe old.py"
    }
    else {
        cd..
        iex "py worker.py"
    }
}
else {
    cd..
    iex "py worker.py"
}
"""
# Python Tools 2: values of a file.
SETUP = r"""
<#
  <ProgramEntryPoint commandLine="bin\ps.cmd LaunchWorker.ps1" />
#>
$lines = Get-Content "bin\AzureSetup.cfg" -EA:Stop
Set-Alias py (gi $interpreter_path -EA Stop)
iex "py $worker_command"
"""
# Visual Studio 2017, with and without the folder.
PASSES = r"""
$bin = Split-Path $MyInvocation.MyCommand.Path
$interpreter_path = $env:PYTHON;
"Now comes $interpreter_path $args"
Start-Process $interpreter_path -Wait -NoNewWindow -ArgumentList $args
"""
PASSES_IN_ROOT = PASSES.rstrip() + " -WorkingDirectory (split-path $bin)\n"


def command(*words: str, **more: bool) -> LaunchScript:
    return LaunchScript("command", words, words, **more)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (ARTICLE, command("worker.py")),
        (SETUP, LaunchScript("setup")),
        (PASSES, LaunchScript("arguments", in_root=False, joins=True)),
        (PASSES_IN_ROOT, LaunchScript("arguments", joins=True)),
        # What users write.
        ('cd ..\niex "py -m appsvc_runtime.worker worker.py"',
         command("-m", "appsvc_runtime.worker", "worker.py")),
        ("Set-Location ..\nInvoke-Expression 'py -3 -u \"my worker.py\"'",
         command("-u", "my worker.py")),
        ("CD ..\nPY worker.py one", command("worker.py", "one")),
        ("& python.exe worker.py > log.txt", command("worker.py", in_root=False)),
        ("cd ..\n& $python worker.py", command("worker.py")),
        ('sl ..\n& "$interpreter_path" worker.py', command("worker.py")),
        ("cd ..\n& 'C:\\Program Files\\Python\\python.exe' worker.py", command("worker.py")),
        ("cd ..\npy -V\npy -m pip install x\npy worker.py", command("worker.py")),
        ("cd ..\npy a.py\npy b.py", command("b.py", others=True)),
        ("cd ..\n& $python $args", LaunchScript("arguments")),
        ("cd ..\n& $python @args", LaunchScript("arguments")),
        ("cd ..\n$p = Start-Process $python -ArgumentList $args -PassThru",
         LaunchScript("arguments", joins=True)),
        ("cd ..\npython $args", LaunchScript("arguments")),
        ("cd ..\niex \"py $args\"", LaunchScript("arguments")),
        # Nothing that is known.
        ("", LaunchScript("unknown")),
        ("# py worker.py", LaunchScript("unknown")),
        ("$python = 'worker.py'", LaunchScript("unknown")),
        ("node worker.js", LaunchScript("unknown")),
        ("py -V", LaunchScript("unknown")),
        ("if ($args.Count) { exit }", LaunchScript("unknown")),
        ('"py $args"', LaunchScript("unknown")),
        ("iex", LaunchScript("unknown")),
        ("iex $all", LaunchScript("unknown")),
    ],
    ids=["article", "tools-2", "2017-first", "2017-last", "launcher", "quotes", "upper", "program",
         "variable", "quoted-variable", "path", "pip", "two", "call", "splat",
         "assigned", "python-args", "iex-args", "empty", "comment", "assignment", "node", "version",
         "count", "text", "nothing-evaluated", "evaluated-other"],
)  # fmt: skip
def test_versions(script: str, expected: LaunchScript) -> None:
    """Which words Python gets, in which folder."""
    assert read_launch_script(script, {}) == expected
    assert read_launch_script(script.replace("\n", "\r\n"), {}) == expected


def test_python_2_of_the_article() -> None:
    """The definition's PYTHON2 chooses the command."""
    assert read_launch_script(ARTICLE, {"PYTHON2": "on"}) == command("old.py")
    assert read_launch_script(ARTICLE, {"PYTHON2": "off"}) == command("worker.py")


@pytest.mark.parametrize("python", [r"D:\Python 3\python.exe", "/opt/pypy3"])
def test_python_of_a_variable(python: str) -> None:
    """It may have any name and blanks in its path."""
    script = 'pushd ..\niex "& `"$env:PYTHON`" worker.py"'
    assert read_launch_script(script, {"PYTHON": python}) == command("worker.py")


def test_own_script() -> None:
    """The one in the example passes its arguments on."""
    script = REPOSITORY / "examples/worker/QueueWorker/bin/LaunchWorker.ps1"
    assert read_launch_script(script.read_text(), {}) == LaunchScript("arguments")


def test_values_of_variables_are_not_shown() -> None:
    """A command may have a key from the environment: it is passed, and not shown."""
    found = read_launch_script('iex "py w.py $env:KEY"', {"KEY": "TOPSECRET"})
    assert found.words == ("w.py", "TOPSECRET")
    assert found.shown == ("w.py", "$env:KEY")
    setup = read_azure_setup("worker_command=w.py %KEY%", {"KEY": "TOPSECRET"})
    assert setup.words == ("w.py", "TOPSECRET")
    assert setup.shown == ("w.py", "%KEY%")
    assert "TOPSECRET" not in f"{found!r}{setup!r}"


@pytest.mark.parametrize(
    ("text", "words", "folder", "variables"),
    [
        ("", ["worker.py"], ".", {"PYTHONPATH": ""}),
        ("[Setup]\r\nworker_command=\"main.py\" --queue orders\r\nworker_directory=src\r\n",
         ["main.py", "--queue", "orders"], "src", {"PYTHONPATH": ""}),
        ("  worker_command=a.py\n  worker_command=b.py", ["b.py"], ".", {"PYTHONPATH": ""}),
        ("worker_command=\nworker_directory=\n", ["worker.py"], ".", {"PYTHONPATH": ""}),
        ("worker_command=-m appsvc_runtime.worker worker.py",
         ["-m", "appsvc_runtime.worker", "worker.py"], ".", {"PYTHONPATH": ""}),
        ("python_path=%RootDir%\\lib;%RootDir%\\more\npython_path_variable=IRONPYTHONPATH",
         ["worker.py"], ".", {"IRONPYTHONPATH": r"/app\lib;/app\more"}),
        ("python_path_variable=A=B", ["worker.py"], ".", {"PYTHONPATH": ""}),
        ("Worker_Command=a.py", ["worker.py"], ".", {"PYTHONPATH": ""}),
        ('worker_command="%NAME% x.py"', ["n x.py"], ".", {"PYTHONPATH": ""}),
    ],
    ids=["empty", "written", "last", "blank", "launcher", "path", "no-name", "case", "variable"],
)  # fmt: skip
def test_azure_setup(text: str, words: list[str], folder: str, variables: dict[str, str]) -> None:
    """As PowerShell reads it: the last line with a name, in exact case, anywhere in the line."""
    found = read_azure_setup(text, {"ROOTDIR": "/app", "name": "n"})
    assert isinstance(found, AzureSetup)
    assert (list(found.words), found.folder, dict(found.variables)) == (words, folder, variables)


LINES = st.sampled_from(
    [
        "cd ..",
        "iex ",
        "& ",
        "py ",
        "$python ",
        "$args",
        "worker.py",
        '"',
        "'",
        "\n",
        "#",
        "<#",
        "-u ",
    ]
)


@given(parts=st.lists(LINES, max_size=12))
def test_any_script(parts: list[str]) -> None:
    """Any text is read; only a command has words."""
    found = read_launch_script("".join(parts), {})
    assert (found.runs == "command") == bool(found.words)
