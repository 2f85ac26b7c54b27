"""The source for pydantic-settings: the names, nested models, and the Key Vault check."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from appsvc_runtime import SettingsError, load_settings
from appsvc_runtime.pydantic import AppServiceSettingsSource

REFERENCE = "@Microsoft.KeyVault(SecretUri=https://safe.vault.azure.net/secrets/db/)"


class Mail(BaseModel):
    """A nested model, as in users' apps."""

    host: str = "localhost"
    port: int = 25
    password: SecretStr | None = None


def make(environ: dict[str, str], config: dict[str, Any] | None = None) -> type[BaseSettings]:
    """Return a model that reads from `environ` as from a process's environment."""
    settings = load_settings(environ)

    class AppSettings(BaseSettings):
        model_config = SettingsConfigDict(**(config or {}))

        color: str = "blue"
        count: int | None = None
        tags: list[str] = Field(default_factory=list)
        mail: Mail = Field(default_factory=Mail)
        main: str = ""

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            **_: Any,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, AppServiceSettingsSource(settings_cls, settings)

    return AppSettings


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {}),
        ({"COLOR": "red", "count": "3"}, {"color": "red", "count": 3}),
        ({"APPSETTING_COLOR": "red"}, {"color": "red"}),
        ({"COLOR": "red", "APPSETTING_COLOR": "green"}, {"color": "red"}),
        ({"COLOR": ""}, {}),
        ({"TAGS": '["a", "b"]'}, {"tags": ["a", "b"]}),
        ({"Mail__Host": "h", "MAIL__PORT": "26"}, {"mail": {"host": "h", "port": 26}}),
        ({"Mail:Host": "h"}, {"mail": {"host": "h"}}),
        ({"APPSETTING_Mail__Port": "27"}, {"mail": {"port": 27}}),
        ({"CUSTOMCONNSTR_main": "x=y"}, {"main": "x=y"}),
        ({"MAIN": "plain", "CUSTOMCONNSTR_main": "x=y"}, {"main": "plain"}),
        ({"mail": '{"host": "j"}', "MAIL__PORT": "28"}, {"mail": {"host": "j", "port": 28}}),
    ],
    ids=str,
)
def test_names(environ: dict[str, str], expected: dict[str, Any]) -> None:
    """The names that `load_settings` finds are found, in any spelling."""
    plain = make({})().model_dump()
    mail = {**plain["mail"], **expected.get("mail", {})}
    assert make(environ)().model_dump() == {**plain, **expected, "mail": mail}


def test_the_models_own_configuration_counts() -> None:
    """The model's own prefix, case and delimiter count."""
    environ = {"SHOP_COLOR": "red", "COLOR": "green", "SHOP_MAIL-HOST": "h"}
    found: Any = make(environ, {"env_prefix": "SHOP_", "env_nested_delimiter": "-"})()
    assert (found.color, found.mail.host) == ("red", "h")
    found = make({"COLOR": "x", "color": "y"}, {"case_sensitive": True})()
    assert found.color == "y"


def test_the_process_is_read_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The process's variables are read by default, and `.env` off the platform."""
    (tmp_path / ".env").write_text("COLOR=red\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNT", "5")

    class AppSettings(BaseSettings):
        color: str
        count: int

    source = AppServiceSettingsSource(AppSettings)
    assert source() == {"color": "red", "count": "5"}


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"COLOR": REFERENCE}, ["COLOR"]),
        ({"COUNT": REFERENCE, "TAGS": REFERENCE}, ["COUNT", "TAGS"]),
        ({"Mail__Password": REFERENCE}, ["Mail__Password"]),
        ({"MAIL": REFERENCE}, ["MAIL"]),
        ({"APPSETTING_COLOR": REFERENCE}, ["APPSETTING_COLOR"]),
    ],
    ids=str,
)
def test_unresolved_references(environ: dict[str, str], names: list[str]) -> None:
    """One error names the vaults of all references, instead of a parser's error."""
    with pytest.raises(SettingsError) as caught:
        make(environ)()
    assert [finding.where for finding in caught.value.findings] == names
    assert "vault 'safe'" in str(caught.value)


def test_a_reference_that_no_field_reads_is_nobodys_error() -> None:
    """A reference that no field reads, such as another program's, is not an error."""
    assert make({"OTHER": REFERENCE, "MAILBOX": REFERENCE})()


def test_secrets_stay_hidden_where_the_model_says_so() -> None:
    """Pydantic's own secret types work."""
    found: Any = make({"MAIL__PASSWORD": "S3CR3T"})()
    assert "S3CR3T" not in repr(found)
    with pytest.raises(ValidationError):
        make({"COUNT": "many"})()


def test_an_alias_may_be_spelled_either_way() -> None:
    """The alias `Mail:Host` finds `Mail__Host` on Linux."""

    class AppSettings(BaseSettings):
        host: str = Field(validation_alias="Mail:Host")

    for name in ("Mail:Host", "Mail__Host", "APPSETTING_MAIL__HOST"):
        assert AppServiceSettingsSource(AppSettings, load_settings({name: "h"}))() == {
            "Mail:Host": "h"
        }


def test_an_argument_goes_before_an_unresolved_reference() -> None:
    """An argument, as in a model's own tests, replaces an unresolved reference."""
    assert make({"COLOR": REFERENCE})(color="red").model_dump()["color"] == "red"
