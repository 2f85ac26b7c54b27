"""A settings source for pydantic-settings (`pip install "appsvc-runtime[pydantic]"`)::

    class AppSettings(BaseSettings):
        @classmethod
        def settings_customise_sources(cls, settings_cls, init_settings, **_):
            return init_settings, AppServiceSettingsSource(settings_cls)

It replaces the sources for variables and `.env`, and finds the same settings as `load_settings`, by
any of their spellings. No other module of this package may import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_settings import BaseSettings, EnvSettingsSource

from .azure import key_vault
from .errors import drop_frames
from .findings import Finding, SettingsError
from .settings.load import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

    from .settings.settings import Settings

__all__ = ["AppServiceSettingsSource"]


def _fold(name: str) -> str:
    return name.replace(":", "__").replace(".", "_")


class _Names(dict[str, str | None]):
    """Values by folded names; an alias such as `Mail:Host` finds its value in any spelling."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(_fold(key), default)


class AppServiceSettingsSource(EnvSettingsSource):
    """A source of all settings that an app can see on any host.

    `settings`: by default those of `load_settings()`. `APPSETTING_` twins, `Section:Key` and
    `Section__Key` are one setting. Nested models are read from `SECTION__KEY` unless the model's
    configuration says otherwise. A connection string is also found by its name alone. An empty
    setting counts as not set. If values are unresolved Key Vault references, one SettingsError
    names all of them.
    """

    def __init__(
        self, settings_cls: type[BaseSettings], settings: Settings | None = None, **options: Any
    ) -> None:
        self._settings = load_settings() if settings is None else settings
        self._unresolved: dict[str, Finding] = {}
        if options.get("env_nested_delimiter") is None:
            configured = settings_cls.model_config.get("env_nested_delimiter")
            options["env_nested_delimiter"] = configured or "__"
        super().__init__(settings_cls, **options)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        values = _Names()
        known = self._settings.app_settings
        for name in known:
            found = known.find(name)
            if found and found.value:
                values[self._spell(name)] = found.value
        for name, setting in self._settings.connection_strings.all():
            found = known.find(setting)
            if found and found.value:
                values.setdefault(self._spell(name), found.value)
        return values

    def _spell(self, name: str) -> str:
        name = _fold(name)
        return name if self.case_sensitive else name.lower()

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return a field's text; record an unresolved reference for the error."""
        value, key, is_complex = super().get_field_value(field, field_name)
        if field_name not in self.current_state:  # else an argument takes precedence anyway
            for _, name, _ in self._extract_field_info(field, field_name):
                self._check(name, self.env_vars.get(name))
        if isinstance(value, str) and key_vault.is_reference(value):
            value = None
        return value, key, is_complex

    def explode_env_vars(
        self, field_name: str, field: FieldInfo, env_vars: Mapping[str, str | None]
    ) -> dict[str, Any]:
        """Return a nested model's values; record unresolved references for the error."""
        kept = self._resolved(field_name, field, env_vars)
        try:
            return super().explode_env_vars(field_name, field, kept)
        except ValueError as error:
            # This frame holds all settings, and a JSON error holds the text.
            del env_vars, kept
            problem = str(error)
        raise ValueError(problem)

    def _resolved(
        self, field_name: str, field: FieldInfo, env_vars: Mapping[str, str | None]
    ) -> dict[str, str | None]:
        """Return the texts without unresolved references, and record those for the error."""
        prefixes = tuple(
            f"{name}{self.env_nested_delimiter}"
            for _, name, _ in self._extract_field_info(field, field_name)
        )
        for name, value in env_vars.items():
            if name.startswith(prefixes) and field_name not in self.current_state:
                self._check(name, value)
        return {name: value for name, value in env_vars.items() if name not in self._unresolved}

    @drop_frames
    def __call__(self) -> dict[str, Any]:
        """Return all values; SettingsError if some of them are unresolved references."""
        self._unresolved.clear()
        values = super().__call__()
        if self._unresolved:
            raise SettingsError(self._unresolved.values())
        return values

    def _check(self, name: str, value: str | None) -> None:
        if value is not None and key_vault.is_reference(value):
            environ = self._settings.app_settings.environ
            found = self._settings.app_settings.find_ignoring_case(name)
            setting = found.name if found else name
            self._unresolved[name] = key_vault.unresolved(setting, value, environ)
