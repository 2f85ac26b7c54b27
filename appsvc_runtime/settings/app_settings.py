"""App settings as one mapping, whatever way the host spells their names.

Pure. Must not know of types or of files. A setting `Section:Key` is, on the platform, up to four
variables: `Section:Key` on Windows, `Section__Key` on Linux, and each once more behind
`APPSETTING_`; Linux also makes `_` of a dot (AD: reference-app-settings, configure-common). Any
spelling finds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ..azure import key_vault
from ..azure import names as azure_names
from ..errors import ConfigError, drop_frames
from ..findings import SettingsError
from ..redaction.secret import refuse_dump

__all__ = ["AppSettings", "Found", "Layer", "copy_texts"]

_PREFIX = azure_names.APP_SETTING_PREFIX


class Found:
    """Where a setting was found: the variable's own `name`, its `value`, and `origin`.

    `repr` leaves the value out. No tuple: JSON would write one with all that is in it.
    """

    __slots__ = ("name", "origin", "value")

    def __init__(self, name: str, value: str, origin: str) -> None:
        self.name = name
        self.value = value
        self.origin = origin

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Found):
            return NotImplemented
        mine, others = (self.name, self.value, self.origin), (other.name, other.value, other.origin)
        return mine == others

    def __hash__(self) -> int:
        return hash((self.name, self.value, self.origin))

    def __repr__(self) -> str:
        return f"Found(name={self.name!r}, origin={self.origin!r})"


class _Texts(dict[str, str]):
    """A dictionary whose `repr` counts, and shows no value."""

    def copy(self) -> _Texts:
        """Return a copy, as pprint makes one to show it."""
        return _Texts(self)

    def __repr__(self) -> str:
        return f"<{len(self)} settings>"

    __sentry_repr__ = __repr__  # Sentry would go through a mapping's values


class Layer:
    """Variables of one origin (`environment`, or the path of a `.env` file), frozen by copying.

    With `ignore_case`, as Windows has it, case makes no difference.
    """

    def __init__(self, origin: str, values: Mapping[str, str], *, ignore_case: bool) -> None:
        self.origin = origin
        self.values = _Texts(values)
        self._ignore_case = ignore_case
        # Made when first asked for: most settings are found by the very name of their variable.
        self._names: dict[str, str] | None = None
        self._folded: dict[str, str] | None = None

    @property
    def names(self) -> Mapping[str, str]:
        """Give canonical names to variables; a plain variable goes before its twin."""
        if self._names is None:
            names: dict[str, str] = {}
            twins: dict[str, str] = {}
            for variable in self.values:
                if self._is_twin(variable):
                    twins.setdefault(self._spell(variable[len(_PREFIX) :]), variable)
                else:
                    names.setdefault(self._spell(variable), variable)
            for name, variable in twins.items():
                names.setdefault(name, variable)
            names.pop("", None)
            self._names = names
        return self._names

    def find(self, name: str) -> str | None:
        """Give the variable that holds a setting: the one so called, the plain one, its twin."""
        if name in self.values:
            return name
        return self.names.get(self.canonical(name))

    def find_ignoring_case(self, name: str) -> str | None:
        """Give the variable of this spelling, else upper-cased, else in any case."""
        found = self.find(name) or self.find(name.upper())
        if found is None:
            if self._folded is None:
                folded: dict[str, str] = {}
                for known in sorted(self.names):
                    folded.setdefault(known.upper(), self.names[known])
                self._folded = folded
            found = self._folded.get(self.canonical(name).upper())
        return found

    def canonical(self, name: str) -> str:
        """Give the one spelling under which names are compared."""
        return self._spell(self.plain(name))

    def plain(self, variable: str) -> str:
        """Give a variable's name without `APPSETTING_`."""
        return variable[len(_PREFIX) :] if self._is_twin(variable) else variable

    def _spell(self, name: str) -> str:
        name = name.replace(":", "__").replace(".", "_")
        return name.upper() if self._ignore_case else name

    def _is_twin(self, variable: str) -> bool:
        start = variable[: len(_PREFIX)]
        return start == _PREFIX or (self._ignore_case and start.upper() == _PREFIX)


def copy_texts(environ: Mapping[str, str]) -> dict[str, str]:
    """Copy a mapping; None is what is not set (as dotenv_values says it), else only texts are."""
    texts = {}
    for name, value in environ.items():
        if isinstance(value, str) and isinstance(name, str):
            texts[name] = value
        elif value is not None:
            raise ConfigError(
                f"The setting {str(name)[:100]!r} is no text but of type {type(value).__name__}.",
                hint="Give load_settings() a mapping of texts, as os.environ is one.",
            )
    return texts


class AppSettings(Mapping[str, str]):
    """All settings an app can see, by name; `layers` come first to last.

    The names it lists are the variables' own, without `APPSETTING_`; several spellings of one name
    are listed once. Values are given as they stand, bytes that are not UTF-8 as surrogates. Reading
    one that is an unresolved Key Vault reference raises SettingsError; looking for it with `in` or
    `find` does not. `repr` shows no value.
    """

    def __init__(self, *layers: Layer) -> None:
        self._layers = layers

    def find(self, name: str) -> Found | None:
        """Give where a setting is and what it reads, as it stands; None where it is not set."""
        for layer in self._layers:
            variable = layer.find(name)
            if variable is not None:
                return Found(variable, layer.values[variable], layer.origin)
        return None

    def find_ignoring_case(self, name: str) -> Found | None:
        """Give the setting of this spelling, else upper-cased, else in any case.

        Layer by layer: a variable in another case still goes before a line of `.env`.
        """
        for layer in self._layers:
            variable = layer.find_ignoring_case(name)
            if variable is not None:
                return Found(variable, layer.values[variable], layer.origin)
        return None

    def has_section(self, name: str) -> bool:
        """Say whether anything below `name` (`Name__…` or `Name:…`, in any case) is set."""
        for layer in self._layers:
            start = f"{layer.canonical(name)}__".upper()
            for known, variable in layer.names.items():
                if known.upper().startswith(start) and layer.values[variable].strip():
                    return True
        return False

    @property
    def environ(self) -> Mapping[str, str]:
        """Give the first layer's variables as they are."""
        # Wrapped here and not in Layer: a proxy can be neither pickled nor copied.
        return MappingProxyType(self._layers[0].values if self._layers else _Texts())

    def __reduce_ex__(self, protocol: Any) -> str | tuple[Any, ...]:
        # Pickle takes them to another process (3 and up); YAML and the like, which ask for 2,
        # would write them where people read.
        if protocol < 3:
            refuse_dump(self, "Dump dict(settings.app_settings) where its values are wanted.")
        return super().__reduce_ex__(protocol)

    @drop_frames
    def __getitem__(self, name: str) -> str:
        found = self.find(name) if isinstance(name, str) else None
        if found is None:
            raise KeyError(name)
        if key_vault.is_reference(found.value):
            raise SettingsError([key_vault.unresolved(found.name, found.value, self.environ)])
        return found.value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def __iter__(self) -> Iterator[str]:
        seen: set[str] = set()
        for layer in self._layers:
            for canonical, variable in layer.names.items():
                if canonical not in seen:
                    seen.add(canonical)
                    yield layer.plain(variable)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<AppSettings: {len(self)} names>"

    __sentry_repr__ = __repr__  # Sentry would go through a mapping's values
