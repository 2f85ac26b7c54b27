"""Connection strings are parsed in all the forms and words that Azure's services and people use."""

from __future__ import annotations

from typing import Any

import pytest

from appsvc_runtime import ConnectionString, Secret, SettingsError, load_settings
from appsvc_runtime.settings.connection_strings import parse_connection_string


def custom(text: str) -> ConnectionString:
    """Parse a string of the portal's type Custom, which does not name the kind."""
    return load_settings({"CUSTOMCONNSTR_x": text}).connection("x")


def shown(found: ConnectionString) -> tuple[str, int | None, str, str, str | None]:
    """Return the parts that all kinds have."""
    password = found.password.reveal() if found.password is not None else None
    return found.host, found.port, found.database, found.user, password


HOSTS = ["Data Source", "Server", "Address", "Addr", "Network Address", "Host", "SERVER",
         "datasource", "data source"]  # fmt: skip
USERS = ["User Id", "User ID", "UID", "User", "Username", "User Name", "userid", "uid"]
PASSWORDS = ["Password", "Pwd", "PWD", "password", "PSW"]
DATABASES = ["Database", "Initial Catalog", "DATABASE", "initial catalog", "DB"]


@pytest.mark.parametrize(
    ("host", "user", "password", "database"),
    [*((name, "User Id", "Password", "Database") for name in HOSTS),
     *(("Server", name, "Password", "Database") for name in USERS),
     *(("Server", "User Id", name, "Database") for name in PASSWORDS),
     *(("Server", "User Id", "Password", name) for name in DATABASES)],
)  # fmt: skip
def test_names_of_one_thing(host: str, user: str, password: str, database: str) -> None:
    """ADO.NET has many for each, whatever the database."""
    text = f"{host}=h;{user}=u;{password}=p;{database}=d;Pooling=true"
    for prefix in ("SQLCONNSTR_", "MYSQLCONNSTR_", "POSTGRESQLCONNSTR_"):
        found = load_settings({f"{prefix}x": text}).connection("x")
        assert shown(found) == ("h", None, "d", "u", "p"), prefix
        assert dict(found.options) == {"Pooling": "true"}, prefix


def test_of_one_things_names_the_last_counts_and_in_odbc_the_first() -> None:
    """The last of several names for one part counts; in ODBC, the first."""
    text = "Server=a;Data Source=b;Pwd=c;Password=d"
    assert shown(parse_connection_string(text, kind="mysql")) == ("b", None, "", "", "d")
    text = f"Driver={{SQL Server}};{text}"
    assert shown(parse_connection_string(text, kind="sqlserver")) == ("a", None, "", "", "c")


AZURE_SQL = "Server=tcp:s.database.windows.net,1433;Initial Catalog=d;User ID=u;Password=p"
KEY = "SharedAccessKeyName=n;SharedAccessKey=a+/b="
ROWS: list[tuple[str, str, str, tuple[Any, ...]]] = [
    # text, kind, form, (host, port, database, user, password)
    (AZURE_SQL, "sqlserver", "adonet", ("s.database.windows.net", 1433, "d", "u", "p")),
    ("Server=s.database.chinacloudapi.cn;Database=d", "sqlserver", "adonet",
     ("s.database.chinacloudapi.cn", None, "d", "", None)),
    ("Server=x.sql.azuresynapse.net;Database=d", "sqlserver", "adonet",
     ("x.sql.azuresynapse.net", None, "d", "", None)),
    ("Data Source=.;Initial Catalog=d;Integrated Security=SSPI", "sqlserver", "adonet",
     (".", None, "d", "", None)),
    ("Driver={ODBC Driver 18 for SQL Server};Server=tcp:h,1433;Database=d;Uid=u;Pwd={p;}}};",
     "sqlserver", "odbc", ("h", 1433, "d", "u", "p;}")),
    ("Server=s.mysql.database.azure.com;Port=3306;Database=d;Uid=u;Pwd=p", "mysql", "adonet",
     ("s.mysql.database.azure.com", 3306, "d", "u", "p")),
    ("Driver={MySQL ODBC 8.0 Unicode Driver};Server=h;Port=3306;Database=d;Uid=u;Pwd=p",
     "mysql", "odbc", ("h", 3306, "d", "u", "p")),
    ("Server=s.postgres.database.azure.com;Database=d;Port=5432;User Id=u;Password=p",
     "postgresql", "adonet", ("s.postgres.database.azure.com", 5432, "d", "u", "p")),
    ("Server=c.x.postgres.cosmos.azure.com;Database=d", "postgresql", "adonet",
     ("c.x.postgres.cosmos.azure.com", None, "d", "", None)),
    ("Driver={PostgreSQL Unicode};Server=h;Port=5432;Database=d;Uid=u;Pwd=p",
     "postgresql", "odbc", ("h", 5432, "d", "u", "p")),
    ("host=h port=5432 dbname=d user=u password='p ;'", "postgresql", "libpq",
     ("h", 5432, "d", "u", "p ;")),
    ("host=h,h2 port=1,2 dbname=d", "postgresql", "libpq", ("h,h2", None, "d", "", None)),
    ("postgres://u:p%40@h:5432/d?sslmode=require", "postgresql", "url",
     ("h", 5432, "d", "u", "p@")),
    ("postgresql+asyncpg://u:p@[::1]/d", "postgresql", "url", ("::1", None, "d", "u", "p")),
    ("postgresql:///d?host=/var/run&port=6432&user=u&password=p", "postgresql", "url",
     ("/var/run", 6432, "d", "u", "p")),
    ("postgresql://%2Fvar%2Frun/d", "postgresql", "url", ("/var/run", None, "d", "", None)),
    ("postgresql://u@/d?host=a:1&host=b:2", "postgresql", "url", ("a,b", None, "d", "u", None)),
    ("mysql://u:p@h:3306/d", "mysql", "url", ("h", 3306, "d", "u", "p")),
    ("mariadb+pymysql://u:@h/d", "mysql", "url", ("h", None, "d", "u", "")),
    ("mssql+pyodbc://u:p@h:1433/d?driver=x", "sqlserver", "url", ("h", 1433, "d", "u", "p")),
    ("mssql+pyodbc:///?odbc_connect=Driver%3D%7Bx%7D%3BServer%3Dh%3BPwd%3D%7Bp%3B%7D",
     "sqlserver", "odbc", ("h", None, "", "", "p;")),
    ("sqlite:///a.db", "sqlite", "url", ("", None, "a.db", "", None)),
    ("sqlite:////home/a%20b@c.db", "sqlite", "url", ("", None, "/home/a b@c.db", "", None)),
    ("c.redis.cache.windows.net:6380,password=a=,ssl=True,abortConnect=False", "redis", "redis",
     ("c.redis.cache.windows.net", 6380, "", "", "a=")),
    ("c.redis.azure.net", "redis", "redis", ("c.redis.azure.net", None, "", "", None)),
    ("[::1]:6379,user=u,password=p", "redis", "redis", ("::1", 6379, "", "u", "p")),
    ("a:1,b:2,password=p", "redis", "redis", ("a,b", None, "", "", "p")),
    ("rediss://:p%2F@h:6380/0", "redis", "url", ("h", 6380, "0", "", "p/")),
    ("mongodb://a:k==@a.mongo.cosmos.azure.com:10255/?ssl=true&appName=@a@", "mongodb", "url",
     ("a.mongo.cosmos.azure.com", 10255, "", "a", "k==")),
    ("mongodb+srv://u:p@c.x.mongodb.net/d", "mongodb", "url",
     ("c.x.mongodb.net", None, "d", "u", "p")),
    ("mongodb://u:p@a:1,b:2/d", "mongodb", "url", ("a,b", None, "d", "u", "p")),
    ("AccountEndpoint=https://a.documents.azure.com:443/;AccountKey=k==;Database=d", "cosmosdb",
     "pairs", ("a.documents.azure.com", 443, "d", "", None)),
    ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=k==;"
     "EndpointSuffix=core.chinacloudapi.cn", "storage", "pairs",
     ("a.blob.core.chinacloudapi.cn", None, "", "", None)),
    ("AccountName=a;AccountKey=k", "storage", "pairs",
     ("a.blob.core.windows.net", None, "", "", None)),
    ("BlobEndpoint=http://127.0.0.1:10000/a;AccountName=a;AccountKey=k", "storage", "pairs",
     ("127.0.0.1", 10000, "", "", None)),
    ("QueueEndpoint=https://q.x/;SharedAccessSignature=sv=1&sig=k%3D", "storage", "pairs",
     ("q.x", None, "", "", None)),
    ("UseDevelopmentStorage=true", "storage", "pairs", ("", None, "", "", None)),
    (f"Endpoint=sb://n.servicebus.windows.net/;{KEY};EntityPath=e", "servicebus", "pairs",
     ("n.servicebus.windows.net", None, "e", "", None)),
    ("Server=h;Port=7;Uid=u;Pwd=p", "custom", "adonet", ("h", 7, "", "u", "p")),
    ("HostName=h.azure-devices.net;SharedAccessKeyName=n;SharedAccessKey=k=", "custom", "adonet",
     ("h.azure-devices.net", None, "", "", None)),
    ("amqp://u:p@h:5672/v", "custom", "url", ("h", 5672, "v", "u", "p")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind", "form", "parts"), ROWS, ids=[f"{row[1]}: {row[0][:30]}" for row in ROWS]
)
def test_custom_strings(text: str, kind: str, form: str, parts: tuple[Any, ...]) -> None:
    """The kind is recognised from the string itself."""
    found = custom(f" {text}\n")
    assert (found.kind, found.form, shown(found)) == (kind, form, parts)
    assert found.reveal() == f" {text}\n"


@pytest.mark.parametrize(
    "text",
    ["abc", "S3CR3T+/S3CR3T==", '{"password": "a=b"}', "eyJhbGciOi.eyJzdWIi.c2ln", "a=b;c",
     "https://user/at@home/?a=b", "jdbc:mysql://h/d", "-----BEGIN KEY-----\nMII=\n", "x://h:99999",
     "%ff://", "<a b='c'/>"],
)  # fmt: skip
def test_custom_is_anything(text: str) -> None:
    """A text that is not a connection string has no host, and can be revealed."""
    found = custom(text)
    assert (found.kind, found.form, found.parts) == ("custom", "text", {})
    assert found.reveal() == text
    with pytest.raises(SettingsError, match="custom"):
        found.sqlalchemy_url()


@pytest.mark.parametrize("text", ['Server=h;Password="a', "Host=h;abc", "Data Source=h;Port=x"])
def test_custom_that_begins_as_a_database_does_is_one(text: str) -> None:
    """A string that starts like a database's is parsed as one, and its mistake is reported."""
    with pytest.raises(SettingsError, match="CUSTOMCONNSTR_x cannot be read"):
        custom(text)


def test_words_in_a_quoted_password_are_no_sign() -> None:
    """Words in a quoted password affect neither the form nor the kind."""
    for text in ('Host=h;Username=u;Password="a;Driver=b"', "host='h';password=' dbname=x'"):
        found = parse_connection_string(text, kind="postgresql")
        assert (found.form, found.host, found.database) == ("adonet", "h", "")


LIBPQ_OR_NOT = [
    ("host=a; port=5432; user=u", "adonet"),
    ("host=a;port=5432;user=u", "adonet"),
    ("host=a;", "adonet"),
    ("host=a", "libpq"),
    ("host=a user=u password=b;c", "libpq"),
    ("host=a password='b;c=d'", "libpq"),
    ("host=a some_newer_option=1", "libpq"),
    ("dbname = d user = u", "libpq"),
]


@pytest.mark.parametrize(("text", "form"), LIBPQ_OR_NOT, ids=[row[0] for row in LIBPQ_OR_NOT])
def test_libpq_or_adonet(text: str, form: str) -> None:
    """Both forms use lower-case `host=`; semicolons between the parts distinguish them."""
    found = load_settings({"POSTGRESQLCONNSTR_x": text}).connection("x")
    assert (found.form, found.host) == (form, "a" if "host" in text else "")


def test_a_broken_libpq_string_is_told_as_such() -> None:
    """A malformed libpq string is reported as such, and not as another form."""
    with pytest.raises(SettingsError, match="the quote at character 17 is not closed"):
        parse_connection_string("host=a password='b", kind="postgresql")


PLACES = [
    ("postgresql", "Host=a:1,b;Port=2;Database=d", "a,b", "1,2"),
    ("postgresql", "Host=a,b;Port=2", "a,b", "2"),
    ("postgresql", "Host=[::1]:1", "::1", "1"),
    ("postgresql", "Host=::1;Port=2", "::1", "2"),
    ("postgresql", "Host=/var/my run;Port=2", "/var/my run", "2"),
    ("mysql", "Data Source=127.0.0.1:52400", "127.0.0.1", "52400"),
    ("sqlserver", r"Server=tcp:h\SQLEXPRESS,1433", r"h\SQLEXPRESS", "1433"),
    ("sqlserver", "Server=TCP: h", "h", ""),
    ("sqlserver", "Server=::1,1433", "::1", "1433"),
    ("redis", "a,b:2,password=p", "a,b", ",2"),
]


@pytest.mark.parametrize(
    ("kind", "text", "host", "port"), PLACES, ids=[f"{row[0]}: {row[1]}" for row in PLACES]
)
def test_hosts_and_ports(kind: str, text: str, host: str, port: str) -> None:
    """Each client has its own way to write hosts and ports."""
    found = parse_connection_string(text, kind=kind)
    assert (found.host, found.parts.get("port", "")) == (host, port)


def test_parts_and_options() -> None:
    """Options are found in any spelling; secret ones are hidden."""
    found = custom(f"{AZURE_SQL};Connect Timeout=30;AccessToken=t")
    assert found.options["connect_timeout"] == found.options["ConnectTimeout"] == "30"
    assert found.options["access token"] == Secret("t")
    assert found.options.text("accesstoken") == "t"
    assert "nothing" not in found.options
    assert found.parts == {
        "host": "s.database.windows.net", "port": "1433", "database": "d", "user": "u",
        "password": Secret("p"), "Connect Timeout": "30", "AccessToken": Secret("t"),
    }  # fmt: skip
    keys = custom(f"Endpoint=sb://n/;{KEY}").options
    assert keys["SharedAccessKey"] == Secret("a+/b=")
    assert keys["Endpoint"] == "sb://n/"


@pytest.mark.parametrize(
    ("text", "message"),
    [("sqlite://a.db", "four slashes"), ("mssql+pyodbc:///?odbc_connect=Server", "has no '='"),
     ("rediss://:a/b@h", "percent-encoded")],
)  # fmt: skip
def test_urls_that_cannot_be(text: str, message: str) -> None:
    """A known scheme decides the kind, so that a mistake in the URL is an error."""
    with pytest.raises(SettingsError, match=message):
        custom(text)
