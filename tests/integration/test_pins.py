"""Installing beside pinned packages: pip is asked for its plan, and changes no pinned release."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import wheels
from tests.support.pythons import only_on
from tests.support.servers import ROOT

# Each is a possible requirements.txt.
PINS = [
    "gunicorn==20.1.0",
    "gunicorn==21.2.0",
    "gunicorn==22.0.0",
    "gunicorn==23.0.0",
    "gunicorn==25.3.0",
    "click==8.0.4",
    "click==8.1.7",
    "python-dotenv==0.19.2",
    "python-dotenv==0.21.1",
    "python-dotenv==1.0.1",
    "python-json-logger==0.1.11",
    "python-json-logger==2.0.7",
    "waitress==3.0.1",
    "flask==2.1.3 werkzeug==2.1.2 gunicorn==20.1.0",
    "flask==2.3.3 werkzeug==2.3.8 click==8.1.7 gunicorn==21.2.0 python-dotenv==1.0.0",
    "django==3.2.25 gunicorn==20.1.0 python-dotenv==0.20.0",
    "django==4.2.16 gunicorn==23.0.0 whitenoise==6.6.0",
    "fastapi==0.95.2 starlette==0.27.0 uvicorn==0.22.0 gunicorn==20.1.0 click==8.1.3",
]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def plan(*wanted: str, report: Path) -> subprocess.CompletedProcess[str]:
    """Return pip's report on what it would install into an empty environment."""
    options = ["--dry-run", "--ignore-installed", "--quiet", "--report", str(report)]
    return subprocess.run(
        [*PIP, "install", *options, *wanted],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel; skip if no package registry can be reached, unless this is CI."""
    folder = tmp_path_factory.mktemp("pins")
    asked = plan("--no-deps", "click==8.1.7", report=folder / "click.json")
    if asked.returncode and not os.environ.get("CI"):
        pytest.skip("no package registry responds")
    assert asked.returncode == 0, asked.stderr
    return wheels.build_wheel(folder)


@only_on(10)
@pytest.mark.parametrize("pins", PINS)
def test_installs_beside_a_pin(pins: str, wheel: Path, tmp_path: Path) -> None:
    """Pip finds a plan, and the pinned releases are in it."""
    result = plan(str(wheel), *pins.split(), report=tmp_path / "plan.json")
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "plan.json").read_text("utf-8"))
    planned = {normal(one["metadata"]["name"]): one["metadata"]["version"]
               for one in report["install"]}  # fmt: skip
    assert "appsvc-runtime" in planned
    for pin in pins.split():
        name, version = pin.split("==")
        assert planned[normal(name)] == version


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def floors() -> dict[str, str]:
    """Return the lowest releases in setup.cfg for the packages that are needed at run time."""
    config = configparser.ConfigParser(interpolation=None, inline_comment_prefixes="#")
    config.read(ROOT / "setup.cfg", "utf-8")
    extras = config["options.extras_require"]
    texts = [config["options"]["install_requires"]]
    texts += [extras[name] for name in ("granian", "pydantic", "singleton")]
    texts += [line for line in extras["test"].splitlines() if line.startswith("uvicorn>")]
    return dict(re.findall(r"^([a-z-]+)>=([0-9.]+)", "\n".join(texts), re.MULTILINE))


def test_the_oldest_are_those_that_are_taken() -> None:
    """tests/oldest.txt has every lower bound of setup.cfg as a pin."""
    text = (ROOT / "tests" / "oldest.txt").read_text("utf-8")
    listed = dict(re.findall(r"^([a-z-]+)==([0-9.]+)$", text, re.MULTILINE))
    for besides in ("setuptools", "six"):  # imported by releases of the other packages
        listed.pop(besides)
    assert set(listed) == set(floors())
    for name, version in floors().items():
        assert (listed[name] + ".").startswith(version + "."), name
