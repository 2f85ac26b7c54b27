"""App settings as one mapping, whatever way the host spells their names.

Pure. Must not know of types or of files. A setting `Section:Key` is, on the platform, up to four
variables: `Section:Key` on Windows, `Section__Key` on Linux, and each once more behind
`APPSETTING_` (AD: reference-app-settings, configure-common). Any spelling finds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from . import facts, keyvault
from .findings import SettingsError

__all__ = ["AppSettings", "Found", "Layer"]


class Found(NamedTuple):
    """Where a setting was found: the variable's own `name`, its `value`, and `origin`."""

    name: str
    value: str
    origin: str


class Layer:
    """Variables of one origin (`environment`, or the path of a `.env` file), frozen by copying.

    With `ignore_case`, as Windows has it, case makes no difference.
    """

    def __init__(self, origin: str, values: Mapping[str, str], *, ignore_case: bool) -> None:
        self.origin = origin
        self.values = dict(values)
        self._ignore_case = ignore_case
        self._index: dict[str, str] | None = None
        self._twins: dict[str, str] | None = None

    def find(self, name: str) -> str | None:
        """Give the variable that holds a setting: the plain one, else its twin."""
        if name in self.values:
            return name
        if self._index is None or self._twins is None:
            self._index, self._twins = self._make_index()
        canonical = self.canonical(name)
        return self._index.get(canonical) or self._twins.get(canonical)

    def canonical(self, name: str) -> str:
        """Give the one spelling under which names are compared."""
        name = name.replace(":", "__")
        return name.upper() if self._ignore_case else name

    def _make_index(self) -> tuple[dict[str, str], dict[str, str]]:
        index: dict[str, str] = {}
        twins: dict[str, str] = {}
        prefix = facts.APP_SETTING_PREFIX
        for name in self.values:
            canonical = self.canonical(name)
            index.setdefault(canonical, name)
            if canonical.startswith(prefix):
                twins.setdefault(canonical.removeprefix(prefix), name)
        return index, twins


class AppSettings(Mapping[str, str]):
    """All settings an app can see, by name; `layers` come first to last.

    The names it lists are the variables' own, without `APPSETTING_`. Reading one whose value is an
    unresolved Key Vault reference raises SettingsError; looking for it with `in` or `find` does
    not. `repr` shows no value.
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
        """Give the setting of this spelling, else upper-cased, else in any case."""
        found = self.find(name) or self.find(name.upper())
        if found is None:
            wanted = name.replace(":", "__").upper()
            for known in sorted(self):
                if known.replace(":", "__").upper() == wanted:
                    return self.find(known)
        return found

    def problem(self, found: Found) -> SettingsError | None:
        """Give the error for a setting that is an unresolved Key Vault reference."""
        if keyvault.is_reference(found.value):
            return SettingsError([keyvault.unresolved(found.name, found.value, self.environ)])
        return None

    @property
    def environ(self) -> Mapping[str, str]:
        """Give the first layer's variables as they are."""
        return self._layers[0].values if self._layers else {}

    def __getitem__(self, name: str) -> str:
        found = self.find(name) if isinstance(name, str) else None
        if found is None:
            raise KeyError(name)
        problem = self.problem(found)
        if problem:
            raise problem
        return found.value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def __iter__(self) -> Iterator[str]:
        seen = set()
        for layer in self._layers:
            for variable in layer.values:
                name = variable
                if variable.startswith(facts.APP_SETTING_PREFIX):
                    name = variable.removeprefix(facts.APP_SETTING_PREFIX)
                canonical = layer.canonical(name)
                if name and canonical not in seen:
                    seen.add(canonical)
                    plain = layer.find(name) or name
                    yield plain.removeprefix(facts.APP_SETTING_PREFIX)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<AppSettings: {len(self)} names>"
