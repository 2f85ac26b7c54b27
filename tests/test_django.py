"""`appsvc_runtime.django` returns plain values for a settings module, with reasons."""

from __future__ import annotations

import json
import logging.config
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from appsvc_runtime import ConfigError, Settings, SettingsError, load_settings
from appsvc_runtime import django as appsvc
from appsvc_runtime.system import sockets
from tests.support.servers import ROOT, clean_environ, serving

PLATFORM = {
    "WEBSITE_SITE_NAME": "shop",
    "WEBSITE_INSTANCE_ID": "0123",
    "WEBSITE_HOSTNAME": "shop.azurewebsites.net",
}
EXAMPLE = ROOT / "examples" / "django_app"


def on_platform(**variables: str) -> Settings:
    return load_settings({**PLATFORM, **variables})


def test_allowed_hosts_off_the_platform() -> None:
    """Off the platform: this machine and the hosts that are set."""
    assert appsvc.allowed_hosts(load_settings({})) == ["localhost", "127.0.0.1", "[::1]"]
    settings = load_settings({"APPSVC_ALLOWED_HOSTS": " .Example.com, www.example.org "})
    assert appsvc.allowed_hosts(settings, "dev.test")[3:] == [
        "dev.test", ".example.com", "www.example.org",
    ]  # fmt: skip


def test_allowed_hosts_on_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """The site's name, custom hosts, and the addresses that probes request."""
    monkeypatch.setattr(sockets, "own_address", lambda: "169.254.131.3")
    settings = on_platform(APPSVC_ALLOWED_HOSTS="www.example.com", WEBSITE_PRIVATE_IP="10.0.0.5")
    assert appsvc.allowed_hosts(settings) == [
        "shop.azurewebsites.net", "www.example.com", "localhost", "127.0.0.1", "[::1]",
        "169.254.131.3", "10.0.0.5",
    ]  # fmt: skip


def test_own_address_is_one_of_this_machine() -> None:
    """The address for probes can be bound here, or is empty without a network."""
    address = sockets.own_address()
    if address:
        sockets.bind(address, 0).close()


@pytest.mark.parametrize(
    "bad", ["https://x.example", "x.example:80", "x/y", "a b", "-", "m\xfcnchen.de", "a..b"]
)
def test_what_is_no_host_is_refused(bad: str) -> None:
    """An invalid host would never match, without a warning."""
    with pytest.raises(ConfigError, match=r"APPSVC_ALLOWED_HOSTS.*www\.example\.com"):
        appsvc.allowed_hosts(load_settings({"APPSVC_ALLOWED_HOSTS": bad}))
    with pytest.raises(ConfigError, match="scheme, port"):
        appsvc.allowed_hosts(load_settings({}), bad)


def test_csrf_trusted_origins() -> None:
    """All names get https; whole origins are unchanged."""
    assert appsvc.csrf_trusted_origins(load_settings({})) == []
    settings = on_platform(APPSVC_ALLOWED_HOSTS=".example.com,*")
    assert appsvc.csrf_trusted_origins(settings, "http://localhost:3000") == [
        "http://localhost:3000", "https://shop.azurewebsites.net", "https://*.example.com",
    ]  # fmt: skip


def test_https_and_cookies() -> None:
    """The header is trusted on the platform and with trusted proxies, and nowhere else."""
    header = ("HTTP_X_FORWARDED_PROTO", "https")
    assert appsvc.secure_proxy_ssl_header(load_settings({})) is None
    assert appsvc.secure_proxy_ssl_header(on_platform()) == header
    trusting = load_settings({"APPSVC_TRUSTED_PROXIES": "10.0.0.0/8"})
    assert appsvc.secure_proxy_ssl_header(trusting) == header
    assert not appsvc.secure_cookies(load_settings({}))
    assert appsvc.secure_cookies(on_platform())


POSTGRES = "Host=db;Username=u;Password='p;w';Database=app;SSL Mode=Require"
MYSQL = "Server=my;Uid=u;Pwd=p;Database=shop"


@pytest.mark.parametrize(
    ("variables", "name", "host"),
    [
        ({"POSTGRESQLCONNSTR_main": POSTGRES}, "", "db"),
        ({"POSTGRESQLCONNSTR_main": POSTGRES, "REDISCACHECONNSTR_c": "r:6380,ssl=True"}, "", "db"),
        ({"POSTGRESQLCONNSTR_main": POSTGRES, "MYSQLCONNSTR_default": MYSQL}, "", "my"),
        ({"POSTGRESQLCONNSTR_main": POSTGRES, "MYSQLCONNSTR_x": MYSQL}, "main", "db"),
        ({"AZURE_POSTGRESQL_CONNECTIONSTRING": "host=az dbname=d user=u"}, "", "az"),
    ],
    ids=["only one", "only database", "called default", "named", "service connector"],
)
def test_which_database(variables: dict[str, str], name: str, host: str) -> None:
    """The named string is used, else the one called default, else the only one."""
    for settings in (load_settings(variables), on_platform(**variables)):
        found = appsvc.databases(settings, name)
        assert found.keys() == {"default"}
        assert found["default"]["HOST"] == host


def test_no_database(tmp_path: Path) -> None:
    """Off the platform a file can replace the string; on it, only `required=False` helps."""
    file = tmp_path / "db.sqlite3"
    home = load_settings({})
    assert appsvc.databases(home, sqlite=file)["default"]["NAME"] == str(file)
    assert appsvc.databases(home, "main", sqlite=file)["default"]["NAME"] == str(file)
    assert appsvc.databases(home, required=False) == {}
    with pytest.raises(SettingsError, match="no connection string for a database"):
        appsvc.databases(home)
    with pytest.raises(SettingsError, match="no connection string for a database"):
        appsvc.databases(on_platform(), sqlite=file)
    with pytest.raises(SettingsError, match="no connection string 'main'"):
        appsvc.databases(on_platform(), "main", sqlite=file)


def test_several_databases_and_none_named() -> None:
    """Several strings without a name are an error, because any choice is a guess."""
    with pytest.raises(SettingsError, match=r"several .*\(x, main\)"):
        appsvc.databases(on_platform(POSTGRESQLCONNSTR_main=POSTGRES, MYSQLCONNSTR_x=MYSQL))


def test_logging_is_a_dict_that_works() -> None:
    """`logging.config` takes it, and it writes each line to standard output once."""
    config = appsvc.logging_config(load_settings({}), "DEBUG")
    code = (
        "import json, logging, logging.config, sys\n"
        "logging.config.dictConfig(json.loads(sys.argv[1]))\n"
        "logging.getLogger('django.request').error('once')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, json.dumps(config)], capture_output=True, text=True,
        check=True, timeout=30,
    )  # fmt: skip
    assert result.stderr == ""
    assert result.stdout.count("once") == 1
    assert logging.config is not None


@pytest.mark.parametrize(
    "other",
    [
        {"SERVICEBUSCONNSTR_bus": "@Microsoft.KeyVault(VaultName=v;SecretName=s)"},
        {"REDISCACHECONNSTR_r": "=,="},
        {"AZUREBLOBSTORAGE_default": "AccountName=a;AccountKey=k"},
        {"SERVICEBUSCONNSTR_main": "Endpoint=sb://x"},
    ],
    ids=str,
)
def test_other_services_do_not_matter(other: dict[str, str]) -> None:
    """Strings of other services are ignored."""
    settings = on_platform(POSTGRESQLCONNSTR_main=POSTGRES, **other)
    assert appsvc.databases(settings)["default"]["HOST"] == "db"


def test_a_role_has_no_front_end() -> None:
    """On a role, no header and no https is trusted."""
    settings = load_settings({"RoleRoot": "E:", "RoleInstanceID": "r_0"})
    assert settings.host == "workerrole"
    assert appsvc.secure_proxy_ssl_header(settings) is None
    assert not appsvc.secure_cookies(settings)


@pytest.mark.parametrize(
    ("hostname", "host"),
    [("MySite.azurewebsites.net", "mysite.azurewebsites.net"), (" ", ""), ("*", ""), ("a:80", "a")],
)
def test_the_sites_own_name(hostname: str, host: str) -> None:
    """The site's name is as browsers send it; an invalid name is left out."""
    settings = on_platform(WEBSITE_HOSTNAME=hostname, WEBSITE_PRIVATE_IP="fd00::1")
    assert (host in appsvc.allowed_hosts(settings)) == bool(host)
    assert "*" not in appsvc.allowed_hosts(settings)
    assert "[fd00::1]" in appsvc.allowed_hosts(settings)
    assert appsvc.csrf_trusted_origins(settings) == ([f"https://{host}"] if host else [])


@pytest.mark.parametrize("origin", ["http://x/path", "://", "ftp://x", "https://", "HTTPS://X"])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    """An invalid origin would never match."""
    with pytest.raises(ConfigError, match="cannot be used"):
        appsvc.csrf_trusted_origins(load_settings({}), origin)


def test_values_are_fresh_each_time() -> None:
    """A change of a result does not change the next one."""
    settings = on_platform(POSTGRESQLCONNSTR_main=POSTGRES)
    for function in (appsvc.allowed_hosts, appsvc.databases, appsvc.logging_config):
        first: Any = function(settings)
        first.clear()
        assert function(settings)


def test_choices_say_why() -> None:
    """Every function is listed with a reason, even if it would raise."""
    for settings in (
        load_settings({}),
        on_platform(),
        on_platform(POSTGRESQLCONNSTR_a=POSTGRES),
        load_settings({"APPSVC_ALLOWED_HOSTS": "https://x", "APPSVC_LOG_LEVEL": "loud"}),
    ):
        made = appsvc.choices(settings, ".")
        assert [choice.name for choice in made] == [
            "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "SECURE_PROXY_SSL_HEADER",
            "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "DATABASES", "LOGGING", "STATIC_ROOT",
        ]  # fmt: skip
        assert all(choice.why for choice in made)


def test_django_itself_takes_the_values() -> None:
    """`manage.py check --deploy` runs with them, and Django's own check of hosts agrees."""
    code = (
        "import os, json\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'mysite.settings'\n"
        "import django; django.setup()\n"
        "from django.conf import settings\n"
        "from django.core.checks import run_checks\n"
        "from django.http.request import validate_host, split_domain_port\n"
        "from django.db import connections\n"
        "hosts = ['shop.azurewebsites.net', 'a.example.com', 'evil.test', '127.0.0.1:8000']\n"
        "print(json.dumps([[validate_host(split_domain_port(h)[0], settings.ALLOWED_HOSTS)\n"
        "                   for h in hosts],\n"
        "    [str(m.id) for m in run_checks(include_deployment_checks=True) if m.level >= 40],\n"
        "    connections['default'].settings_dict['PASSWORD'], settings.STATIC_ROOT.name]))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=EXAMPLE,
        timeout=60,
        env=clean_environ(
            **PLATFORM, SECRET_KEY="k" * 60, APPSVC_ALLOWED_HOSTS=".example.com",
            POSTGRESQLCONNSTR_main=POSTGRES,
        ),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    hosts, errors, password, folder = json.loads(result.stdout)
    assert hosts == [True, True, False, True]
    assert (errors, password, folder) == ([], "p;w", "staticfiles")


@pytest.mark.integration
def test_the_example_answers_probes_by_address() -> None:
    """Started as on the platform, it accepts the Host of the platform's probes."""
    with serving(
        "-m", "appsvc_runtime", "serve", "--site", str(EXAMPLE), "--port", "{port}",
        cwd=ROOT, SECRET_KEY="k" * 60, **PLATFORM,
    ) as server:  # fmt: skip
        own = sockets.own_address() or "127.0.0.1"
        for host, status in [
            (f"{own}:{server.port}", 200),
            ("shop.azurewebsites.net", 200),
            ("evil.test", 400),
        ]:
            assert server.request("/", {"Host": host})[0] == status, server.log()


@pytest.mark.integration
def test_the_example_without_its_key() -> None:
    """On the platform the site does not start, and the log names the missing setting."""
    result = subprocess.run(
        [sys.executable, "-m", "appsvc_runtime.runserver", "--port", "0"],
        capture_output=True, text=True, check=False, cwd=EXAMPLE, timeout=60,
        env=clean_environ(**PLATFORM),
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.startswith("Error: The setting SECRET_KEY is missing")
    assert "Traceback" not in result.stderr


def test_importing_it_loads_no_django() -> None:
    """It returns values for Django, but does not import Django."""
    code = "import sys, appsvc_runtime.django; print('django' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
        timeout=30,
    )  # fmt: skip
    assert result.stdout == "False\n"
