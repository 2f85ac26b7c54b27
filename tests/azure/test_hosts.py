"""The host is detected by its variables, on the host and in a copy elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.azure import hosts

ROOT = Path(__file__).parents[2]
SITE = {"WEBSITE_SITE_NAME": "shop", "WEBSITE_INSTANCE_ID": "0123456789abcdef"}
LINUX = SITE | {"HOME": "/home", "PORT": "8000", "WEBSITE_HOSTNAME": "shop.azurewebsites.net"}
WINDOWS = SITE | {"HOME": "D:\\home", "OS": "Windows_NT"}
JOB = {"WEBJOBS_NAME": "nightly", "WEBJOBS_TYPE": "triggered"}
ROLE = {
    "RoleRoot": "E:\\",
    "RoleInstanceID": "web_IN_0",
    "RoleDeploymentID": "d1",
    "OS": "Windows_NT",
}

HOSTS = [
    pytest.param({}, "local", id="nothing"),
    pytest.param({"PATH": "/bin", "HOME": "/root", "PORT": "80"}, "local", id="laptop"),
    pytest.param({"OS": "Windows_NT", "HOME": "C:\\Users\\me"}, "local", id="windows-laptop"),
    pytest.param({"HTTP_PLATFORM_PORT": "1"}, "local", id="iis-of-ones-own"),
    pytest.param({"WEBSITE_SITE_NAME": "shop"}, "local", id="site-alone"),
    pytest.param({"WEBSITE_INSTANCE_ID": "x"}, "local", id="instance-alone"),
    pytest.param(SITE | {"WEBSITE_SITE_NAME": ""}, "local", id="site-empty"),
    pytest.param(JOB, "local", id="job-without-site"),
    pytest.param(LINUX, "linux", id="linux"),
    pytest.param(SITE, "linux", id="linux-without-home"),
    pytest.param(LINUX | {"OS": "Linux"}, "linux", id="linux-os"),
    pytest.param(WINDOWS, "fastcgi", id="fastcgi"),
    pytest.param(SITE | {"HOME": "C:\\home"}, "fastcgi", id="fastcgi-by-its-drive"),
    pytest.param(SITE | {"OS": "Windows_NT"}, "fastcgi", id="fastcgi-by-its-system"),
    pytest.param(SITE | {"_FCGI_SHUTDOWN_EVENT_": "1"}, "fastcgi", id="fastcgi-by-its-event"),
    pytest.param(WINDOWS | {"HTTP_PLATFORM_PORT": "20123"}, "httpplatform", id="httpplatform"),
    pytest.param(WINDOWS | {"HTTP_PLATFORM_PORT": ""}, "fastcgi", id="httpplatform-port-empty"),
    pytest.param(LINUX | JOB, "webjob", id="webjob-linux"),
    pytest.param(WINDOWS | JOB, "webjob", id="webjob-windows"),
    pytest.param(WINDOWS | JOB | {"HTTP_PLATFORM_PORT": "1"}, "webjob", id="webjob-beside-a-site"),
    pytest.param(LINUX | {"WEBJOBS_NAME": "x"}, "linux", id="half-a-webjob"),
    pytest.param(LINUX | {"WEBJOBS_PATH": "x", "WEBJOBS_STOPPED": "1"}, "linux", id="job-settings"),
    pytest.param(ROLE, "workerrole", id="role"),
    pytest.param({k.upper(): v for k, v in ROLE.items()}, "workerrole", id="role-upper-cased"),
    pytest.param({"RoleRoot": "E:\\", "RoleDeploymentID": "d"}, "workerrole", id="role-deployment"),
    pytest.param({"RoleRoot": "E:\\"}, "local", id="half-a-role"),
    pytest.param({"RoleInstanceID": "x", "RoleDeploymentID": "d"}, "local", id="role-without-root"),
    pytest.param(LINUX | ROLE, "fastcgi", id="site-before-role"),
]  # fmt: skip


@pytest.mark.parametrize(("environ", "host"), HOSTS)
def test_hosts_are_told(environ: dict[str, str], host: str) -> None:
    """Each host has variables of its own; both variables of a site must not be empty."""
    assert hosts.host_kind(environ) == host
    on_site = host in {"linux", "fastcgi", "httpplatform", "webjob"}
    assert hosts.on_app_service(environ) is on_site
    assert hosts.under_http_platform(environ) is (
        on_site and bool(environ.get("HTTP_PLATFORM_PORT"))
    )


@pytest.mark.parametrize(
    ("environ", "windows"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"OS": "Windows_NT"}, True, id="os"),
        pytest.param({"OS": "windows"}, False, id="another-os"),
        pytest.param({"HOME": "D:\\home"}, True, id="drive"),
        pytest.param({"HOME": "c:/home"}, True, id="drive-with-slash"),
        pytest.param({"HOME": "/home"}, False, id="posix"),
        pytest.param({"HOME": ""}, False, id="empty"),
        pytest.param({"HOME": "é"}, False, id="one-letter"),
    ],
)
def test_windows_is_told(environ: dict[str, str], windows: bool) -> None:
    """Windows is recognised even from a copy of its variables."""
    assert hosts.on_windows(environ) is windows


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        pytest.param({}, "/robots933456.txt", id="default"),
        pytest.param({"WEBSITE_WARMUP_PATH": ""}, "/robots933456.txt", id="empty"),
        pytest.param({"WEBSITE_WARMUP_PATH": "/ready"}, "/ready", id="set"),
    ],
)
def test_warmup_path(environ: dict[str, str], path: str) -> None:
    """The path that the platform requests until the container responds."""
    assert hosts.warmup_path(environ) == path


NAMES = st.sampled_from(
    [*LINUX, *WINDOWS, *JOB, *ROLE, *map(str.upper, ROLE), "HTTP_PLATFORM_PORT"]
)


@given(st.dictionaries(NAMES, st.text(max_size=4) | st.sampled_from(["D:\\", "\udcff", "1"])))
def test_any_variables_are_one_host(environ: dict[str, str]) -> None:
    """Any variables give one host, and all functions agree on it."""
    host = hosts.host_kind(environ)
    assert host in {"linux", "httpplatform", "fastcgi", "webjob", "workerrole", "local"}
    if host == "httpplatform":
        assert hosts.under_http_platform(environ)
    if host in {"local", "workerrole"}:
        assert not hosts.on_app_service(environ)


def test_importing_it_loads_next_to_nothing() -> None:
    """The middleware imports it while an app starts, so it loads almost nothing."""
    code = (
        "import json, sys; before = set(sys.modules); import appsvc_runtime.azure.hosts; "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    result = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
        timeout=60,
    )  # fmt: skip
    assert not set(json.loads(result.stdout)) & {"re", "typing", "dataclasses", "pathlib", "json"}
