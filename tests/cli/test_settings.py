"""`appsvc settings`: what the app would see, from which source, and what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.redaction.test_token_shapes import TOKENS
from tests.support.commands import call
from tests.support.servers import ROOT, run

SECRET = "S3CR3T-marker"
PLATFORM = {
    "WEBSITE_SITE_NAME": "shop",
    "WEBSITE_INSTANCE_ID": "0123456789abcdef",
    "WEBSITE_HOSTNAME": "shop.azurewebsites.net",
    "REGION_NAME": "West Europe",
}


def ask(folder: Path, *arguments: str, **variables: str) -> str:
    result = call("settings", "--site", str(folder), *arguments, **variables)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def ask_json(folder: Path, *arguments: str, **variables: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(folder, "--json", *arguments, **variables))
    found["rows"] = {row["name"]: row for row in found["settings"]}
    return found


def test_at_home_with_a_dotenv_file(tmp_path: Path) -> None:
    """The environment takes precedence over `.env`; each value has its source."""
    (tmp_path / ".env").write_text("APP_A=1\nAPP_B=2\n")
    found = ask_json(tmp_path, APP_B="3")
    assert found["host"] == "local"
    assert found["dotenv"] == str(tmp_path / ".env")
    assert found["rows"]["APP_A"]["value"] == "1"
    assert found["rows"]["APP_A"]["origin"] == str(tmp_path / ".env")
    assert (found["rows"]["APP_B"]["value"], found["rows"]["APP_B"]["origin"]) == (
        "3", "environment",
    )  # fmt: skip
    assert found["rows"]["APPSVC_HTTPS_ONLY"] == {
        "group": "app setting", "name": "APPSVC_HTTPS_ONLY", "value": "false", "origin": "default",
    }  # fmt: skip
    assert found["findings"] == []


def test_on_the_platform(tmp_path: Path) -> None:
    """No `.env` is read; the first lines of the table name the site."""
    (tmp_path / ".env").write_text("APP_A=1\n")
    text = ask(tmp_path, **PLATFORM, APPSETTING_COLOR="red", COLOR="red", PORT="8000")
    assert "Host:    linux (shop, Production, 01234567, West Europe)" in text
    assert ".env:    none read" in text
    assert "APP_A" not in text
    groups = text.split("\n\n")
    assert any(g.startswith("Platform:") and "PORT = 8000" in g for g in groups)
    assert any(g.startswith("App setting:") and "COLOR = red  [environment]" in g for g in groups)
    assert "APPSETTING_" not in text


SECRETS = {
    "DB_PASSWORD": SECRET,
    "STRIPE_API_KEY": SECRET,
    "apiToken": SECRET,
    "IDENTITY_HEADER": SECRET,
    "WEBSITE_AUTH_ENCRYPTION_KEY": SECRET,
    "CACHE_LOCATION": f"redis://:{SECRET}@host:6379/0",
    "STORE": f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={SECRET}==",
    "PACKAGE": f"https://x.blob.core.windows.net/a.zip?sv=1&sig={SECRET}",
    "POSTGRESQLCONNSTR_main": f"Host=db.example;Username=me;Password='{SECRET};x';Database=app",
    "SQLAZURECONNSTR_bad": f'Server=x;Password="{SECRET}',
    "CUSTOMCONNSTR_token": SECRET,
    "AZURE_REDIS_CONNECTIONSTRING": f"h:6380,password={SECRET},ssl=True",
    "MSI_SECRET": SECRET,
}


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--django"]], ids=str)
def test_secrets_are_hidden(tmp_path: Path, arguments: list[str]) -> None:
    """They are recognised by their names and by their values.

    The target of a string is still shown.
    """
    text = ask(tmp_path, *arguments, **PLATFORM, **SECRETS)
    assert SECRET not in text
    if "--django" not in arguments:
        assert "********" in text
        assert "db.example" in text
    shown = ask(tmp_path, *arguments, POSTGRESQLCONNSTR_a=f"Host=h.example;Pwd={SECRET}")
    assert SECRET not in shown
    assert "********" in shown
    assert "h.example" in shown


def test_secrets_are_shown_when_asked_for(tmp_path: Path) -> None:
    """All secrets are shown in full."""
    found = ask_json(tmp_path, "--show-secrets", **PLATFORM, **SECRETS)
    assert {name: found["rows"][name]["value"] for name in SECRETS} == SECRETS
    shown = ask(tmp_path, "--show-secrets", "--django", POSTGRESQLCONNSTR_a=f"Host=h;Pwd={SECRET}")
    assert SECRET in shown


LEAKS = {
    "AZURE_POSTGRESQL_CONNECTIONSTRING": f"host=h dbname=d user=u password=p sslpassword={SECRET}",
    "CUSTOMCONNSTR_hook": f"https://{SECRET}@sentry.example/1",
    "REDISCACHECONNSTR_c": SECRET,
    "A": f"@Microsoft.KeyVault({SECRET})",
    "REDIS_AUTH": SECRET,
    "DBPW": SECRET,
    "BLOBSAS": SECRET,
    "JWT": SECRET,
    "CMD": f"Basic {SECRET}",
    "X": f"sk_live_{SECRET}",
}


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--django", "--json"]], ids=str)
def test_less_obvious_secrets_are_hidden(tmp_path: Path, arguments: list[str]) -> None:
    """Options of a database, bare keys, tokens in a URL, and names that only people understand."""
    assert SECRET not in ask(tmp_path, *arguments, **LEAKS)


@pytest.mark.parametrize(
    "arguments", [[], ["--json"], ["--django"], ["--django", "--json"]], ids=str
)
def test_tokens_of_known_issuers_are_hidden(tmp_path: Path, arguments: list[str]) -> None:
    """This includes variables with neutral names, and the lists for Django."""
    tokens = {f"VALUE_{n}": token for n, (_, token) in enumerate(TOKENS.values())}
    host = TOKENS["github p"][1].lower()
    text = ask(tmp_path, *arguments, **tokens, APPSVC_ALLOWED_HOSTS=f"shop.example,{host}")
    assert not [token for token in (host, *tokens.values()) if token in text]
    assert "shop.example" in text or "--django" not in arguments


@pytest.mark.parametrize("encoding", ["cp437", "cp1252", "utf-8", "ascii"])
def test_any_output_can_say_it(tmp_path: Path, encoding: str) -> None:
    """Redirected output on Windows and names that are not UTF-8 work, and no line can be forged."""
    hostile = "a\udcff\n\x1b[31mforged"
    variables = {
        "PYTHONIOENCODING": encoding, "WEBSITE_SITE_NAME": hostile, "A": "\U0001f600" * 90,
        "SQLCONNSTR_x": "@Microsoft.KeyVault(x)", f"B{hostile}": "1",
    }  # fmt: skip
    result = run("-m", "appsvc_runtime", "settings", "--site", str(tmp_path), **variables)
    assert (result.returncode, result.stderr) == (0, "")
    text = result.stdout
    assert "\x1b" not in text
    assert not [line for line in text.splitlines() if line.startswith(("\x1b", "[31m", "forged"))]


@pytest.mark.parametrize(
    ("variables", "code", "where", "words"),
    [
        ({"WEBSITE_SITE_NAME": "x"}, "half-platform", "WEBSITE_SITE_NAME", "companion"),
        (
            {"K": "@Microsoft.KeyVault(VaultName=safe;SecretName=s)"},
            "key-vault", "K", "vault 'safe'",
        ),
        ({"APPSETTING_A": "1", "A": "2"}, "changed", "A", "startup command"),
        ({"APPSVC_HTTPS_ONLY": "jein"}, "malformed", "APPSVC_HTTPS_ONLY", "true or false"),
        ({"PORT": "80_00"}, "malformed", "PORT", "1 to 65535"),
        ({"APPSVC_TRUSTED_PROXIES": "x y"}, "malformed", "APPSVC_TRUSTED_PROXIES", "address"),
        ({"A:B": "1", "A__B": "2"}, "spelling", "A__B", "differ"),
        ({"A": "\udcff"}, "malformed", "A", "UTF-8"),
        (
            {"SQLCONNSTR_a": "Server=x;Password=@Microsoft.KeyVault(VaultName=safe;SecretName=s)"},
            "key-vault", "SQLCONNSTR_a", "vault 'safe'",
        ),
        ({"MYSQLCONNSTR_a": "nothing"}, "connection-string", "MYSQLCONNSTR_a", "'='"),
        (
            {"MYSQLCONNSTR_a": "Server=x", "SQLCONNSTR_A": "Server=y"},
            "same-name", "MYSQLCONNSTR_a", "SQLCONNSTR_A",
        ),
        (
            {"SQLCONNSTR_a": "Server=x;Password={your_password}"},
            "placeholder", "SQLCONNSTR_a", "portal",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_findings(
    tmp_path: Path, variables: dict[str, str], code: str, where: str, words: str
) -> None:
    """Each problem is reported once, with its setting, in the table and in JSON."""
    found = ask_json(tmp_path, **variables)["findings"]
    assert [(f["code"], f["where"]) for f in found] == [(code, where)]
    assert words in found[0]["message"] + found[0]["hint"]
    assert found[0]["message"] in ask(tmp_path, **variables)


def test_a_line_of_dotenv_that_says_nothing(tmp_path: Path) -> None:
    """The finding has its line number."""
    (tmp_path / ".env").write_text(f'A=1\nB {SECRET} = "\n')
    found = ask_json(tmp_path)["findings"]
    assert [f["where"] for f in found] == [f"{tmp_path / '.env'}:2"]
    assert SECRET not in json.dumps(found)


def test_values_that_would_break_the_table(tmp_path: Path) -> None:
    """Newlines, control characters, invalid UTF-8 and long values take one line each."""
    text = ask(
        tmp_path, A="one\ntwo\x1b[31m", B="x" * 100_000, C="\udcff\udcfe",
    )  # fmt: skip
    assert r"A = one\ntwo\x1b[31m  [environment]" in text
    assert "(100000 characters)" in text
    assert r"C = \udcff\udcfe" in text
    assert max(map(len, text.splitlines())) < 700


def test_mistakes(tmp_path: Path) -> None:
    """The error is one sentence, with exit code 2."""
    result = call("settings", "--site", str(tmp_path / "none"))
    assert (result.returncode, result.stdout) == (2, "")
    assert "cannot be entered" in result.stderr
    (tmp_path / ".env").write_bytes(b"A=\xff\n")
    result = call("settings", "--site", str(tmp_path))
    assert (result.returncode, result.stdout) == (2, "")
    assert "is not UTF-8 (line 1)" in result.stderr


def test_django_says_why(tmp_path: Path) -> None:
    """Each value has its reason, in both formats."""
    text = ask(tmp_path, "--django", **PLATFORM, POSTGRESQLCONNSTR_main="Host=db;Pwd=p")
    assert "SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')" in text
    assert "because: the connection string POSTGRESQLCONNSTR_main" in text
    told = json.loads(ask(ROOT, "--django", "--json"))["django"]
    values = {one["name"]: one["value"] for one in told}
    assert values["STATIC_ROOT"] == str(ROOT / "staticfiles")
    assert values["DATABASES"]["default"]["NAME"].endswith("db.sqlite3")
    assert values["SECURE_PROXY_SSL_HEADER"] is None
    assert all(one["why"] for one in told)
