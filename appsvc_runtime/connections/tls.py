"""TLS and other options of connection strings, as each client names them.

Pure. Must not know of URLs. An option that concerns security is carried over or is an error, never
dropped. ADO.NET's other options (pooling and the like) concern only .NET's own client and are
dropped.

Sources: npgsql.org/doc/connection-string-parameters.html,
dev.mysql.com/doc/connector-net/en/connector-net-8-0-connection-options.html,
learn.microsoft.com/sql/connect/odbc/dsn-connection-string-attribute,
postgresql.org/docs/current/libpq-connect.html.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .options import squeeze

if TYPE_CHECKING:
    from collections.abc import Callable

    from .parts import Parts

__all__ = ["MySqlTls", "libpq_options", "mysql_tls", "odbc_options", "whole"]

_SECURITY = re.compile(
    r"ssl|tls|encrypt|cert|trust|auth|kerberos|krb|gss|integrated|channelbinding|token|password|"
    r"attest|enclave|tunnel|pqopt"
)

_LIBPQ_SSLMODES = {
    "disable": "disable", "disabled": "disable", "none": "disable", "allow": "allow",
    "prefer": "prefer", "preferred": "prefer", "require": "require", "required": "require",
    "verifyca": "verify-ca", "verifyfull": "verify-full",
}  # fmt: skip
# `ssl=` of older Npgsql, asyncpg and JDBC is either a mode, or only on or off.
_LIBPQ_SSL = {**_LIBPQ_SSLMODES, "true": "require", "yes": "require", "1": "require",
              "false": "disable", "no": "disable", "0": "disable"}  # fmt: skip
_LIBPQ_NAMES = {
    "rootcertificate": "sslrootcert", "sslrootcert": "sslrootcert",
    "sslcertificate": "sslcert", "sslcert": "sslcert", "clientcertificate": "sslcert",
    "sslkey": "sslkey", "clientcertificatekey": "sslkey", "sslpassword": "sslpassword",
    "timeout": "connect_timeout", "connectiontimeout": "connect_timeout",
    "connecttimeout": "connect_timeout", "applicationname": "application_name",
    "keepalive": "keepalives_idle", "channelbinding": "channel_binding",
    "targetsessionattributes": "target_session_attrs", "gssencmode": "gssencmode",
    "gssencryptionmode": "gssencmode", "kerberosservicename": "krbsrvname",
    "clientencoding": "client_encoding", "requireauth": "require_auth",
    "sslnegotiation": "sslnegotiation", "passfile": "passfile",
}  # fmt: skip
_LIBPQ_CHOICES = frozenset(
    {"channel_binding", "gssencmode", "require_auth", "sslnegotiation", "target_session_attrs"}
)
# Options that become a part of libpq's `options`, in which blanks are escaped.
_LIBPQ_SETTINGS: dict[str, Callable[[str], str]] = {
    "options": str,
    "searchpath": lambda value: "-csearch_path=" + re.sub(r"([\\\s])", r"\\\1", value),
}
# Options that are safe to drop: they do not concern the client, or other options say the same
# (libpq's `require` verifies no certificate anyway).
_HARMLESS = frozenset({"trustservercertificate", "persistsecurityinfo", "includeerrordetail"})
# Options that are safe to drop if they are off, which is what clients do without them.
_HARMLESS_OFF = frozenset(
    {"integratedsecurity", "checkcertificaterevocation", "certificatestorelocation"}
)

# From the weakest to the strictest.
_MYSQL_MODES = ("", "DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_MYSQL_SSLMODES = {
    "none": "DISABLED", "disable": "DISABLED", "disabled": "DISABLED", "false": "DISABLED",
    "preferred": "PREFERRED", "prefered": "PREFERRED", "prefer": "PREFERRED",
    "required": "REQUIRED", "require": "REQUIRED", "true": "REQUIRED", "verifyca": "VERIFY_CA",
    "no": "DISABLED", "0": "DISABLED", "yes": "REQUIRED", "1": "REQUIRED",
    "verifyfull": "VERIFY_IDENTITY", "verifyidentity": "VERIFY_IDENTITY",
}  # fmt: skip
# What yes and no mean for these; for the last four, both mean that TLS is on.
_MYSQL_SWITCHES = {
    "ssldisabled": {"yes": "DISABLED", "no": ""},
    "requiressl": {"yes": "REQUIRED", "no": ""},
    "sslcheckhostname": {"yes": "VERIFY_IDENTITY", "no": "REQUIRED"},
    "sslverifyidentity": {"yes": "VERIFY_IDENTITY", "no": "REQUIRED"},
    "sslverifycert": {"yes": "VERIFY_CA", "no": "REQUIRED"},
    "sslverify": {"yes": "VERIFY_CA", "no": "REQUIRED"},
}
_MYSQL_FILES = {
    "sslca": "ca", "cacertificatefile": "ca", "sslcapath": "capath", "sslcert": "cert",
    "sslkey": "key", "certificatefile": "pfx",
}  # fmt: skip
_MYSQL_OTHERS = {
    "charset": "charset", "characterset": "charset", "connecttimeout": "connect_timeout",
    "connectiontimeout": "connect_timeout", "unixsocket": "unix_socket", "socket": "unix_socket",
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
    "trustedconnection": ("Trusted_Connection", {**_YES_NO, "sspi": "yes"}),
    "integratedsecurity": ("Trusted_Connection", {**_YES_NO, "sspi": "yes"}),
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
    "serverspn": "ServerSPN", "failoverpartnerspn": "FailoverPartnerSPN",
    "ipaddresspreference": "IpAddressPreference", "attachdbfilename": "AttachDBFileName",
}  # fmt: skip


class MySqlTls(NamedTuple):
    """The TLS options: `mode` as MySQL's own clients name it, "" if not set, and the files."""

    mode: str
    ca: str
    capath: str
    cert: str
    key: str

    def files(self) -> dict[str, str]:
        """Return the files that are set, by their role."""
        named = {"ca": self.ca, "capath": self.capath, "cert": self.cert, "key": self.key}
        return {name: file for name, file in named.items() if file}

    def is_asked_for(self) -> bool:
        """Return whether TLS is requested; a client may use it even if not."""
        return self.mode not in ("", "DISABLED") or bool(self.files())


def libpq_options(parts: Parts) -> dict[str, str]:
    """Return the options of a PostgreSQL string as libpq names them."""
    given = {name: parts.options.text(name) for name in parts.options}
    if parts.form in ("libpq", "url"):
        if parts.form == "url" and "ssl" in given:
            given = {"sslmode": _choose(_LIBPQ_SSL, "ssl", given.pop("ssl")), **given}
        return given
    found = _in_libpqs_words(given)
    _check_libpq(found)
    if found.get("sslmode", "").startswith("verify"):
        if _YES_NO.get(parts.options.text("Trust Server Certificate").lower()) == "yes":
            raise ValueError(
                "it asks to verify the server's certificate and to trust any certificate"
            )
        if found["sslmode"] == "verify-full" and parts.form == "adonet":
            # Npgsql trusts the system's CAs. libpq by default reads a file in the user's home,
            # which does not exist. (libpq allows `system` only with verify-full.)
            found.setdefault("sslrootcert", "system")
    return found


def _check_libpq(found: dict[str, str]) -> None:
    """Raise ValueError for a value that Npgsql knows and libpq does not."""
    if found.get("target_session_attrs") == "prefer-primary":
        raise ValueError("its option 'Target Session Attributes' has a value that libpq lacks")
    if found.get("sslcert", "").lower().endswith((".pfx", ".p12")):
        raise ValueError("its client certificate is a PKCS #12 file, which libpq cannot read")


def _in_libpqs_words(given: dict[str, str]) -> dict[str, str]:
    """Return Npgsql's options by libpq's names; ValueError if one cannot be dropped."""
    found: dict[str, str] = {}
    settings = []
    for name, value in given.items():
        word = squeeze(name)
        if word == "sslmode":
            found["sslmode"] = _choose(_LIBPQ_SSLMODES, name, value)
        elif word in ("ssl", "usessl"):
            found.setdefault("sslmode", _choose(_LIBPQ_SSL, name, value))
        elif word in _LIBPQ_NAMES:
            known = _LIBPQ_NAMES[word]
            found[known] = value.lower() if known in _LIBPQ_CHOICES else value
        elif word in _LIBPQ_SETTINGS:
            settings.append(_LIBPQ_SETTINGS[word](value))
        elif word != "driver":
            _leave_behind(name, value)
    if settings:
        found["options"] = " ".join(settings)
    if "require_auth" in found:
        found["require_auth"] = re.sub(r"scram-?sha-?256", "scram-sha-256", found["require_auth"])
    return found


def mysql_tls(parts: Parts) -> tuple[MySqlTls, dict[str, str]]:
    """Return the TLS options of a MySQL string, and the other options that any client knows.

    If several options concern TLS, the strictest counts.
    """
    given = _MySqlGiven(parts)
    if "pfx" in given.files:
        raise ValueError("its CertificateFile cannot be read by Python's clients; use SslCert")
    others = given.others
    if others.get("connect_timeout") == "0":
        del others["connect_timeout"]  # it means no limit, and Python's clients refuse it
    elif "connect_timeout" in others:
        whole(others["connect_timeout"], "Connection Timeout")
    files = [given.files.get(name, "") for name in ("ca", "capath", "cert", "key")]
    return MySqlTls(given.mode(), *files), others


class _MySqlGiven:
    """The options of a MySQL string, sorted into TLS modes, TLS files, and others."""

    def __init__(self, parts: Parts) -> None:
        self.files: dict[str, str] = {}
        self.others: dict[str, str] = {}
        self._modes = [""]
        self._lax = False  # an option turns off the check of the certificate or of its host name
        self._is_url = parts.form == "url"
        for name in parts.options:
            self._take(name, squeeze(name), parts.options.text(name))

    def _take(self, name: str, word: str, value: str) -> None:
        if word in ("sslmode", "ssl", "usessl"):
            self._modes.append(_choose(_MYSQL_SSLMODES, name, value))
        elif word in _MYSQL_SWITCHES:
            mode = _MYSQL_SWITCHES[word][_choose(_YES_NO, name, value)]
            self._modes.append(mode)
            self._lax = self._lax or (word != "requiressl" and mode == "REQUIRED")
        elif word in _MYSQL_FILES:
            self.files[_MYSQL_FILES[word]] = value
        elif word in _MYSQL_OTHERS:
            self.others[_MYSQL_OTHERS[word]] = value
        elif word != "driver":
            _leave_behind(name, value)
            if self._is_url:
                self.others[name] = value

    def mode(self) -> str:
        """Return the mode that follows from all options, or ""; ValueError on a conflict."""
        mode = max(self._modes, key=_MYSQL_MODES.index)
        authorities = self.files.get("ca") or self.files.get("capath")
        if authorities and self._leaves_open(mode):
            # A CA file is there to be used. In a URL the host name is verified too, as by PyMySQL.
            mode = "VERIFY_IDENTITY" if self._is_url and not self._lax else "VERIFY_CA"
        if mode.startswith("VERIFY") and not authorities:
            raise ValueError(
                "MySQL's clients verify no certificate without a CA file: name one with SslCa"
            )
        if mode == "DISABLED" and self.files:
            raise ValueError("it names certificates but turns TLS off")
        return mode

    def _leaves_open(self, mode: str) -> bool:
        """Return whether a mode does not decide about certificates.

        That is no mode at all, or REQUIRED by a switch alone.
        """
        return mode == "" or (self._lax and mode == "REQUIRED")


def odbc_options(parts: Parts) -> dict[str, str]:
    """Return the options of a SQL Server string as ODBC names them, without the driver."""
    found = {}
    for name in parts.options:
        word, value = squeeze(name), parts.options.text(name)
        if word == "driver":
            continue
        if word in _ODBC_VALUES:
            known, choices = _ODBC_VALUES[word]
            if parts.form == "adonet":
                found[known] = _choose(choices, name, value)
            else:
                # Change only the spelling: the driver itself shall refuse a value it does not know.
                found[known if squeeze(known) == word else name] = value
        elif parts.form != "adonet":
            found[name] = value
        elif word in _ODBC_NAMES:
            found[_ODBC_NAMES[word]] = value
        else:
            _leave_behind(name, value)
    return found


def whole(text: str, name: str) -> int:
    """Return an option that must be a whole number; ValueError if it is not."""
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise ValueError(f"its option {name!r} is not a whole number")
    return int(text)


def _choose(choices: dict[str, str], name: str, value: str) -> str:
    found = choices.get(squeeze(value))
    if found is None:
        known = ", ".join(dict.fromkeys(choices))
        raise ValueError(f"its option {name!r} has a value other than {known}")
    return found


def _leave_behind(name: str, value: str) -> None:
    """Accept that an option is dropped, unless it may concern security."""
    word = squeeze(name)
    off = _YES_NO.get(value.lower(), value.lower()) in ("no", "none")
    if word in _HARMLESS or (off and word in _HARMLESS_OFF) or not _SECURITY.search(word):
        return
    # The name may be the rest of a password with an unquoted `;`: show only harmless ones.
    shown = f"option {name!r}" if re.fullmatch(r"[A-Za-z_ -]{1,40}", name) else "security options"
    raise ValueError(f"its {shown} cannot be carried over; remove what is not needed")
