"""The certificate made at the start: who trusts it, for which names, and which files remain."""

from __future__ import annotations

import socket
import ssl
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from appsvc_runtime.emulator.frontend.certificates import Certificates
from appsvc_runtime.errors import ConfigError

NAME = "site.azurewebsites.net"


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    """Return one that all tests use."""
    return Certificates(NAME, "laptop.local")


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> dict[str, object]:
    """Connect a client to a server; return the certificate that the client has accepted."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as wrapped:
                wrapped.recv(1)
        except OSError:
            return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=name) as wrapped:
            assert wrapped.selected_alpn_protocol() in (None, "http/1.1")
            return dict(wrapped.getpeercert() or {})
    finally:
        ours.close()
        theirs.close()
        thread.join(10)


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "localhost", NAME, "laptop.local"])
def test_it_is_for_this_machine_and_the_site(certificates: Certificates, name: str) -> None:
    """A client that trusts the authority accepts it by each name."""
    found = shake_hands(certificates.server_context(), certificates.client_context(), name)
    assert found["notAfter"]


def test_it_is_for_nobody_else(certificates: Certificates) -> None:
    """A client refuses it for another name."""
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        shake_hands(certificates.server_context(), certificates.client_context(), "evil.example")


def test_nobody_trusts_it_unasked(certificates: Certificates) -> None:
    """Neither the system's authorities nor those of another run verify it."""
    for client in (ssl.create_default_context(), Certificates(NAME).client_context()):
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_hands(certificates.server_context(), client, "localhost")


def test_the_authority_is_written_without_its_key(
    certificates: Certificates, tmp_path: Path
) -> None:
    """The file is enough for a client to trust the certificate."""
    path = tmp_path / "authority.pem"
    certificates.write_authority(path)
    assert path.read_bytes() == certificates.authority_pem
    assert b"PRIVATE" not in path.read_bytes()
    client = ssl.create_default_context(cafile=path)
    shake_hands(certificates.server_context(), client, "localhost")


def test_a_path_that_cannot_be_written_is_one_sentence(
    certificates: Certificates, tmp_path: Path
) -> None:
    """The message has the reason."""
    with pytest.raises(ConfigError, match="cannot be written"):
        certificates.write_authority(tmp_path / "nowhere" / "authority.pem")


def test_old_protocols_are_not_spoken(certificates: Certificates) -> None:
    """The minimum is TLS 1.2, as App Service's default."""
    assert certificates.server_context().minimum_version is ssl.TLSVersion.TLSv1_2


def test_no_file_stays_behind(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is on the disk only while `ssl` reads it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    certificates.server_context()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "a b", "a/b", "x" * 64 + ".example"])
def test_what_is_no_name_is_refused(name: str) -> None:
    """The error is one sentence."""
    with pytest.raises(ConfigError):
        Certificates(name)


def test_without_trustme_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ConfigError, match="emulator"):
        Certificates(NAME)


def test_a_link_in_its_place_is_replaced(tmp_path: Path) -> None:
    """A project may contain such a link: its target stays unchanged."""
    theirs = tmp_path / "theirs"
    theirs.write_text("mine")
    for name in ("authority.pem", "authority.pem.new"):
        (tmp_path / name).symlink_to(theirs)
    Certificates("site.example").write_authority(tmp_path / "authority.pem")
    assert theirs.read_text() == "mine"
    assert not (tmp_path / "authority.pem").is_symlink()
    assert (tmp_path / "authority.pem").read_bytes().startswith(b"-----BEGIN CERTIFICATE")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["authority.pem", "theirs"]
