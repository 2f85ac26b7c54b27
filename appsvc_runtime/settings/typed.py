"""Read typed app settings: one at a time, or a whole dataclass with all mistakes at once.

Pure. Must not know of hosts or files. An empty setting counts as not set, whatever its kind.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import TYPE_CHECKING, Any

from ..azure import key_vault
from ..findings import Finding, SettingsError
from .converters import fault, reader_for

if TYPE_CHECKING:
    from .app_settings import AppSettings, Found
    from .converters import Reader

__all__ = ["MISSING", "read_dataclass", "read_value"]

MISSING: Any = dataclasses.MISSING


def read_value(settings: AppSettings, name: str, kind: Any, default: Any = MISSING) -> Any:
    """Return the setting `name` as a `kind` (see `converters`), or `default` if it is not set.

    Raises SettingsError if it is missing without a default, cannot be read as `kind`, or is an
    unresolved Key Vault reference; TypeError for a kind that no setting can have.
    """
    reader = reader_for(kind)
    value, finding = _read(settings, settings.find(name), name, reader)
    if finding:
        raise SettingsError([finding])
    if value is not MISSING:
        return value
    if default is not MISSING:
        return default
    if reader.optional:
        return None
    near = settings.find_ignoring_case(name)
    raise SettingsError([_missing(name, reader, near)])


def read_dataclass(settings: AppSettings, cls: type[Any], prefix: str = "") -> Any:
    """Return an instance of a dataclass read from settings; `SettingsError` lists all faults.

    A field `api_key` is read from `API_KEY` or `api_key`, in any case, after `prefix`; a field's
    metadata `{"setting": "Section:Key"}` names another setting, without the prefix. A field that is
    a dataclass itself is read from `FIELD__…` (or `Field:…`); if it may be None, it is None when
    nothing in its section is set. A ValueError that the class itself raises becomes a finding with
    its own text.
    """
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise TypeError("read() takes a dataclass itself, not an instance or another class")
    reading = _Reading(settings)
    value = reading.instance(cls, prefix)
    if reading.findings:
        raise SettingsError(reading.findings)
    return value


class _Reading:
    """Reads dataclasses from settings, and collects the faults in `findings`."""

    def __init__(self, settings: AppSettings) -> None:
        self.findings: list[Finding] = []
        self._settings = settings

    def instance(self, cls: type[Any], prefix: str) -> Any:
        """Return an instance, or None if a setting was faulty."""
        hints = _hints(cls)
        values: dict[str, Any] = {}
        failed = len(self.findings)
        for field in dataclasses.fields(cls):
            if field.init:
                value = self._field(cls, field, hints[field.name], prefix)
                if value is not MISSING:
                    values[field.name] = value
        if len(self.findings) > failed:
            return None
        try:
            return cls(**values)
        except ValueError as error:
            where = prefix.rstrip("_:") or cls.__name__
            message = f"The settings of {cls.__name__} do not pass its own check: {error}"
            self.findings.append(Finding("malformed", "error", where, message.rstrip(".") + "."))
            return None

    def _field(self, cls: type[Any], field: dataclasses.Field[Any], kind: Any, prefix: str) -> Any:
        """Return a field's value, or MISSING to leave the field to its default."""
        name = field.metadata.get("setting") or prefix + field.name.upper()
        required = field.default is MISSING and field.default_factory is MISSING
        inner = _inner_dataclass(kind)
        if inner is not None:
            if self._settings.has_section(name) or (required and inner is kind):
                return self.instance(inner, f"{name}__")
            return None if required else MISSING
        try:
            reader = reader_for(kind)
        except TypeError as error:
            raise TypeError(f"{cls.__name__}.{field.name}: {error}") from None
        return self._setting(name, reader, required=required)

    def _setting(self, name: str, reader: Reader, *, required: bool) -> Any:
        found = self._settings.find_ignoring_case(name)
        value, finding = _read(self._settings, found, name, reader)
        if finding is None and value is MISSING and required:
            if reader.optional:
                return None
            finding = _missing(name, reader, found)
        if finding is not None:
            self.findings.append(finding)
        return value


def _hints(cls: type[Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{cls.__name__}: {error}; an annotation must name something that its module defines "
            "at run time, not inside a function or for type checkers only"
        ) from None


def _inner_dataclass(kind: Any) -> type[Any] | None:
    """Return the dataclass that a kind is, alone or with `| None`; None for others."""
    if typing.get_origin(kind) is typing.Annotated:
        return _inner_dataclass(typing.get_args(kind)[0])
    parts = [kind]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(kind) if part is not type(None)]
    found = parts[0]
    if len(parts) == 1 and isinstance(found, type) and dataclasses.is_dataclass(found):
        return found
    return None


def _read(
    settings: AppSettings, found: Found | None, name: str, reader: Reader
) -> tuple[Any, Finding | None]:
    """Return the value, MISSING if it is not set, and the finding if it is faulty."""
    if found is None or not found.value.strip():
        return MISSING, None
    if key_vault.is_reference(found.value):
        return MISSING, key_vault.unresolved(found.name, found.value, settings.environ)
    reason = fault(found.value)
    if not reason:
        try:
            return reader.parse(found.value), None
        except ValueError:
            pass  # its message may contain the value
    reason = f" ({reason})" if reason else ""
    where = "" if found.origin == "environment" else f" in {found.origin}"
    return MISSING, Finding(
        "malformed",
        "error",
        found.name,
        f"The setting {found.name}{where} cannot be read{reason}: expected {reader.expected}.",
    )


def _missing(name: str, reader: Reader, near: Found | None = None) -> Finding:
    """Return the finding for a setting that is not set; `near` is the same name in any case."""
    hint = (
        "Add it to the app settings; on your own machine to .env, or under `appsvc emulate` with "
        f"--set {name}=VALUE."
    )
    if near and near.value.strip():
        hint = f"There is {near.name}: names are case-sensitive here."
    elif near:
        hint = f"{near.name} is empty, which counts as not set."
    return Finding(
        "missing",
        "error",
        name,
        f"The setting {name} is missing: expected {reader.expected}.",
        hint,
    )
