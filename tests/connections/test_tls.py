"""TLS options keep their meaning, as each client names them, or are an error."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pymysql
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from appsvc_runtime import ConnectionString, SettingsError, parse_connection_string

# An authority that never signed anything.
AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUKMyVHRLjzxO2wEvz8rwW10UoggkwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjExMTQ0MDhaGA8yMTI2MTAyODExNDQw
OFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABN+p
ZY3gvJphC9IctRNWWqM9kFvyM8iZ52Z6DvazEH21P55hTYtpTqHCGT2ApbXBc6nN
uLI/k6/fk3O51CtTyzOjUzBRMB0GA1UdDgQWBBRM2gNOX1TIqNq52+EE/qqYNYwi
GDAfBgNVHSMEGDAWgBRM2gNOX1TIqNq52+EE/qqYNYwiGDAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQCBQJvnOg8kQId2DANAeLoS2U8JAPd/ldI6
wTXsQPjaswIhAMV89J7l9QfciqEhfVsQjM2XQ3wITihOUYXFBUSSIlNB
-----END CERTIFICATE-----
"""
PG = "Host=h;Database=d;Username=u;"
MY = "Server=h;Database=d;Uid=u;"
SQL = "Server=h;Database=d;User Id=u;"


def read(text: str, kind: str) -> ConnectionString:
    """Parse a string of a kind."""
    return parse_connection_string(text, kind=kind)


def libpq(text: str) -> dict[str, Any]:
    """Return libpq's options of a PostgreSQL string, from the DSN, the URL and Django's entry."""
    made = read(text, "postgresql")
    found = conninfo_to_dict(made.libpq_dsn())
    assert conninfo_to_dict(made.sqlalchemy_url("psycopg").replace("+psycopg", "")) == found
    for name, key in (("HOST", "host"), ("NAME", "dbname"), ("USER", "user"), ("PORT", "port")):
        assert made.django_database()[name] == found.pop(key, "")
    assert made.django_database()["OPTIONS"] == found
    return found


LIBPQ = [
    (PG, {}),
    *((f"{PG}SSL Mode={theirs}", {"sslmode": ours}) for theirs, ours in (
        ("Disable", "disable"), ("Allow", "allow"), ("Prefer", "prefer"), ("Require", "require"),
        ("VerifyCA", "verify-ca"), ("verify-ca", "verify-ca"), ("REQUIRED", "require"),
        ("Preferred", "prefer"), ("None", "disable"))),
    *((f"{PG}{name}=Require", {"sslmode": "require"}) for name in
      ("SslMode", "sslmode", "SSL_MODE", "Ssl Mode")),
    # Npgsql verifies by the system's authorities where no file is named.
    (f"{PG}SSL Mode=VerifyFull", {"sslmode": "verify-full", "sslrootcert": "system"}),
    (f"{PG}SSL Mode=VerifyFull;Root Certificate=/ca",
     {"sslmode": "verify-full", "sslrootcert": "/ca"}),
    (f"{PG}SSL Mode=Require;Trust Server Certificate=true", {"sslmode": "require"}),
    (f"{PG}SSL=true", {"sslmode": "require"}),
    (f"{PG}SSL=true;SSL Mode=Prefer", {"sslmode": "prefer"}),
    (f"{PG}SSL Mode=Prefer;SSL=true", {"sslmode": "prefer"}),
    (f"{PG}SSL Certificate=/c;SSL Key=/k;SSL Password=p",
     {"sslcert": "/c", "sslkey": "/k", "sslpassword": "p"}),
    (f"{PG}Channel Binding=Require;GSS Encryption Mode=Disable;Require Auth=ScramSHA256",
     {"channel_binding": "require", "gssencmode": "disable", "require_auth": "scram-sha-256"}),
    (f"{PG}SSL Negotiation=Direct;Passfile=/p;Kerberos Service Name=x",
     {"sslnegotiation": "direct", "passfile": "/p", "krbsrvname": "x"}),
    (f"{PG}Integrated Security=false;Check Certificate Revocation=False", {}),
    (f"{PG}Pooling=true;Minimum Pool Size=1;Include Error Detail=true;Command Timeout=3", {}),
    (f"{PG}Timeout=7;Application Name=a b;Keepalive=9;Target Session Attributes=Prefer-Standby",
     {"connect_timeout": "7", "application_name": "a b", "keepalives_idle": "9",
      "target_session_attrs": "prefer-standby"}),
    (f"{PG}Search Path=a, b\\c;Options=-c x=1",
     {"options": "-csearch_path=a,\\ b\\\\c -c x=1"}),
    ("host=h dbname=d user=u sslmode=verify-full sslrootcert=/my\\ ca",
     {"sslmode": "verify-full", "sslrootcert": "/my ca"}),
    ("postgresql://u@h/d?sslmode=verify-ca&sslrootcert=%2Fca&application_name=x+y",
     {"sslmode": "verify-ca", "sslrootcert": "/ca", "application_name": "x y"}),
    ("postgresql://u@h/d?ssl=true", {"sslmode": "require"}),
    ("postgresql+asyncpg://u@h/d?ssl=verify-full", {"sslmode": "verify-full"}),
    ("Driver={PostgreSQL Unicode};Server=h;Database=d;Uid=u;sslmode=require",
     {"sslmode": "require"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "options"), LIBPQ, ids=[row[0].removeprefix(PG) for row in LIBPQ])
def test_postgresql(text: str, options: dict[str, str]) -> None:
    """The DSN, the URL and Django's entry have the same options of libpq."""
    assert libpq(text) == options


LIBPQ_WRONG = [
    ("SSL Mode=maybe", "'SSL Mode' has a value other than"),
    ("SSL Mode=VerifyFull;Trust Server Certificate=true", "to trust any"),
    ("SSL Mode=VerifyCA;TrustServerCertificate=True", "to trust any"),
    ("Integrated Security=true", "'Integrated Security' cannot be carried over"),
    ("Check Certificate Revocation=true", "'Check Certificate Revocation' cannot"),
    ("SSL Certificate=client.pfx", "PKCS #12"),
    ("Some Ssl Option=1", "'Some Ssl Option' cannot be carried over"),
    ("ssl2=1", "its security options cannot"),
    ("Encrypt=true", "'Encrypt' cannot be carried over"),
    ("Target Session Attributes=prefer-primary", "a value that libpq lacks"),
]


@pytest.mark.parametrize(("option", "message"), LIBPQ_WRONG, ids=[row[0] for row in LIBPQ_WRONG])
def test_postgresql_drops_no_security(option: str, message: str) -> None:
    """A security option that libpq lacks is an error in each of the three."""
    made = read(PG + option, "postgresql")
    for make in (made.libpq_dsn, made.sqlalchemy_url, made.django_database):
        with pytest.raises(SettingsError, match=message):
            make()


ASYNCPG = [
    (f"{PG}SSL Mode=Require;Timeout=5;Application Name=x", {"ssl": "require"}),
    (f"{PG}SSL Mode=VerifyFull", {"ssl": "verify-full"}),
    ("postgresql+asyncpg://u@h/d?ssl=require&command_timeout=5",
     {"ssl": "require", "command_timeout": "5"}),
    (f"{PG}Target Session Attributes=read-write", {"target_session_attrs": "read-write"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "query"), ASYNCPG, ids=[row[0].removeprefix(PG) for row in ASYNCPG]
)
def test_asyncpg(text: str, query: dict[str, str]) -> None:
    """asyncpg has its own names for the options."""
    assert dict(make_url(read(text, "postgresql").sqlalchemy_url("asyncpg")).query) == query


@pytest.mark.parametrize(
    "option", ["SSL Mode=VerifyCA;Root Certificate=/ca", "Channel Binding=Require", "SSL Key=/k"]
)
def test_asyncpg_drops_no_security(option: str) -> None:
    """Certificate files and the like, which asyncpg's URL cannot hold, are an error."""
    with pytest.raises(SettingsError, match="asyncpg does not take"):
        read(PG + option, "postgresql").sqlalchemy_url("asyncpg")


def pymysql_mode(url: str) -> str:
    """Return PyMySQL's behaviour as a mode of MySQL's clients, or "" if PyMySQL decides."""
    parsed = make_url(url)
    _, keywords = parsed.get_dialect()().create_connect_args(parsed)
    made = pymysql.Connection(**keywords, defer_connect=True)
    if "ssl" not in keywords:
        return "" if not keywords.get("ssl_disabled") else "ON" if made.ssl else "DISABLED"
    assert made.ssl
    if made.ctx.verify_mode == ssl.CERT_NONE:
        return "REQUIRED"
    return "VERIFY_IDENTITY" if made.ctx.check_hostname else "VERIFY_CA"


# The string, what PyMySQL does, the mode that mysqlclient is given.
MYSQL = [
    (MY, "", ""),
    (MY + "SslMode=None", "DISABLED", "DISABLED"),
    (MY + "SslMode=Disabled", "DISABLED", "DISABLED"),
    # Never less than asked for: PyMySQL before 1.2 would do without TLS.
    (MY + "SslMode=Preferred", "REQUIRED", "PREFERRED"),
    (MY + "SslMode=Required", "REQUIRED", "REQUIRED"),
    (MY + "Ssl Mode=required", "REQUIRED", "REQUIRED"),
    (MY + "Use SSL=true", "REQUIRED", "REQUIRED"),
    (MY + "SslMode=VerifyCA;SslCa={ca}", "VERIFY_CA", "VERIFY_CA"),
    (MY + "SslMode=VerifyFull;SslCa={ca}", "VERIFY_IDENTITY", "VERIFY_IDENTITY"),
    (MY + "SslMode=VerifyFull;CA Certificate File={ca}", "VERIFY_IDENTITY", "VERIFY_IDENTITY"),
    (MY + "SslCa={ca}", "VERIFY_CA", "VERIFY_CA"),
    # PyMySQL looks at the certificate wherever there is an authority.
    (MY + "SslMode=Required;SslCa={ca}", "VERIFY_CA", "REQUIRED"),
    (MY + "SslMode=None;Use SSL=true", "REQUIRED", "REQUIRED"),
    ("mysql+pymysql://u@h/d?ssl_ca={ca}", "VERIFY_IDENTITY", "VERIFY_IDENTITY"),
    ("mysql+pymysql://u@h/d?ssl_capath={folder}", "VERIFY_IDENTITY", "VERIFY_IDENTITY"),
    ("mysql+pymysql://u@h/d?ssl_ca={ca}&ssl_check_hostname=true", *["VERIFY_IDENTITY"] * 2),
    ("mysql+pymysql://u@h/d?ssl_ca={ca}&ssl_check_hostname=false", "VERIFY_CA", "VERIFY_CA"),
    ("mysql+pymysql://u@h/d?ssl_ca={ca}&ssl_verify_cert=true&ssl_verify_identity=true",
     "VERIFY_IDENTITY", "VERIFY_IDENTITY"),
    ("mysql+pymysql://u@h/d?ssl_verify_identity=true&ssl_verify_cert=true&ssl_ca={ca}",
     "VERIFY_IDENTITY", "VERIFY_IDENTITY"),
    ("mysql+pymysql://u@h/d?ssl_disabled=true", "DISABLED", "DISABLED"),
    ("mysql+pymysql://u@h/d?ssl_disabled=false", "", ""),
    ("mysql+mysqldb://u@h/d?ssl_mode=REQUIRED", "REQUIRED", "REQUIRED"),
    ("mysql://u@h/d?useSSL=true&requireSSL=false", "REQUIRED", "REQUIRED"),
    ("mysql://u@h/d?ssl=true&charset=utf8mb4", "REQUIRED", "REQUIRED"),
    ("Driver={{MySQL ODBC 8.0 Driver}};Server=h;SSLMODE=VERIFY_IDENTITY;SSLCA={ca}",
     "VERIFY_IDENTITY", "VERIFY_IDENTITY"),
    ("Driver={{MariaDB}};Server=h;SSLVERIFY=1;SSLCA={ca}", "VERIFY_CA", "VERIFY_CA"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "mode", "mysqlclient"), MYSQL, ids=[row[0].removeprefix(MY) for row in MYSQL]
)
def test_mysql(text: str, mode: str, mysqlclient: str, tmp_path: Path) -> None:
    """PyMySQL is at least as strict as the string; mysqlclient gets exactly its mode."""
    authority = tmp_path / "my ca;'é.pem"
    authority.write_text(AUTHORITY)
    filled = text.format(ca=authority, folder=tmp_path)
    filled = filled.replace(str(authority), f'"{authority}"') if text.startswith(MY) else filled
    if text.startswith("Driver"):
        filled = filled.replace(str(authority), f"{{{authority}}}")
    if "://" in text:
        filled = filled.replace(str(authority), str(authority).replace(" ", "%20"))
    made = read(filled, "mysql")
    assert pymysql_mode(made.sqlalchemy_url("pymysql")) == mode
    told = make_url(made.sqlalchemy_url("mysqldb")).query
    options = made.django_database()["OPTIONS"]
    assert told.get("ssl_mode", "") == options.get("ssl_mode", "") == mysqlclient
    if "ca}" in text:
        assert told["ssl_ca"] == options["ssl"]["ca"] == str(authority)


MYSQL_WRONG = [
    ("SslMode=maybe", "'SslMode' has a value other than"),
    ("SslMode=VerifyCA", "name one with SslCa"),
    ("SslMode=VerifyFull", "name one with SslCa"),
    ("SslMode=None;SslCa=/ca", "names certificates but turns TLS off"),
    ("SslMode=Required;Certificate File=/c.pfx", "CertificateFile cannot be read"),
    ("SslMode=Required;Certificate Password=p", "'Certificate Password' cannot be carried"),
    ("Certificate Store Location=CurrentUser", "'Certificate Store Location' cannot"),
    ("TlsVersion=TLS 1.3", "'TlsVersion' cannot be carried over"),
    ("Integrated Security=true", "'Integrated Security' cannot be carried over"),
]


@pytest.mark.parametrize(("option", "message"), MYSQL_WRONG, ids=[row[0] for row in MYSQL_WRONG])
def test_mysql_drops_no_security(option: str, message: str) -> None:
    """A security option that the clients lack is an error in each of the three."""
    made = read(MY + option, "mysql")
    for make in (made.sqlalchemy_url, lambda: made.sqlalchemy_url("mysqldb"), made.django_database):
        with pytest.raises(SettingsError, match=message):
            make()


def test_mysql_for_other_drivers() -> None:
    """Asyncmy has the options of PyMySQL; aiomysql has no TLS options."""
    made = read(MY + "SslMode=Required", "mysql")
    assert dict(make_url(made.sqlalchemy_url("asyncmy")).query) == {"ssl_check_hostname": "false"}
    with pytest.raises(SettingsError, match="aiomysql takes no TLS options in a URL"):
        made.sqlalchemy_url("aiomysql")
    none = read(MY + "SslMode=None;Certificate Store Location=None", "mysql")
    assert not make_url(none.sqlalchemy_url("aiomysql")).query
    assert not make_url(none.sqlalchemy_url("asyncmy")).query


ODBC = [
    ("Encrypt=True", {"Encrypt": "yes"}),
    ("Encrypt=false", {"Encrypt": "no"}),
    ("Encrypt=Mandatory", {"Encrypt": "yes"}),
    ("Encrypt=Optional", {"Encrypt": "no"}),
    ("Encrypt=Strict", {"Encrypt": "strict"}),
    ("TrustServerCertificate=False", {"TrustServerCertificate": "no"}),
    ("Trust Server Certificate=yes", {"TrustServerCertificate": "yes"}),
    ("Host Name In Certificate=x;Server Certificate=/c",
     {"HostNameInCertificate": "x", "ServerCertificate": "/c"}),
    ("Column Encryption Setting=Enabled", {"ColumnEncryption": "Enabled"}),
    ("Authentication=Active Directory Service Principal",
     {"Authentication": "ActiveDirectoryServicePrincipal"}),
    ("Authentication=Active Directory Managed Identity", {"Authentication": "ActiveDirectoryMsi"}),
    ("Trusted_Connection=yes", {"Trusted_Connection": "yes"}),
    ("Integrated Security=False;Persist Security Info=True", {"Trusted_Connection": "no"}),
    ("MultipleActiveResultSets=True;Pooling=False;Max Pool Size=5", {"MARS_Connection": "yes"}),
    ("Connect Timeout=5;Application Name=a b;ApplicationIntent=ReadOnly;Failover Partner=p",
     {"Connection Timeout": "5", "APP": "a b", "ApplicationIntent": "ReadOnly",
      "Failover_Partner": "p"}),
]  # fmt: skip


@pytest.mark.parametrize(("option", "expected"), ODBC, ids=[row[0] for row in ODBC])
def test_sql_server(option: str, expected: dict[str, str]) -> None:
    """The string, SQLAlchemy's URL and Django's entry have the same options of ODBC."""
    made = read(SQL + option, "sqlserver")
    again = read(made.odbc_string(), "sqlserver")
    assert {k: v for k, v in again.options.items() if k != "Driver"} == expected
    query = dict(make_url(made.sqlalchemy_url()).query)
    assert query.pop("driver") == "ODBC Driver 18 for SQL Server"
    assert query == expected
    extra = made.django_database()["OPTIONS"]["extra_params"]
    assert dict(read("Driver=x;" + extra, "sqlserver").options) == {"Driver": "x", **expected}


def test_sql_server_in_odbc_form() -> None:
    """An ODBC string keeps its own options."""
    text = "Driver={ODBC Driver 17 for SQL Server};Server=h;Database=d;Uid=u;Pwd={;};encrypt=strict"
    more = ";LongAsMax=yes;HostNameInCertificate=x"
    made = read(text + more, "")
    options = {"Encrypt": "strict", "LongAsMax": "yes", "HostNameInCertificate": "x"}
    assert made.odbc_string() == text.replace("encrypt", "Encrypt") + more
    query = make_url(made.sqlalchemy_url()).query
    assert dict(query) == {"driver": "ODBC Driver 17 for SQL Server", **options}


ODBC_WRONG = [
    ("Encrypt=maybe", "'Encrypt' has a value other than"),
    ("TrustServerCertificate=x", "'TrustServerCertificate' has a value"),
    ("Authentication=Active Directory Default", "'Authentication' has a value"),
    ("Enclave Attestation Url=https://x", "'Enclave Attestation Url' cannot be carried over"),
    ("Attestation Protocol=HGS", "'Attestation Protocol' cannot"),
    ("Some Encryption=1", "'Some Encryption' cannot be carried over"),
]


@pytest.mark.parametrize(("option", "message"), ODBC_WRONG, ids=[row[0] for row in ODBC_WRONG])
def test_sql_server_drops_no_security(option: str, message: str) -> None:
    """A security option that the driver lacks is an error in each of the three."""
    made = read(SQL + option, "sqlserver")
    for make in (made.odbc_string, made.sqlalchemy_url, made.django_database):
        with pytest.raises(SettingsError, match=message):
            make()
