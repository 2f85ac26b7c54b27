"""App settings as one mapping, however the host spells their names.

Pure. Must not know of types or of files. On the platform, a setting `Section:Key` is up to four
variables: `Section:Key` on Windows, `Section__Key` on Linux, and each again with the prefix
`APPSETTING_`. Linux also turns a dot into `_` (AD: reference-app-settings, configure-common). Any
spelling finds the setting.
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

    `repr` omits the value. This is not a tuple, because JSON would write a tuple with its values.
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
    """A dictionary whose `repr` shows only its size, and no value."""

    def copy(self) -> _Texts:
        """Return a copy; pprint makes one to print it."""
        return _Texts(self)

    def __repr__(self) -> str:
        return f"<{len(self)} settings>"

    __sentry_repr__ = __repr__  # Sentry would list a mapping's values


class Layer:
    """Variables of one origin (`environment`, or the path of a `.env` file), frozen by copying.

    With `ignore_case`, as on Windows, names are found in any case.
    """

    def __init__(self, origin: str, values: Mapping[str, str], *, ignore_case: bool) -> None:
        self.origin = origin
        self.values = _Texts(values)
        self._ignore_case = ignore_case
        # Made on first use: most settings are found by the exact name of their variable.
        self._names: dict[str, str] | None = None
        self._folded: dict[str, str] | None = None

    @property
    def names(self) -> Mapping[str, str]:
        """Map canonical names to variables; a plain variable takes precedence over its twin."""
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
        """Return the variable that holds a setting: its exact name, the plain name, its twin."""
        if name in self.values:
            return name
        return self.names.get(self.canonical(name))

    def find_ignoring_case(self, name: str) -> str | None:
        """Return the variable of this spelling, else upper-cased, else in any case."""
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
        """Return the one spelling under which names are compared."""
        return self._spell(self.plain(name))

    def plain(self, variable: str) -> str:
        """Return a variable's name without `APPSETTING_`."""
        return variable[len(_PREFIX) :] if self._is_twin(variable) else variable

    def _spell(self, name: str) -> str:
        name = name.replace(":", "__").replace(".", "_")
        return name.upper() if self._ignore_case else name

    def _is_twin(self, variable: str) -> bool:
        start = variable[: len(_PREFIX)]
        return start == _PREFIX or (self._ignore_case and start.upper() == _PREFIX)


def copy_texts(environ: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of a mapping of texts, without None, which dotenv_values has for "not set".

    Raises ConfigError for a value of another type.
    """
    texts = {}
    for name, value in environ.items():
        if isinstance(value, str) and isinstance(name, str):
            texts[name] = value
        elif value is not None:
            raise ConfigError(
                f"The setting {str(name)[:100]!r} is of type {type(value).__name__}, not a text.",
                hint="Pass load_settings() a mapping of texts, such as os.environ.",
            )
    return texts


class AppSettings(Mapping[str, str]):
    """All settings an app can see, by name; earlier `layers` take precedence.

    It lists the variables' own names, without `APPSETTING_`, and several spellings of one name only
    once. Values are unchanged; bytes that are not UTF-8 are surrogates. Reading an unresolved Key
    Vault reference raises SettingsError; looking for one with `in` or `find` does not. `repr` shows
    no value.
    """

    def __init__(self, *layers: Layer) -> None:
        self._layers = layers

    def find(self, name: str) -> Found | None:
        """Return where a setting is and its unchanged value, or None if it is not set."""
        for layer in self._layers:
            variable = layer.find(name)
            if variable is not None:
                return Found(variable, layer.values[variable], layer.origin)
        return None

    def find_ignoring_case(self, name: str) -> Found | None:
        """Return the setting of this spelling, else upper-cased, else in any case.

        This goes layer by layer: a variable in another case takes precedence over a line of `.env`.
        """
        for layer in self._layers:
            variable = layer.find_ignoring_case(name)
            if variable is not None:
                return Found(variable, layer.values[variable], layer.origin)
        return None

    def has_section(self, name: str) -> bool:
        """Return whether a setting below `name` (`Name__…`, `Name:…`, any case) is not empty."""
        for layer in self._layers:
            start = f"{layer.canonical(name)}__".upper()
            for known, variable in layer.names.items():
                if known.upper().startswith(start) and layer.values[variable].strip():
                    return True
        return False

    @property
    def environ(self) -> Mapping[str, str]:
        """Return the first layer's variables unchanged."""
        # Wrapped here and not in Layer: a proxy can be neither pickled nor copied.
        return MappingProxyType(self._layers[0].values if self._layers else _Texts())

    def __reduce_ex__(self, protocol: Any) -> str | tuple[Any, ...]:
        # Pickle takes the settings to another process with protocol 3 or higher. YAML and the
        # like use protocol 2, and would write the values for people to read.
        if protocol < 3:
            refuse_dump(self, "Dump dict(settings.app_settings) if you need the values.")
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

    __sentry_repr__ = __repr__  # Sentry would list a mapping's values
