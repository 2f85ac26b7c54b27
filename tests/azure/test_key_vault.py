"""Unresolved Key Vault references are recognised, parsed and explained."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appsvc_runtime.azure.key_vault import Reference, is_reference, parse_reference, unresolved

SAFE = "https://safe.vault.azure.net/secrets"


@pytest.mark.parametrize(
    ("text", "known"),
    [
        pytest.param(f"@Microsoft.KeyVault(SecretUri={SAFE}/s)", True, id="uri"),
        pytest.param("@Microsoft.KeyVault(VaultName=safe;SecretName=s)", True, id="names"),
        pytest.param("@microsoft.keyvault(", True, id="lower-case-not-closed"),
        pytest.param("  @Microsoft.KeyVault(x)\n", True, id="blanks"),
        pytest.param("x @Microsoft.KeyVault(x)", False, id="text-before"),
        pytest.param("@Microsoft.KeyVault", False, id="no-bracket"),
        pytest.param("@Microsoft.AppConfiguration(x)", False, id="another-service"),
        pytest.param("", False, id="empty"),
        pytest.param("me@example.com", False, id="mail"),
        pytest.param(" " * 1_000_000, False, id="megabyte-of-blanks"),
    ],
)
def test_references_are_known(text: str, known: bool) -> None:
    """A reference is recognised by its first characters, in any case."""
    assert is_reference(text) is known


@pytest.mark.parametrize(
    ("inner", "vault", "secret"),
    [
        pytest.param(f"SecretUri={SAFE}/db", "safe", "db", id="uri"),
        pytest.param(f"SecretUri={SAFE}/db/", "safe", "db", id="uri-slash"),
        pytest.param(f"SecretUri={SAFE}/db/0123456789abcdef", "safe", "db", id="uri-version"),
        pytest.param(f"secreturi = {SAFE.upper()}/db ", "SAFE", "db", id="uri-case-and-blanks"),
        pytest.param(f"SecretUri={SAFE}/db?x=1", "safe", "db", id="uri-query"),
        pytest.param("VaultName=safe;SecretName=db", "safe", "db", id="names"),
        pytest.param("SecretName=db; VaultName=safe; SecretVersion=1", "safe", "db", id="order"),
        pytest.param("VaultName=safe", "safe", "", id="no-secret"),
        pytest.param("SecretName=db", "", "db", id="no-vault"),
        pytest.param("", "", "", id="nothing"),
        pytest.param("VaultName=my pass word;SecretName=p@ss", "", "", id="no-such-names"),
        pytest.param(f"SecretUri={SAFE}/p@ss", "", "", id="no-such-uri"),
        pytest.param("SecretUri=https://me:pw@safe.vault.azure.net/secrets/db", "", "", id="login"),
        pytest.param("SecretUri=https://safe.vault.azure.net/keys/db", "", "", id="a-key"),
        pytest.param(f"SecretUri=https://{'a' * 100_000}", "", "", id="long"),
        pytest.param(f"VaultName={'a' * 128}", "", "", id="name-too-long"),
    ],
)  # fmt: skip
def test_references_are_read(inner: str, vault: str, secret: str) -> None:
    """Only names in a valid form are shown: other texts may be secrets."""
    assert parse_reference(f"@Microsoft.KeyVault({inner})") == Reference(vault, secret)


def test_finding_names_setting_vault_and_causes() -> None:
    """The finding also says what to do off the platform."""
    found = unresolved("DB_PASSWORD", f"@Microsoft.KeyVault(SecretUri={SAFE}/db)", {})
    assert (found.code, found.level, found.where) == ("key-vault", "error", "DB_PASSWORD")
    assert "DB_PASSWORD is still a Key Vault reference to secret 'db' in vault 'safe'" in (
        found.message
    )
    for cause in ("managed identity", "does not exist or is disabled", "firewall", "own machine"):
        assert cause in found.hint


def test_finding_without_a_vault() -> None:
    """The sentence is correct even if the reference names nothing."""
    found = unresolved("X", "@Microsoft.KeyVault(S3cr3t)", {}, "warning")
    assert found.level == "warning"
    assert "to a vault that it does not name" in found.message
    assert "S3cr3t" not in str(found)


def references(**statuses: object) -> dict[str, str]:
    return {"WEBSITE_KEYVAULT_REFERENCES": json.dumps(statuses)}


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        pytest.param(references(X={"status": "AccessToKeyVaultDenied"}), True, id="status"),
        pytest.param(references(Y={"status": "AccessToKeyVaultDenied"}), False, id="another"),
        pytest.param(references(X={"status": "S3cr3t value"}), False, id="no-status"),
        pytest.param(references(X={"status": 1}), False, id="number"),
        pytest.param(references(X=["status"]), False, id="list"),
        pytest.param(references(X=None), False, id="null"),
        pytest.param({"WEBSITE_KEYVAULT_REFERENCES": "[]"}, False, id="no-object"),
        pytest.param({"WEBSITE_KEYVAULT_REFERENCES": "{"}, False, id="no-json"),
        pytest.param({"WEBSITE_KEYVAULT_REFERENCES": "[" * 100_000}, False, id="deep"),
        pytest.param({"WEBSITE_KEYVAULT_REFERENCES": "1" * 100_000}, False, id="huge-number"),
        pytest.param({"WEBSITE_KEYVAULT_REFERENCES": "\udcff\0"}, False, id="no-utf-8"),
        pytest.param({}, False, id="unset"),
    ],
)
@pytest.mark.parametrize("setting", ["X", "APPSETTING_X"])
def test_what_the_platform_says_is_repeated(
    setting: str, environ: dict[str, str], said: bool
) -> None:
    """The platform's status of the setting is shown if it is one word."""
    message = unresolved(setting, "@Microsoft.KeyVault(VaultName=v)", environ).message
    assert ("the platform says: AccessToKeyVaultDenied" in message) is said
    assert "S3cr3t" not in message


@example(";=" * 1000)
@example("SecretUri=https://a/secrets/")
@given(st.text() | st.from_regex(r"(SecretUri|VaultName|SecretName)=[^;]{0,40}(;.{0,9})?"))
def test_any_reference_is_explained(inner: str) -> None:
    """Any text gives a finding, which takes only names from the text."""
    text = f"@Microsoft.KeyVault({inner})"
    reference = parse_reference(text)
    for part in reference:
        assert part.replace("-", "a").isalnum() or not part
    assert unresolved("X", text, {}).where == "X"
