"""Typed reading of app settings: one at a time, or a whole dataclass with all mistakes at once.

Pure. Must not know of hosts or files. What is set to nothing counts as not set, whatever its kind.
"""

from __future__ import annotations

import dataclasses
import typing
from typing import TYPE_CHECKING, Any

from . import keyvault
from .findings import Finding, SettingsError
from .readers import reader_for

if TYPE_CHECKING:
    from .appsettings import AppSettings, Found
    from .readers import Reader

__all__ = ["MISSING", "read_dataclass", "read_value"]

MISSING: Any = dataclasses.MISSING


def read_value(settings: AppSettings, name: str, kind: Any, default: Any = MISSING) -> Any:
    """Give the setting `name` as a `kind` (see readers.reader_for), or `default` if it is not set.

    Raises SettingsError where it is missing and there is no default, cannot be read as `kind`, or
    is an unresolved Key Vault reference; TypeError for a kind that no setting can be read as.
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
    raise SettingsError([_missing(name, reader)])


def read_dataclass(settings: AppSettings, cls: type[Any], prefix: str = "") -> Any:
    """Make an instance of a dataclass from settings; `SettingsError` has all that is wrong.

    A field `api_key` is read from `API_KEY` or `api_key`, in any case, behind `prefix`; a field's
    metadata `{"setting": "Section:Key"}` names another. A field that is a dataclass itself is read
    from `FIELD__…` (or `Field:…`); one that may be None is None where nothing of it is set.
    """
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise TypeError(f"{cls!r} is no dataclass")
    findings: list[Finding] = []
    value = _read_dataclass(settings, cls, prefix, findings)
    if findings:
        raise SettingsError(findings)
    return value


def _read_dataclass(
    settings: AppSettings, cls: type[Any], prefix: str, findings: list[Finding]
) -> Any:
    hints = typing.get_type_hints(cls, include_extras=True)
    values: dict[str, Any] = {}
    failed = len(findings)
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        name = prefix + field.metadata.get("setting", field.name.upper())
        kind = hints[field.name]
        required = field.default is MISSING and field.default_factory is MISSING
        inner = _inner_dataclass(kind)
        if inner is not None:
            below = f"{name}__"
            if _any_set(settings, below) or (required and inner is kind):
                values[field.name] = _read_dataclass(settings, inner, below, findings)
            elif required:
                values[field.name] = None
            continue
        try:
            reader = reader_for(kind)
        except TypeError as error:
            raise TypeError(f"{cls.__name__}.{field.name}: {error}") from None
        found = settings.find_ignoring_case(name)
        value, finding = _read(settings, found, name, reader)
        if finding:
            findings.append(finding)
        elif value is not MISSING:
            values[field.name] = value
        elif required and reader.optional:
            values[field.name] = None
        elif required:
            findings.append(_missing(name, reader))
    return cls(**values) if len(findings) == failed else None


def _inner_dataclass(kind: Any) -> type[Any] | None:
    """Give the dataclass that a kind is, or may be beside None."""
    parts = [part for part in typing.get_args(kind) if part is not type(None)] or [kind]
    found = parts[0]
    if len(parts) == 1 and isinstance(found, type) and dataclasses.is_dataclass(found):
        return found
    return None


def _any_set(settings: AppSettings, below: str) -> bool:
    start = below.replace(":", "__").upper()
    for name in settings:
        if name.replace(":", "__").upper().startswith(start):
            found = settings.find(name)
            if found and found.value:
                return True
    return False


def _read(
    settings: AppSettings, found: Found | None, name: str, reader: Reader
) -> tuple[Any, Finding | None]:
    """Give the value, MISSING where there is none, and what is wrong with it."""
    if found is None or not found.value.strip():
        return MISSING, None
    if keyvault.is_reference(found.value):
        return MISSING, keyvault.unresolved(found.name, found.value, settings.environ)
    reason = ""
    try:
        found.value.encode("utf-8")
        if "\0" not in found.value:
            return reader.parse(found.value), None
        reason = " (it holds a NUL character)"
    except UnicodeEncodeError:
        reason = " (it is not UTF-8)"
    except (ValueError, RecursionError):
        pass
    where = "" if found.origin == "environment" else f" in {found.origin}"
    return MISSING, Finding(
        "malformed",
        "error",
        found.name,
        f"The setting {found.name}{where} cannot be read{reason}: expected {reader.expected}.",
    )


def _missing(name: str, reader: Reader) -> Finding:
    return Finding(
        "missing",
        "error",
        name,
        f"The setting {name} is missing: expected {reader.expected}.",
        "Add it to the app settings, or to .env on your own machine.",
    )
