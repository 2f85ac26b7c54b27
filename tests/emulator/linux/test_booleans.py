"""What each program of the platform takes for true: all settings that are on or off, all spellings.

The expected values are written out from the sources, by the program that reads a setting.
"""

from __future__ import annotations

import shutil
import subprocess

import pytest

from appsvc_runtime.emulator.linux import booleans
from appsvc_runtime.errors import ConfigError

# The spellings, and what each program makes of them: 1 is on, 0 off, e an error, u as if unset.
# fmt: off
SPELLINGS = [
    #  text      go   viper dotnet bash kudu
    ("true",    ("1", "1",  "1",   "1", "1")),
    ("True",    ("1", "1",  "1",   "0", "1")),
    ("TRUE",    ("1", "1",  "1",   "0", "1")),
    ("tRUE",    ("e", "0",  "1",   "0", "1")),
    ("1",       ("1", "1",  "e",   "0", "1")),
    ("t",       ("1", "1",  "e",   "0", "0")),
    ("T",       ("1", "1",  "e",   "0", "0")),
    ("yes",     ("e", "0",  "e",   "0", "0")),
    ("on",      ("e", "0",  "e",   "0", "0")),
    (" true ",  ("e", "0",  "1",   "0", "0")),
    ("2",       ("e", "0",  "e",   "0", "0")),
    ("false",   ("0", "0",  "0",   "0", "0")),
    ("False",   ("0", "0",  "0",   "0", "0")),
    ("fALSE",   ("e", "0",  "0",   "0", "0")),
    ("0",       ("0", "0",  "e",   "0", "0")),
    ("F",       ("0", "0",  "e",   "0", "0")),
    (" ",       ("e", "0",  "e",   "0", "0")),
    ("",        ("u", "u",  "u",   "u", "u")),
]
PROGRAMS = ("go", "viper", "dotnet", "bash", "kudu")
# Which program reads a setting, and whether it is on if unset.
SETTINGS = {
    "SCM_DO_BUILD_DURING_DEPLOYMENT":      ("kudu", True),
    "ENABLE_ORYX_BUILD":                   ("kudu", True),
    "DISABLE_PYTHON_BUILD":                ("dotnet", False),
    "DISABLE_COLLECTSTATIC":               ("dotnet", False),
    "SKIP_PLATFORM_DETECTION":             ("dotnet", False),
    "ENABLE_MULTIPLATFORM_BUILD":          ("dotnet", False),
    "CREATE_PACKAGE":                      ("dotnet", False),
    "DISABLE_RECURSIVE_LOOKUP":            ("dotnet", False),
    "DISABLE_CHECKERS":                    ("dotnet", False),
    "ORYX_DISABLE_TELEMETRY":              ("dotnet", False),
    "PYTHON_FAST_BUILD_ENABLED":           ("bash", True),
    "CreateVenvWithPythonVenv":            ("bash", False),
    "ORYX_COMPRESS_WITH_ZSTD":             ("bash", True),
    "ENABLE_ORYX_DIRECT_TAR_COMPRESSION":  ("bash", True),
    "PYTHON_ENABLE_GUNICORN_MULTIWORKERS": ("go", True),
    "ENABLE_DYNAMIC_INSTALL":              ("viper", False),
}
# fmt: on


def outcome(name: str, text: str) -> str:
    """Return 1, 0 or e for a value."""
    try:
        return "1" if booleans.is_on({name: text}, name) else "0"
    except ConfigError:
        return "e"


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_and_spelling(name: str) -> None:
    """Each setting is read as its program does."""
    program, unset = SETTINGS[name]
    wrong = {
        text: (found, right)
        for text, rights in SPELLINGS
        for right in [rights[PROGRAMS.index(program)].replace("u", str(int(unset)))]
        if (found := outcome(name, text)) != right
    }
    assert not wrong
    assert booleans.is_on({}, name) is unset


def test_the_table_is_whole() -> None:
    """No setting is without an expectation; there are some hundred combinations."""
    assert set(booleans.SWITCHES) == set(SETTINGS)
    assert len(SETTINGS) * len(SPELLINGS) >= 180


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_itself() -> None:
    """The column of bash is what the build script's own comparison says."""
    script = 'for text; do if [ "$text" = "true" ]; then echo 1; else echo 0; fi; done'
    texts = [text for text, _ in SPELLINGS if text]
    done = subprocess.run(
        ["bash", "-c", script, "-", *texts], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [rights[3] for text, rights in SPELLINGS if text]


SURPRISES = [
    pytest.param(
        "PYTHON_FAST_BUILD_ENABLED",
        "True",
        "(bash) takes only true in lower case",
        id="bash",
    ),
    pytest.param("PYTHON_FAST_BUILD_ENABLED", "false", "", id="as-meant"),
    pytest.param(
        "SCM_DO_BUILD_DURING_DEPLOYMENT",
        "yes",
        "Kudu takes only 1, and true in any case",
        id="kudu",
    ),
    pytest.param("SCM_DO_BUILD_DURING_DEPLOYMENT", "maybe", "", id="no-meaning"),
    pytest.param("ENABLE_DYNAMIC_INSTALL", "yes", "start script (viper)", id="viper"),
    pytest.param("DISABLE_COLLECTSTATIC", "1", "", id="an-error-instead"),
    pytest.param("PYTHON_FAST_BUILD_ENABLED", "", "", id="empty"),
]


@pytest.mark.parametrize(("name", "text", "said"), SURPRISES)
def test_surprises(name: str, text: str, said: str) -> None:
    """A value that does not count as it is meant is named, with what counts."""
    found = booleans.find_surprises({name: text}, PROGRAMS)
    assert len(found) == bool(said)
    assert not said or (said in found[0] and found[0].startswith(name))


def test_checks_of_start_and_build() -> None:
    """Only the program that reads a setting ends at its value."""
    go, dotnet = {"PYTHON_ENABLE_GUNICORN_MULTIWORKERS": "yes"}, {"DISABLE_COLLECTSTATIC": "1"}
    booleans.check_start(dotnet)
    booleans.check_build(go)
    with pytest.raises(ConfigError, match="the platform's start script ends") as raised:
        booleans.check_start(go)
    assert "setting PYTHON_ENABLE_GUNICORN_MULTIWORKERS is not" in raised.value.message
    assert "yes" not in raised.value.message  # a value may be a secret
    with pytest.raises(ConfigError, match="the platform's build ends"):
        booleans.check_build(dotnet)
