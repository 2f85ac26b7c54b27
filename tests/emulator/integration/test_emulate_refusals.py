"""What `appsvc emulate` refuses: one clear sentence, exit code 2, and nothing left running."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.support.emulator import FASTCGI, HTTPPLATFORM, alive_with, make_site, web_config
from tests.support.servers import run

PLATFORM = r'<httpPlatform processPath="D:\home\Python\python.exe" arguments="-c 1"/>'
GOOD = web_config(HTTPPLATFORM + PLATFORM)
CASES = [
    pytest.param({}, ["--as", "fastcgi"], "holds no web.config", id="no-web-config"),
    pytest.param({"web.config": ""}, [], "web.config", id="empty"),
    pytest.param({"web.config": "<configuration/>"}, [], "handler", id="no-handler"),
    pytest.param(
        {"web.config": web_config("<handlers><clear/></handlers>")}, [], "handler", id="cleared"
    ),
    pytest.param(
        {
            "web.config": web_config(
                '<handlers><add name="n" path="*" verb="*" modules="iisnode"/></handlers>'
            )
        },
        [],
        "Node",
        id="another-language",
    ),
    pytest.param(
        {"web.config": GOOD, "Web.config": GOOD}, [], "one file on Windows", id="both-spellings"
    ),
    pytest.param({"web.config": "<configuration><a></configuration>"}, [], ":1", id="malformed"),
    pytest.param({"web.config": "<!DOCTYPE a><configuration/>"}, [], "DOCTYPE", id="document-type"),
    pytest.param(
        {"web.config": web_config(HTTPPLATFORM)}, [], "httpPlatform", id="no-platform-element"
    ),
    pytest.param(
        {
            "web.config": web_config(
                HTTPPLATFORM + '<httpPlatform processPath="python" startupTimeLimit="9999"/>'
            )
        },
        [],
        "startupTimeLimit",
        id="out-of-range",
    ),
    pytest.param(
        {"web.config": web_config(HTTPPLATFORM + r'<httpPlatform processPath="D:\no\java.exe"/>')},
        [],
        "java.exe",
        id="program-nowhere",
    ),
    pytest.param({"web.config": web_config(FASTCGI)}, [], "WSGI_HANDLER", id="no-wsgi-handler"),
    pytest.param({"web.config": GOOD}, ["--as", "fastcgi"], "httpplatform", id="another-kind"),
    pytest.param({"web.config": GOOD}, ["--set", "A"], "--set", id="no-setting"),
    pytest.param({"web.config": GOOD}, ["--map", "A=B"], "--map", id="no-map"),
    pytest.param({"web.config": GOOD}, ["--port", "80x"], "--port", id="no-port"),
    pytest.param({"web.config": GOOD}, ["--python", "/nowhere/python"], "--python", id="no-python"),
    pytest.param(
        {"web.config": GOOD}, ["--public-name", "a b"], "--public-name", id="no-host-name"
    ),
    pytest.param({"web.config": GOOD}, ["--check", "health"], "--check", id="no-path"),
]


@pytest.mark.parametrize(("files", "options", "said"), CASES)
def test_refusals(
    tmp_path: Path, files: dict[str, str | bytes], options: list[str], said: str
) -> None:
    """Each error says what and where, on standard error, without a traceback."""
    site = make_site(tmp_path / "site", files)
    site.mkdir(exist_ok=True)
    result = run("-m", "appsvc_runtime", "emulate", str(site), "--port", "0", *options)
    assert result.returncode == 2, result.stdout + result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    if sys.platform.startswith("linux"):
        assert alive_with(str(site)) == []


def test_a_site_that_is_not_there(tmp_path: Path) -> None:
    """The error names the site."""
    result = run("-m", "appsvc_runtime", "emulate", str(tmp_path / "none"))
    assert result.returncode == 2
    assert result.stderr.startswith("Error: The site folder ")


def test_a_port_in_use(tmp_path: Path) -> None:
    """The error comes at once, before a process is started."""
    site = make_site(tmp_path / "site", {"web.config": GOOD})
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        number = busy.getsockname()[1]
        result = run("-m", "appsvc_runtime", "emulate", str(site), "--port", str(number))
    assert result.returncode == 2
    assert f"Port {number} on 127.0.0.1 is already in use" in result.stderr


def test_every_mistake_is_said_at_once(tmp_path: Path) -> None:
    """Errors are reported together, each with its line."""
    broken = HTTPPLATFORM + (
        '\n<httpPlatform processPath="D:\\no\\java.exe"\n startupTimeLimit="x"/>'
        '\n<staticContent><mimeMap fileExtension=".a"/></staticContent>'
    )
    site = make_site(tmp_path / "site", {"web.config": web_config(broken)})
    result = run("-m", "appsvc_runtime", "emulate", str(site), "--port", "0")
    assert result.returncode == 2
    assert "startupTimeLimit" in result.stderr
    assert "mimeType" in result.stderr
    assert result.stderr.count("web.config:") >= 2


def test_the_package_that_is_missing(tmp_path: Path) -> None:
    """Without the extra there is one sentence with the command that helps."""
    site = make_site(tmp_path / "site", {"web.config": GOOD})
    code = (
        "import sys; sys.modules['aiohttp'] = None\n"
        f"from appsvc_runtime.cli.main import main; sys.exit(main(['emulate', {str(site)!r}]))"
    )
    result = run("-c", code)
    assert result.returncode == 2
    assert '`pip install "appsvc-runtime[emulator]"` in this environment' in result.stderr
    assert '`pipx install "appsvc-runtime[emulator]"`' in result.stderr
