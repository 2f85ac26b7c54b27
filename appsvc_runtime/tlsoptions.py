"""TLS and other options of connection strings, in the words of each client.

Pure. Must not know of URLs. What touches security is carried over or is an error, never dropped:
ADO.NET's other options (pooling and the like) concern .NET's own client and stay behind.

Sources: npgsql.org/doc/connection-string-parameters.html,
dev.mysql.com/doc/connector-net/en/connector-net-8-0-connection-options.html,
learn.microsoft.com/sql/connect/odbc/dsn-connection-string-attribute,
postgresql.org/docs/current/libpq-connect.html.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .connectionparts import squeeze

if TYPE_CHECKING:
    from .connectionparts import Parts

__all__ = ["MySqlTls", "libpq_options", "mysql_tls", "odbc_options"]

_SECURITY = re.compile(
    r"ssl|tls|encrypt|cert|trust|auth|kerberos|krb|gss|integrated|channelbinding|token|password"
)

_LIBPQ_SSLMODES = {
    "disable": "disable", "disabled": "disable", "none": "disable", "allow": "allow",
    "prefer": "prefer", "preferred": "prefer", "require": "require", "required": "require",
    "verifyca": "verify-ca", "verifyfull": "verify-full",
}  # fmt: skip
_LIBPQ_NAMES = {
    "rootcertificate": "sslrootcert", "sslrootcert": "sslrootcert",
    "sslcertificate": "sslcert", "sslcert": "sslcert", "clientcertificate": "sslcert",
    "sslkey": "sslkey", "clientcertificatekey": "sslkey", "sslpassword": "sslpassword",
    "timeout": "connect_timeout", "connectiontimeout": "connect_timeout",
    "connecttimeout": "connect_timeout", "applicationname": "application_name",
    "options": "options", "keepalive": "keepalives_idle", "channelbinding": "channel_binding",
    "targetsessionattributes": "target_session_attrs", "gssencmode": "gssencmode",
    "gssencryptionmode": "gssencmode", "kerberosservicename": "krbsrvname",
    "clientencoding": "client_encoding", "requireauth": "require_auth",
    "sslnegotiation": "sslnegotiation",
}  # fmt: skip
_LIBPQ_CHOICES = frozenset({"channelbinding", "gssencmode", "gssencryptionmode", "sslnegotiation"})
# Not a client's business, or said by others: libpq's `require` looks at no certificate anyway.
_HARMLESS = frozenset({"trustservercertificate", "persistsecurityinfo", "includeerrordetail"})

_MYSQL_SSLMODES = {
    "none": "DISABLED", "disable": "DISABLED", "disabled": "DISABLED", "false": "DISABLED",
    "preferred": "PREFERRED", "prefered": "PREFERRED", "prefer": "PREFERRED",
    "required": "REQUIRED", "require": "REQUIRED", "true": "REQUIRED", "verifyca": "VERIFY_CA",
    "verifyfull": "VERIFY_IDENTITY", "verifyidentity": "VERIFY_IDENTITY",
}  # fmt: skip
_MYSQL_FILES = {
    "sslca": "ca", "cacertificatefile": "ca", "sslcert": "cert", "sslkey": "key",
    "certificatefile": "pfx", "sslcapath": "capath",
}  # fmt: skip

_YES_NO = {"true": "yes", "yes": "yes", "false": "no", "no": "no", "1": "yes", "0": "no"}
_ENCRYPT = {**_YES_NO, "mandatory": "yes", "optional": "no", "strict": "strict"}
_AUTHENTICATION = {
    "sqlpassword": "SqlPassword",
    "activedirectorypassword": "ActiveDirectoryPassword",
    "activedirectoryintegrated": "ActiveDirectoryIntegrated",
    "activedirectoryinteractive": "ActiveDirectoryInteractive",
    "activedirectoryserviceprincipal": "ActiveDirectoryServicePrincipal",
    "activedirectorymsi": "ActiveDirectoryMsi",
    "activedirectorymanagedidentity": "ActiveDirectoryMsi",
}
_ODBC_VALUES = {
    "encrypt": ("Encrypt", _ENCRYPT),
    "trustservercertificate": ("TrustServerCertificate", _YES_NO),
    "integratedsecurity": ("Trusted_Connection", {**_YES_NO, "sspi": "yes"}),
    "trustedconnection": ("Trusted_Connection", {**_YES_NO, "sspi": "yes"}),
    "multipleactiveresultsets": ("MARS_Connection", _YES_NO),
    "multisubnetfailover": ("MultiSubnetFailover", _YES_NO),
    "authentication": ("Authentication", _AUTHENTICATION),
    "columnencryptionsetting": ("ColumnEncryption", {"enabled": "Enabled", "disabled": "Disabled"}),
}
_ODBC_NAMES = {
    "applicationintent": "ApplicationIntent", "applicationname": "APP", "app": "APP",
    "workstationid": "WSID", "wsid": "WSID", "language": "Language",
    "currentlanguage": "Language", "connecttimeout": "Connection Timeout",
    "connectiontimeout": "Connection Timeout", "timeout": "Connection Timeout",
    "hostnameincertificate": "HostNameInCertificate", "servercertificate": "ServerCertificate",
    "failoverpartner": "Failover_Partner", "connectretrycount": "ConnectRetryCount",
    "connectretryinterval": "ConnectRetryInterval", "packetsize": "PacketSize",
    "serverspn": "ServerSPN",
}  # fmt: skip


class MySqlTls(NamedTuple):
    """`mode` as MySQL's own clients call it, "" where none was said; files by what they are."""

    mode: str
    ca: str
    cert: str
    key: str


def libpq_options(parts: Parts) -> dict[str, str]:
    """Give the options of a PostgreSQL string in libpq's words."""
    if parts.form in ("libpq", "url"):
        return {name: parts.options.text(name) for name in parts.options}
    found = {}
    for name in parts.options:
        word, value = squeeze(name), parts.options.text(name)
        if word == "sslmode":
            found["sslmode"] = _choose(_LIBPQ_SSLMODES, name, value)
        elif word in _LIBPQ_NAMES:
            found[_LIBPQ_NAMES[word]] = value.lower() if word in _LIBPQ_CHOICES else value
        elif word == "searchpath":
            found["options"] = f"-csearch_path={value}".replace(" ", "\\ ")
        elif parts.form == "adonet" or word != "driver":
            _leave_behind(name, word)
    if (
        found.get("sslmode", "").startswith("verify")
        and _YES_NO.get(parts.options.text("Trust Server Certificate").lower()) == "yes"
    ):
        raise ValueError("it asks to verify the server's certificate and to trust it unseen")
    return found


def mysql_tls(parts: Parts) -> tuple[MySqlTls, dict[str, str]]:
    """Give the TLS options of a MySQL string, and its other ones that any client knows."""
    mode = ""
    files: dict[str, str] = {}
    others = {}
    for name in parts.options:
        word, value = squeeze(name), parts.options.text(name)
        if word in ("sslmode", "ssl", "usessl", "requiressl"):
            mode = _choose(_MYSQL_SSLMODES, name, value)
        elif word in ("sslcheckhostname", "sslverifyidentity", "sslverifycert"):
            check = _choose(_YES_NO, name, value)
            if check == "yes":
                strict = "VERIFY_CA" if word == "sslverifycert" else "VERIFY_IDENTITY"
                mode = max(mode, strict, key=["", "VERIFY_CA", "VERIFY_IDENTITY"].count)
            else:
                mode = mode or "REQUIRED"
        elif word in _MYSQL_FILES:
            files[_MYSQL_FILES[word]] = value
        elif word in ("charset", "characterset"):
            others["charset"] = value
        elif word in ("connecttimeout", "connectiontimeout"):
            others["connect_timeout"] = value
        elif parts.form == "url":
            _leave_behind(name, word)
            others[name] = value
        elif word != "driver":
            _leave_behind(name, word)
    if "pfx" in files or "capath" in files:
        raise ValueError(
            "it names a certificate store that Python's clients cannot read; use SslCa"
        )
    tls = MySqlTls(mode, files.get("ca", ""), files.get("cert", ""), files.get("key", ""))
    if mode == "DISABLED" and any(tls[1:]):
        raise ValueError("it names certificates and turns TLS off")
    return tls, others


def odbc_options(parts: Parts) -> dict[str, str]:
    """Give the options of a SQL Server string in ODBC's words, the driver left out."""
    found = {}
    for name in parts.options:
        word, value = squeeze(name), parts.options.text(name)
        if word == "driver":
            continue
        if parts.form != "adonet":
            found[name] = value
        elif word in _ODBC_VALUES:
            known, choices = _ODBC_VALUES[word]
            found[known] = _choose(choices, name, value)
        elif word in _ODBC_NAMES:
            found[_ODBC_NAMES[word]] = value
        else:
            _leave_behind(name, word)
    return found


def _choose(choices: dict[str, str], name: str, value: str) -> str:
    found = choices.get(squeeze(value))
    if found is None:
        known = ", ".join(dict.fromkeys(choices))
        raise ValueError(f"its option {name!r} has a value that is not known here ({known})")
    return found


def _leave_behind(name: str, word: str) -> None:
    """Accept that an option is not carried over, unless it may concern security."""
    if word not in _HARMLESS and _SECURITY.search(word):
        raise ValueError(f"its option {name!r} cannot be carried over; take it out if it may go")
