"""Checks that run the site: real emulator, real server, a site with each fault and one without."""

from __future__ import annotations

from pathlib import Path

import pytest

from appsvc_runtime.cli.main import main
from appsvc_runtime.doctor.check import Check
from appsvc_runtime.doctor.site import Site
from appsvc_runtime.doctor.table import all_checks, run_checks
from appsvc_runtime.doctor.trial import TrialOptions
from appsvc_runtime.system.capabilities import can_fork
from tests.support.pythons import only_on

RUN = [check for check in all_checks() if check.group == "RUN"]
_SOUND = """\
def app(environ, start_response):
    found = environ["PATH_INFO"] in ("/", "/health", "/robots933456.txt")
    start_response("200 OK" if found else "404 Not Found", [("Content-Type", "text/plain")])
    return [b"fine"]
"""
_FAULTY = """\
def app(environ, start_response):
    path, host = environ["PATH_INFO"], environ["HTTP_HOST"]
    kind = [("Content-Type", "text/html"), ("Set-Cookie", "session=hunter2; HttpOnly")]
    if path == "/":
        kind.append(("Location", f"http://{host}/home"))
        start_response("302 Found", kind)
        return [b""]
    if path == "/health":
        start_response("302 Found", [("Location", "/login")])
        return [b""]
    start_response("200 OK", kind)
    return [b"<title>DisallowedHost at /</title>"]
"""
_NEEDS = "import os\nos.environ['MAIL_KEY']\n"
_BROKEN = _SOUND.replace("    found =", "    found = 1 / 0\n    other =")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not can_fork(), reason="the container is Linux'"),
    only_on(12),
]


def found_in(text: str, folder: Path, **options: object) -> tuple[set[str], list[str]]:
    """Return the ids of what is found in a run of an app, and why checks were not made."""
    (folder / "app.py").write_text(text)
    site = Site(folder, trial_options=TrialOptions(health_path="/health", **options))  # type: ignore[arg-type]
    results = run_checks(site, RUN, {"linux"})
    return {one.check.id for one in results if one.found}, [one.skipped for one in results]


def test_a_sound_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is found, and every check was made; with limits of nothing, all takes too long."""
    (tmp_path / "app.py").write_text(_NEEDS + _SOUND)
    options = TrialOptions(["MAIL_KEY=hunter2"], "/health")
    site = Site(tmp_path, trial_options=options)
    results = run_checks(site, RUN, {"linux"})
    assert [one for one in results if one.found or one.skipped] == []
    assert "hunter2" not in repr(site)
    monkeypatch.setattr("appsvc_runtime.doctor.checks.run._SLOW_START", -1.0)
    monkeypatch.setattr("appsvc_runtime.doctor.checks.run._SLOW_PROBE", 0.0)
    found = {one.check.id for one in run_checks(site, RUN, {"linux"}) if one.found}
    assert found == {"RUN-02", "RUN-04"}


def test_faults(tmp_path: Path) -> None:
    """Each fault of one run is found by its own check."""
    found, _ = found_in(_FAULTY, tmp_path)
    assert found == {"RUN-03", "RUN-04", "RUN-05", "RUN-06", "RUN-08"}


def test_a_first_page_that_fails(tmp_path: Path) -> None:
    """An exception in a view is status 500."""
    found, _ = found_in(_BROKEN, tmp_path)
    assert found == {"RUN-04", "RUN-07"}


def test_a_site_that_does_not_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason is the emulator's, and the other checks find nothing."""
    (tmp_path / "app.py").write_text(_NEEDS + _SOUND)
    assert main(["doctor", str(tmp_path), "--select", "RUN"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("RUN-01 error: ")
    assert "MAIL_KEY" in out
    assert "RUN-07" not in out


def test_a_machine_that_cannot_run_it(tmp_path: Path) -> None:
    """A missing Python is not the site's fault: the checks are not made, and say why."""
    found, skipped = found_in(_SOUND, tmp_path, python_version=(3, 99))
    assert found == set()
    assert all("3.99" in reason for reason in skipped)


def test_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--no-run` starts nothing."""
    (tmp_path / "app.py").write_text("raise SystemExit('it was run')\napp = 1\n")
    assert main(["doctor", str(tmp_path), "--no-run", "--select", "RUN"]) == 0
    assert "not run (--no-run)" in capsys.readouterr().out


def test_all_have_a_case() -> None:
    """The ids above are all that there are."""
    ids = {f"RUN-{number:02}" for number in range(1, 9)}
    assert {check.id for check in RUN} == ids
    assert all(isinstance(check, Check) and check.looks_at == ("run",) for check in RUN)
