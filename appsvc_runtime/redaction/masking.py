"""Mask the values of settings: secrets are recognised by their names and by their shape.

Pure. Must not know of hosts or output. In doubt a value is hidden: hiding too much is a nuisance,
showing too much is a leak.
"""

from __future__ import annotations

import re

from .secret import MASK, mask_url
from .token_shapes import holds_token

__all__ = ["is_secret_name", "mask_command", "mask_value"]

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset(
    {"key", "keys", "pass", "pat", "pw", "pwd", "sas", "sig", "signature", "token", "tokens"}
    | {"creds", "jwt", "kennwort", "mnemonic", "otp", "passcode", "passwort", "pepper", "pin"}
    | {"authorization", "bearer", "connstr", "cookie", "dsn", "salt", "webhook", "webhooks"}
)
# A word of a name that ends with one of these is a secret: APIKEY_2, dbpwd, AUTHTOKENS.
_SECRET_ENDS = (
    "key", "keys", "pass", "psw", "pw", "pwd", "salt", "sas", "token", "tokens", "signature",
)  # fmt: skip
# These count only as the last word of a name: REDIS_AUTH, but not WEBSITE_AUTH_ENABLED.
_SECRET_LAST = frozenset({"auth", "private"})
# These count anywhere in a name, with any letters before and after them.
_SECRET_PARTS = (
    "password", "passwd", "passphrase", "secret", "credential", "connectionstring", "connstr",
    "sharedaccess", "privatekey", "apikey", "accesskey", "accountkey", "identityheader",
    "basicauth", "sessionid", "authsession",
)  # fmt: skip
# These end like secrets but are not: a file's name, or nothing worth hiding.
_NO_SECRETS = frozenset({"sslkey", "sslcert", "passwordless", "requireauth"})
_NO_SECRET_WORDS = frozenset({"bypass", "compass", "monkey"})
_KEY_VAULT = re.compile(r"(?<![A-Za-z])(?i:key[_-]?vault)|(?<=[a-z])Key[_-]?Vault")
# A shell's variables for the current folder; elsewhere `pwd` is a password.
_FOLDERS = frozenset({"PWD", "OLDPWD"})
_ABSOLUTE = re.compile(r"/|[A-Za-z]:[\\/]")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# Names within a value: `AccountKey=…`, `"password": …`, `--api-key …`. A match starts where a word
# starts, so that a long value is searched in linear time.
_PAIR = re.compile(r"(?<![\w-])([\w-]{1,200})[\"']?\s{0,9}[:=>]")
_FLAG = re.compile(r"(?<!\S)(--?[A-Za-z][\w-]{0,200})\s")
# The digest of a container image follows an @, but is not a host.
_DIGEST = re.compile(r"@sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})(?![0-9a-f])")

# Words of a command line as a shell splits them, quotes included.
_SHELL_WORD = re.compile(r"""(?:\\.|"(?:[^"\\]|\\.)*"|'[^']*'|\S)+""", re.DOTALL)
_ASSIGNMENT = re.compile(r"""(-{0,2}[A-Za-z_][\w.-]{0,200}[=:])(.+)""", re.DOTALL)
_OPTION = re.compile(r"-{1,2}[A-Za-z][\w.-]{0,200}[=:]?|[A-Za-z_][\w.-]{0,200}[=:]")
_QUOTES = "\"'"


def is_secret_name(name: str) -> bool:
    """Return whether the name of a setting or option means that its value is a secret."""
    name = _KEY_VAULT.sub("Vault", name)  # the vault's own name and address are not secrets
    squeezed = re.sub(r"[^a-z0-9]", "", name.lower())
    if squeezed in _NO_SECRETS:
        return False
    if any(part in squeezed for part in _SECRET_PARTS):
        return True
    words = [word.lower() for word in _WORDS.findall(name)]
    is_last = bool(words) and words[-1] in _SECRET_LAST
    return is_last or "sasurl" in squeezed or any(map(_is_secret_word, words))


def _is_secret_word(word: str) -> bool:
    if word in _SECRET_WORDS:
        return True
    return word.endswith(_SECRET_ENDS) and word not in _NO_SECRET_WORDS


def mask_value(name: str, value: str) -> str:
    """Return a setting's value as it may be shown: hidden, partly hidden, or unchanged."""
    text = value.strip()
    if not text or (name in _FOLDERS and _ABSOLUTE.match(text)):
        return value
    if is_secret_name(name):
        return MASK
    urls = _mask_urls(text)
    if urls:
        return urls
    without_digest = _DIGEST.sub("", text)
    if holds_token(without_digest) or _has_secret_pair(text):
        return MASK
    if "://" in text:
        return mask_url(text)
    # `user:password@host` without a scheme.
    return MASK if 0 <= text.find(":") < without_digest.rfind("@") else value


def _mask_urls(text: str) -> str:
    """Return one URL, or a list of them, as it may be shown; "" for any other text."""
    pieces = re.split(r"([,\s]+)", text)
    # With an @ in the text, a comma may be a part of a password, and not split two URLs.
    urls = pieces[::2] if len(pieces) == 1 or "@" not in text else []
    if not urls or not all(_URL.match(url) for url in urls):
        return ""
    pieces[::2] = [mask_url(url) for url in urls]
    return "".join(pieces)


def _has_secret_pair(text: str) -> bool:
    names = {found[1] for rule in (_PAIR, _FLAG) for found in rule.finditer(text)}
    return any(is_secret_name(name) for name in names)


def mask_command(command: str) -> str:
    """Return a command line as it may be shown, with the values of secrets hidden.

    `DB_PASSWORD=... gunicorn --api-key ...`: assignments and options are recognised by their names,
    all words by their shape. A secret behind an option of one letter is not recognised.
    """
    shown, end, is_value = [], 0, False
    for found in _SHELL_WORD.finditer(command):
        word = found[0]
        shown.append(command[end : found.start()])
        end = found.end()
        if is_value and not word.startswith("--"):
            shown.append(MASK)
            is_value = False
            continue
        shown.append(_mask_word(word))
        is_value = _OPTION.fullmatch(word) is not None and is_secret_name(word)
    return "".join(shown) + command[end:]


def _mask_word(word: str) -> str:
    found = _ASSIGNMENT.fullmatch(word)
    name, value = (found[1], found[2]) if found else ("", word)
    bare = value[1:-1] if value[0] in _QUOTES and value[-1] == value[0] and value[1:] else value
    masked = mask_value(name, bare)
    if masked != bare:
        return f"{name}{value.replace(bare, masked)}"
    return mask_value("", word)  # `user:password@host`: `user` is not the name of a value
