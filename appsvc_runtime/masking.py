"""What of a setting may be shown: secrets told by their names and by what they look like.

Pure. Must not know of hosts or output.
"""

from __future__ import annotations

import re

from .readers import mask_url
from .secret import MASK

__all__ = ["is_secret_name", "mask_value"]

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset(
    {"key", "keys", "pass", "passwd", "password", "passphrase", "pat", "pwd", "sas", "secret"}
    | {"secrets", "sig", "signature", "token", "tokens", "credential", "credentials", "connstr"}
    | {"cookie", "salt", "dsn"}
)
_SECRET_ENDS = ("password", "passwd", "passphrase", "pwd", "secret", "token", "key", "signature")
_SECRET_PARTS = (
    "connectionstring",
    "connstr",
    "sharedaccess",
    "credential",
    "privatekey",
    "identityheader",
)
# These end or begin like secrets and hold a file's name, or nothing worth hiding.
_NO_SECRETS = frozenset({"sslkey", "sslcert", "websitekeyvaultreferences"})
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# Pairs that hold keys whatever the setting is called: account keys, SAS tokens, JSON web tokens.
_SECRET_VALUE = re.compile(
    r"(?:account|access|shared\w{0,40})(?:key|signature)\s*=|(?:password|pwd|passwd)\s*=|[?&]?sig=|"
    r"-----BEGIN|\beyJ[\w-]{10,1000}\.eyJ|\"(?:private_?key|client_?secret|password)\"",
    re.IGNORECASE,
)


def is_secret_name(name: str) -> bool:
    """Say whether a setting, or a part of a connection string, is a secret by its name."""
    squeezed = re.sub(r"[^a-z0-9]", "", name.lower())
    if squeezed in _NO_SECRETS:
        return False
    if squeezed.endswith(_SECRET_ENDS) or any(part in squeezed for part in _SECRET_PARTS):
        return True
    return any(word.lower() in _SECRET_WORDS for word in _WORDS.findall(name))


def mask_value(name: str, value: str) -> str:
    """Give a setting's value as it may be shown: hidden, its secret parts hidden, or as it is."""
    if not value:
        return value
    if is_secret_name(name):
        return MASK
    if _URL.match(value.strip()):
        return mask_url(value)
    if _SECRET_VALUE.search(value):
        return MASK
    return re.sub(r"(://[^\s:/@]{0,1000}):[^\s@]{1,1000}@", rf"\1:{MASK}@", value)
