"""A certificate for the emulator's https; every run makes a new one.

Must not know of the server that uses it. The certificate authority is new in every run and its key
is never written, so that nobody can misuse an authority that a user has trusted. The leaf
certificate's key passes through a temporary file of this user's, as `ssl` needs a file; it is
deleted at once. Nothing is put into the system's or a browser's store.
"""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ...errors import ConfigError
from ...system import own_files

__all__ = ["Certificates"]

_NAMES = ("localhost", "127.0.0.1", "::1")
# Apple's systems accept no certificate that is valid for more than 825 days
# (support.apple.com/103769).
_DAYS = 90


class Certificates:
    """An authority and a certificate for this machine's names and the site's.

    `public_name` is the site's host name, `others` are further names or addresses, an IPv6 one with
    or without brackets. Raises ConfigError for an invalid name, and if trustme is missing.
    """

    def __init__(self, public_name: str, *others: str) -> None:
        try:
            import trustme  # takes 60 ms, and plain http does not need it
        except ImportError:
            raise ConfigError(
                "--https needs the package trustme, which makes the certificate.",
                hint="Install appsvc-runtime[emulator].",
            ) from None
        names = dict.fromkeys(name.strip("[]") for name in (*_NAMES, public_name, *others))
        now = datetime.now(timezone.utc)
        try:
            self._authority = trustme.CA(
                organization_name="appsvc-runtime",
                organization_unit_name="appsvc emulate, made for one run",
            )
            self._leaf = self._authority.issue_cert(
                *names,
                organization_name="appsvc-runtime",
                organization_unit_name="appsvc emulate",
                not_before=now - timedelta(days=1),  # clocks of virtual machines differ
                not_after=now + timedelta(days=_DAYS),
            )
        except ValueError:  # idna's errors are ValueErrors too
            raise ConfigError(
                f"No certificate can be made for {public_name[:80]!r}.", hint="Give a host name."
            ) from None

    @property
    def authority_pem(self) -> bytes:
        """The authority's certificate, without its key, as PEM."""
        return self._authority.cert_pem.bytes()

    def server_context(self) -> ssl.SSLContext:
        """Return the context of a server that presents the certificate and speaks HTTP/1.1."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # App Service's default
        context.set_alpn_protocols(["http/1.1"])
        self._leaf.configure_cert(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return the context of a client that trusts this authority and no other."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._authority.configure_trust(context)
        return context

    def write_authority(self, path: Path) -> None:
        """Write the authority's certificate to `path`, for `curl --cacert` or a browser's settings.

        Raises ConfigError if the file cannot be written.
        """
        try:
            own_files.write_file(path, self.authority_pem)
        except OSError as error:
            raise ConfigError(
                f"The certificate cannot be written to {path}: {error.strerror}.",
                hint="Name a file in a folder that exists.",
            ) from None
