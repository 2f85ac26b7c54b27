"""App settings as one mapping: every spelling of a name finds it, and no value is shown."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime.errors import AppServiceError
from appsvc_runtime.findings import SettingsError
from appsvc_runtime.settings.app_settings import AppSettings, Found, Layer

REFERENCE = "@Microsoft.KeyVault(VaultName=safe;SecretName=db)"


def make(*layers: dict[str, str], ignore_case: bool = False) -> AppSettings:
    return AppSettings(
        *(
            Layer("environment" if not place else ".env", values, ignore_case=ignore_case)
            for place, values in enumerate(layers)
        )
    )


SPELLINGS = ["Mail:Host", "Mail__Host", "APPSETTING_Mail:Host", "APPSETTING_Mail__Host"]


@pytest.mark.parametrize("there", SPELLINGS)
def test_any_spelling_finds_it(there: str) -> None:
    """Windows' name and Linux' name, plain and behind APPSETTING_."""
    settings = make({there: "x"})
    for asked in SPELLINGS:
        assert settings[asked] == "x"
        assert asked in settings
        assert settings.find(asked) == Found(there, "x", "environment")
    assert list(settings) == [there.removeprefix("APPSETTING_")]


@pytest.mark.parametrize(
    ("there", "asked", "found"),
    [
        pytest.param("My_App_Level", "My.App.Level", True, id="dots-as-linux-writes-them"),
        pytest.param("My.App.Level", "My_App_Level", True, id="dots-as-windows-keeps-them"),
        pytest.param("Mail:Smtp:Host", "Mail__Smtp:Host", True, id="deep"),
        pytest.param("Mail_Host", "Mail:Host", False, id="one-underscore"),
        pytest.param("Mail__Host", "MAIL__HOST", False, id="case"),
        pytest.param("APPSETTING_", "", False, id="nothing"),
        pytest.param("APPSETTING_X", "APPSETTING", False, id="prefix-alone"),
        pytest.param("APPSETTING:X", "X", False, id="prefix-in-another-spelling"),
        pytest.param("A b=c", "A b=c", True, id="odd-characters"),
        pytest.param("Größe", "Größe", True, id="beyond-ascii"),
        pytest.param("\udcff", "\udcff", True, id="no-utf-8"),
    ],
)
def test_other_spellings(there: str, asked: str, found: bool) -> None:
    """Linux turns a dot into an underscore; case counts."""
    settings = make({there: "x"})
    assert (asked in settings) is found
    assert settings.get(asked) == ("x" if found else None)


@pytest.mark.parametrize("asked", ["path", "PATH", "Path", "mail:host", "APPSETTING_MAIL__HOST"])
def test_windows_makes_no_difference_of_case(asked: str) -> None:
    """On Windows case is ignored, even in a copy whose names are all upper-cased."""
    there = {"Path": "x", "APPSETTING_MAIL:HOST": "x"}
    assert make(there, ignore_case=True)[asked] == "x"
    assert list(make(there, ignore_case=True)) == ["Path", "MAIL:HOST"]


@pytest.mark.parametrize(
    ("values", "asked", "name"),
    [
        pytest.param({"APPSETTING_A": "2", "A": "1"}, "A", "A", id="plain-before-twin"),
        pytest.param({"A__B": "2", "A:B": "1"}, "A:B", "A:B", id="the-one-so-called"),
        pytest.param({"A__B": "1", "A:B": "2"}, "A__B", "A__B", id="the-other-so-called"),
        pytest.param({"A": "1", "APPSETTING_A": "2"}, "APPSETTING_A", "APPSETTING_A", id="twin"),
        pytest.param({"APPSETTING_A:B": "2", "A__B": "1"}, "A:B", "A__B", id="other-plain"),
    ],
)  # fmt: skip
def test_which_of_several_is_found(values: dict[str, str], asked: str, name: str) -> None:
    """The exact name takes precedence, then the plain variable; each setting is listed once."""
    settings = make(values)
    found = settings.find(asked)
    assert found is not None
    assert found.name == name
    assert len(settings) == len(list(settings)) == 1


def test_environment_goes_before_dotenv() -> None:
    """A variable takes precedence over `.env`, even in another spelling or if it is empty."""
    settings = make({"A__B": "env", "EMPTY": ""}, {"A:B": "file", "EMPTY": "file", "C": "file"})
    assert settings["A:B"] == "env"
    assert settings["EMPTY"] == ""
    assert settings.find("C") == Found("C", "file", ".env")
    assert list(settings) == ["A__B", "EMPTY", "C"]
    assert dict(settings.environ) == {"A__B": "env", "EMPTY": ""}


@pytest.mark.parametrize(
    ("values", "name"),
    [
        pytest.param({"api_key": "2", "API_KEY": "2", "Api_Key": "1"}, "Api_Key", id="very-name"),
        pytest.param({"api_key": "2", "API_KEY": "1"}, "API_KEY", id="upper-case"),
        pytest.param({"api_key": "1", "x": "2"}, "api_key", id="any-case"),
        pytest.param({"aPI_KEY": "2", "ApI_kEY": "1"}, "ApI_kEY", id="first-of-several"),
        pytest.param({"APPSETTING_api_key": "1"}, "APPSETTING_api_key", id="twin"),
        pytest.param({"api.key": "1"}, "api.key", id="dot"),
    ],
)  # fmt: skip
def test_finding_in_any_case(values: dict[str, str], name: str) -> None:
    """Fields of dataclasses are found in any case on hosts where case counts."""
    found = make(values).find_ignoring_case("Api_Key")
    assert found is not None
    assert (found.name, found.value) == (name, "1")
    assert make(values).find_ignoring_case("Api_Keys") is None


def test_a_variable_in_another_case_goes_before_dotenv() -> None:
    """A line of `.env` never overrides a variable, even one in another case."""
    found = make({"api_key": "env"}, {"API_KEY": "file"}).find_ignoring_case("API_KEY")
    assert found == Found("api_key", "env", "environment")


@pytest.mark.parametrize(
    ("name", "there"),
    [("mail", True), ("Mail:Smtp", True), ("MAIL__SMTP", True), ("Empty", False), ("Mai", False)],
)
def test_sections(name: str, there: bool) -> None:
    """A section exists if any setting in it is not empty."""
    assert make({"Mail": "x"}, {"Mail__Smtp:Host": "x", "Empty__A": " "}).has_section(name) is there


def test_unresolved_references_are_errors_when_read() -> None:
    """An unresolved reference is an error when read, not when looked for, despite a default."""
    settings = make({"APPSETTING_A": REFERENCE, "B": "x"})
    assert "A" in settings
    assert settings.find("A") is not None
    for read in (settings.get, settings.__getitem__):
        with pytest.raises(SettingsError, match="APPSETTING_A is still a Key Vault reference"):
            read("A")
    with pytest.raises(AppServiceError):
        dict(settings)
    assert settings["B"] == "x"


def test_nothing_shows_a_value() -> None:
    """Neither the mapping nor its views nor a found setting show a value."""
    settings = make({"A": "S3cr3t"}, {"B": "S3cr3t"})
    shown: list[Any] = [settings, settings.values(), settings.items(), settings.find("A")]
    assert "S3cr3t" not in repr(shown)
    assert repr(settings) == "<AppSettings: 2 names>"


def test_frozen() -> None:
    """Changes to its source or its results do not change the mapping."""
    values = {"A": "1"}
    settings = make(values)
    values["A"] = "2"
    values["B"] = "2"
    assert dict(settings) == {"A": "1"}
    with pytest.raises(TypeError):
        settings.environ["A"] = "2"  # type: ignore[index]


def test_empty() -> None:
    """A mapping without layers is empty, and not an error."""
    assert dict(AppSettings()) == {}
    assert AppSettings().environ == {}
    assert AppSettings().find("A") is None
    assert 1 not in AppSettings()  # type: ignore[comparison-overlap]
    with pytest.raises(KeyError):
        AppSettings()[1]  # type: ignore[index]


PARTS = st.text(st.sampled_from("aA_:.") | st.characters(), max_size=6)
NAMES = st.builds("".join, st.tuples(st.sampled_from(["", "APPSETTING", "APPSETTING_"]), PARTS))


@given(st.dictionaries(NAMES, st.text(max_size=5)), st.booleans())
def test_any_mapping_is_one(values: dict[str, str], ignore_case: bool) -> None:
    """Every listed name and every variable is found; a copy is equal."""
    settings = make(values, ignore_case=ignore_case)
    assert len(settings) == len(list(settings)) == len(set(settings))
    for name in settings:
        assert settings[name] == settings[name]
        assert name in settings
        assert settings.find_ignoring_case(name) is not None
    for name, value in values.items():
        assert settings.find(name) == Found(name, value, "environment")
    assert list(copy.deepcopy(settings)) == list(pickle.loads(pickle.dumps(settings)))
