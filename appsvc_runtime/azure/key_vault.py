"""Key Vault references: the value of a setting that the platform could not resolve.

Pure. Must not know how settings are found. Source: app-service-key-vault-references in the App
Service documentation; the format of `WEBSITE_KEYVAULT_REFERENCES` is the one that Kudu reads
(Kudu.Core/Helpers/KeyVaultReferenceHelper.cs).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from ..findings import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

__all__ = ["Reference", "holds_reference", "is_reference", "parse_reference", "unresolved"]

_PREFIX = "@microsoft.keyvault("
_STATUSES = "WEBSITE_KEYVAULT_REFERENCES"
_SECRET_URI = re.compile(
    r"https?://([A-Za-z0-9-]{1,127})(?:\.[A-Za-z0-9.-]{0,127})?(?::[0-9]{1,5})?"
    r"/secrets/([A-Za-z0-9-]{1,127})(?=[/?]|$)",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z0-9-]{1,127}")
_CAUSES = (
    "The usual causes: the site's managed identity is off or may not read secrets of that vault "
    "(role Key Vault Secrets User); the secret, or its version, does not exist or is disabled; "
    "the vault's firewall blocks the site. (On your own machine references are not resolved: set "
    "the value itself there.)"
)


class Reference(NamedTuple):
    """The vault and secret that a reference names; "" for a part that cannot be read."""

    vault: str
    secret: str

    def __str__(self) -> str:
        names = f"VaultName={self.vault or '?'};SecretName={self.secret or '?'}"
        return f"@Microsoft.KeyVault({names})"


def is_reference(text: str) -> bool:
    """Return whether a value is an unresolved reference."""
    return "@" in text[:64] and text.lstrip()[: len(_PREFIX)].lower() == _PREFIX


def holds_reference(text: str) -> bool:
    """Return whether a connection string, or a part such as its password, is a reference."""
    return _PREFIX in text.lower()


def parse_reference(text: str) -> Reference:
    """Parse `@Microsoft.KeyVault(SecretUri=…)` or `(VaultName=…;SecretName=…)`; never raises."""
    inner = text[text.lower().find(_PREFIX) + len(_PREFIX) :].partition(")")[0]
    pairs = {}
    for part in inner.split(";"):
        name, _, value = part.partition("=")
        pairs[name.strip().lower()] = value.strip()
    uri = _SECRET_URI.match(pairs.get("secreturi", ""))
    if uri:
        return Reference(uri[1], uri[2])
    vault, secret = pairs.get("vaultname", ""), pairs.get("secretname", "")
    # Show only texts in the form of a vault's or secret's name: others may be secret values.
    return Reference(
        vault if _NAME.fullmatch(vault) else "", secret if _NAME.fullmatch(secret) else ""
    )


def unresolved(
    setting: str,
    text: str,
    environ: Mapping[str, str],
    level: Literal["error", "warning"] = "error",
) -> Finding:
    """Return the finding for a setting whose value is still a reference.

    `environ` may hold the platform's own status of it, in `WEBSITE_KEYVAULT_REFERENCES`.
    """
    reference = parse_reference(text)
    vault = f"vault {reference.vault!r}" if reference.vault else "a vault that it does not name"
    secret = f"secret {reference.secret!r} in " if reference.secret else ""
    status = _status(setting, environ)
    said = f" (the platform says: {status})" if status else ""
    return Finding(
        "key-vault",
        level,
        setting,
        f"The setting {setting} is still a Key Vault reference to {secret}{vault}: the platform "
        f"could not resolve it{said}.",
        _CAUSES,
    )


def _status(setting: str, environ: Mapping[str, str]) -> str:
    try:
        told = json.loads(environ.get(_STATUSES, ""))
        status = told[setting.removeprefix("APPSETTING_")]["status"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
    return status if isinstance(status, str) and _NAME.fullmatch(status) else ""
