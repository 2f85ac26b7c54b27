"""Connection strings are found by their name in the portal, on every host, and parsed on access."""

from __future__ import annotations

from typing import Any

import pytest

from appsvc_runtime import SettingsError, load_settings, parse_connection_string
from appsvc_runtime.azure import names

POSTGRESQL = "Server=h;Database=d;User Id=u;Password=p"
# A string that each prefix may hold, and the host in it.
STRINGS = {
    "sqlserver": ("Server=tcp:h,1433;Initial Catalog=d;User ID=u;Password=p", "h"),
    "mysql": ("Database=d;Data Source=h:3306;User Id=u;Password=p", "h"),
    "postgresql": (POSTGRESQL, "h"),
    "": ("Foo=1;Server=h", "h"),
    "notificationhub": ("Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=k=", "h"),
    "servicebus": ("Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=k=", "h"),
    "eventhub": ("Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=k=;EntityPath=e", "h"),
    "cosmosdb": ("AccountEndpoint=https://h:443/;AccountKey=k==;", "h"),
    "redis": ("h:6380,password=k=,ssl=True,abortConnect=False", "h"),
    "storage": ("DefaultEndpointsProtocol=https;AccountName=h;AccountKey=k==;EndpointSuffix=x.y",
                "h.blob.x.y"),
}  # fmt: skip


def connection(text: str, name: str = "POSTGRESQLCONNSTR_main") -> Any:
    """Return the connection string of a variable."""
    return load_settings({name: text}).connection(name)


def test_the_table_of_prefixes_is_the_platforms() -> None:
    """All thirteen prefixes are known, and this file has a string for each."""
    assert len(names.CONNECTION_PREFIXES) == 13
    assert set(names.CONNECTION_PREFIXES.values()) == set(STRINGS)


@pytest.mark.parametrize(("prefix", "kind"), names.CONNECTION_PREFIXES.items())
def test_every_prefix(prefix: str, kind: str) -> None:
    """The name is what follows it; the kind is what the prefix says."""
    text, host = STRINGS[kind]
    for twin in ("", "APPSETTING_"):
        settings = load_settings({twin + prefix + "main": text})
        found = settings.connection("main")
        assert (found.name, found.kind, found.host) == ("main", kind or "custom", host)
        assert found.reveal() == text
        assert found.setting == prefix + "main"
        assert list(settings.connection_strings) == ["main"]


@pytest.mark.parametrize(("service", "kind"), names.CONNECTOR_SERVICES.items())
def test_service_connector(service: str, kind: str) -> None:
    """Its variables are plain app settings, which have twins; the service tells the kind."""
    text, host = STRINGS[kind]
    for twin in ("", "APPSETTING_"):
        settings = load_settings({f"{twin}AZURE_{service}_CONNECTIONSTRING": text})
        found = settings.connection(service.lower())
        assert (found.name, found.kind, found.host) == (service, kind, host)
        assert settings.connection(f"AZURE_{service}_CONNECTIONSTRING") == found


def test_service_connector_with_a_name_of_ones_own() -> None:
    """With a custom name, the kind comes from the string itself."""
    settings = load_settings({"AZURE_MY_DB_CONNECTIONSTRING": "postgresql://u:p@h/d"})
    assert settings.connection("my_db").kind == "postgresql"


@pytest.mark.parametrize("name", ["AZURE_CONNECTIONSTRING", "AZURE__CONNECTIONSTRING", "AZURE_X",
                                  "SQLCONNSTR_", "CONNSTR_x", "DATABASE_URL"])  # fmt: skip
def test_what_is_no_connection_string(name: str) -> None:
    """A variable without a name after its prefix, or without a prefix, is not one."""
    assert not load_settings({name: POSTGRESQL}).connection_strings


@pytest.mark.parametrize("asked", ["main", "MAIN", "Main", "POSTGRESQLCONNSTR_main",
                                   "postgresqlconnstr_MAIN"])  # fmt: skip
def test_names_in_any_case(asked: str) -> None:
    """Names are found in any case, as in the portal, and by the full variable name."""
    settings = load_settings({"POSTGRESQLCONNSTR_main": POSTGRESQL})
    assert settings.connection(asked).name == "main"
    assert asked in settings.connection_strings
    assert len(settings.connection_strings) == 1


@pytest.mark.parametrize("variable", ["CUSTOMCONNSTR_A__B", "CUSTOMCONNSTR_A:B"])
@pytest.mark.parametrize("asked", ["A:B", "a__b", "CUSTOMCONNSTR_A:B"])
def test_nested_names(variable: str, asked: str) -> None:
    """Windows allows colons in names and Linux does not; either form finds the string."""
    assert load_settings({variable: "x"}).connection(asked).reveal() == "x"


def test_one_name_under_every_prefix() -> None:
    """Equal names follow the documented order, Service Connector last; full names are exact."""
    variables = [f"{prefix}POSTGRESQL" for prefix in names.CONNECTION_PREFIXES]
    variables.append("AZURE_POSTGRESQL_CONNECTIONSTRING")
    assert variables[:5] == [
        "SQLCONNSTR_POSTGRESQL", "SQLAZURECONNSTR_POSTGRESQL", "MYSQLCONNSTR_POSTGRESQL",
        "POSTGRESQLCONNSTR_POSTGRESQL", "CUSTOMCONNSTR_POSTGRESQL",
    ]  # fmt: skip
    for number, variable in enumerate(variables):
        there = variables[number:]
        settings = load_settings(dict.fromkeys(reversed(there), "x://h"))
        assert settings.connection_strings.all() == [("POSTGRESQL", name) for name in there]
        assert len(settings.connection_strings) == 1
        assert settings.connection_strings.all()[0][1] == variable
    settings = load_settings(
        {"SQLCONNSTR_main": "Server=a", "MYSQLCONNSTR_MAIN": "Server=b", "CUSTOMCONNSTR_main": "c"}
    )
    assert settings.connection("main").host == "a"
    assert settings.connection("MYSQLCONNSTR_main").host == "b"
    assert settings.connection("CUSTOMCONNSTR_MAIN").reveal() == "c"


def test_the_plain_variable_comes_before_its_twin() -> None:
    """A plain variable takes precedence over its twin, as for app settings."""
    settings = load_settings(
        {"APPSETTING_CUSTOMCONNSTR_x": "twin", "CUSTOMCONNSTR_x": "plain"},
    )
    assert settings.connection("x").reveal() == "plain"


def test_an_unknown_name_says_what_there_is() -> None:
    """The error lists all names, and how to add one."""
    settings = load_settings({"SQLCONNSTR_a": "Server=h", "CUSTOMCONNSTR_b": "x"})
    with pytest.raises(SettingsError, match="no connection string 'main'; there are: a, b") as got:
        settings.connection("main")
    assert "POSTGRESQLCONNSTR_main" in str(got.value)
    assert got.value.findings[0].code == "missing"
    assert got.value.__context__ is None
    with pytest.raises(SettingsError, match="there are: none"):
        load_settings({}).connection("main")
    with pytest.raises(KeyError):
        settings.connection_strings["main"]
    assert settings.connection_strings.get("main") is None
    assert 1 not in settings.connection_strings


@pytest.mark.parametrize("given", ["postgresql://u:S3CR3T@h", "Password=S3CR3T", "S3CR3T " * 30])
def test_a_string_given_for_a_name_is_not_repeated(given: str) -> None:
    """A string passed in place of a name is not found, and the error contains none of it."""
    with pytest.raises(SettingsError, match="is not the name of") as got:
        load_settings({}).connection(given)
    assert "S3CR3T" not in str(got.value)
    assert got.value.findings[0].where == "(not a name)"


def test_one_bad_string_spoils_no_other() -> None:
    """A malformed string is an error only when it is accessed."""
    settings = load_settings(
        {"SQLCONNSTR_a": 'Server="', "MYSQLCONNSTR_b": "abc", "POSTGRESQLCONNSTR_c": POSTGRESQL}
    )
    assert settings.connection("c").host == "h"
    assert list(settings.connection_strings) == ["a", "b", "c"]
    with pytest.raises(SettingsError, match="SQLCONNSTR_a cannot be read: the quote or brace"):
        settings.connection("a")
    with pytest.raises(SettingsError, match=r"MYSQLCONNSTR_b cannot be read: .* has no '='"):
        settings.connection("b")


@pytest.mark.parametrize("empty", ["", " ", "\t\n"], ids=repr)
def test_an_empty_value_is_no_connection_string(empty: str) -> None:
    """An empty value, by which slot settings are cleared in the portal, is not a string."""
    settings = load_settings({"SQLCONNSTR_main": empty, "CUSTOMCONNSTR_main": "x"})
    assert settings.connection("main").reveal() == "x"
    assert settings.connection_strings.all() == [("main", "CUSTOMCONNSTR_main")]
    with pytest.raises(SettingsError, match="there are: none"):
        load_settings({"SQLCONNSTR_main": empty}).connection("main")


def test_a_key_vault_reference_names_setting_and_vault() -> None:
    """An unresolved reference is an error that names setting and vault."""
    reference = "@Microsoft.KeyVault(VaultName=my-vault;SecretName=db)"
    settings = load_settings({"SQLCONNSTR_main": reference, "CUSTOMCONNSTR_x": " " + reference})
    with pytest.raises(SettingsError, match=r"SQLCONNSTR_main .* 'db' in vault 'my-vault'") as got:
        settings.connection("main")
    assert got.value.findings[0].code == "key-vault"
    with pytest.raises(SettingsError, match="CUSTOMCONNSTR_x"):
        settings.connection("x")


BAD = [
    ("surrogates", "Server=h;Password=\udcff\udcfe", "not UTF-8"),
    ("nul", "Server=h;Password=a\0b", "a NUL at character 20"),
    ("nul in a url", "postgresql://u:a\0b@h/d", "it contains a NUL"),
    ("a megabyte", "Server=h;Password=" + "x" * 1_000_000, "longer than 100000 characters"),
    ("a megabyte of url", "postgresql://u:" + "x" * 1_000_000 + "@h/d", "longer than 100000"),
    ("no pairs", "h.postgres.database.azure.com", "character 1 has no '='"),
    ("nothing but marks", ";;", "contains no name=value"),
    ("java", "jdbc:postgresql://h/d?user=u&password=p", "written for Java"),
    ("another scheme", "https://h/d", "URL of another scheme"),
    ("port 0", POSTGRESQL + ";Port=0", "port is not a number from 1 to 65535"),
    ("port 65536", POSTGRESQL + ";Port=65536", "port is not a number"),
    ("port -1", POSTGRESQL + ";Port=-1", "port is not a number"),
    ("port of other digits", POSTGRESQL + ";Port=\u0661\u0662", "port is not a number"),
    ("port in hexadecimal", POSTGRESQL + ";Port=0x10", "port is not a number"),
    ("port with blanks", POSTGRESQL + ";Port=54 32", "port is not a number"),
    ("port too long", POSTGRESQL + ";Port=" + "0" * 5000 + "5432", "port is not a number"),
    ("port in the host", "Server=h:99999;Database=d", "port is not a number"),
    ("port of a url", "postgresql://u:p@h:65536/d", "port is not a number"),
    ("no port of a url", "postgresql://u:p@h:54x/d", "cannot be told apart"),
    ("port of a list", "postgresql://u:p@h:5432,h2:0/d", "port is not a number"),
    ("missing marks", "Server=h Database=d Password=p", "a separator is missing"),
    ("missing marks in a url", "postgresql://h;password=p/d", "a separator is missing"),
]


@pytest.mark.parametrize(("text", "message"), [pytest.param(t, m, id=i) for i, t, m in BAD])
def test_what_cannot_be_read(text: str, message: str) -> None:
    """The error names the setting and the fault."""
    with pytest.raises(SettingsError, match=message) as got:
        connection(text)
    assert "POSTGRESQLCONNSTR_main" in str(got.value)
    assert got.value.findings[0].code == "connection-string"
    assert got.value.__cause__ is got.value.__context__ is None


@pytest.mark.parametrize("port", ["1", "65535", "05432"])
def test_ports_within_range(port: str) -> None:
    """The port is a number, or None if the string has no port."""
    assert connection(f"{POSTGRESQL};Port={port}").port == int(port)
    assert connection(POSTGRESQL).port is None


def test_the_port_of_sql_server_is_one() -> None:
    """SQL Server's port follows a comma, which in other strings separates hosts."""
    assert connection("Server=tcp:h , 1433 ;Database=d", "SQLCONNSTR_x").port == 1433
    with pytest.raises(SettingsError, match="port is not a number"):
        connection("Server=h,1433,1434", "SQLCONNSTR_x")


def test_strings_from_elsewhere() -> None:
    """The app's own strings are parsed in the same way; errors use the app's name for them."""
    found = parse_connection_string(POSTGRESQL, kind="postgresql", name="n", setting="vault/db")
    assert (found.name, found.setting, found.database) == ("n", "vault/db", "d")
    with pytest.raises(SettingsError, match="string vault/db cannot be read: it is empty"):
        parse_connection_string(" ", setting="vault/db")
    with pytest.raises(SettingsError, match="given by the app"):
        parse_connection_string("abc", kind="mysql")
    with pytest.raises(ValueError, match="kind must be one of sqlserver, "):
        parse_connection_string(POSTGRESQL, kind="postgres")


def test_two_strings_are_equal_if_setting_and_text_are() -> None:
    """Strings with equal setting and text are equal and hash alike."""
    one, same = connection(POSTGRESQL), connection(POSTGRESQL)
    assert one == same
    assert hash(one) == hash(same)
    assert one != connection(POSTGRESQL + ";Port=1")
    assert one != POSTGRESQL
