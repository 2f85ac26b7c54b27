"""Typed reading: one setting, or a dataclass with all mistakes in one error without values."""

from __future__ import annotations

import enum
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appsvc_runtime import AppServiceError, ConfigError, Json, Secret, SettingsError, Url
from appsvc_runtime.settings.app_settings import AppSettings, Layer
from appsvc_runtime.settings.typed import read_dataclass, read_value

if TYPE_CHECKING:
    from decimal import Decimal

MARKER = "S3cr3tMarker"
REFERENCE = f"@Microsoft.KeyVault(SecretUri=https://safe.vault.azure.net/secrets/db;x={MARKER})"


def make(*layers: dict[str, str], ignore_case: bool = False) -> AppSettings:
    return AppSettings(
        *(
            Layer("environment" if not place else "/app/.env", values, ignore_case=ignore_case)
            for place, values in enumerate(layers)
        )
    )


def fail(read: Callable[[], Any]) -> SettingsError:
    """Return the error of a reading, after a check that its traceback hides the marker."""
    with pytest.raises(SettingsError) as caught:
        read()
    error = caught.value
    shown = [str(error), repr(error), repr(error.findings), repr(error.__context__)]
    shown += traceback.format_exception(error)
    assert MARKER not in "".join(shown)
    assert error.__cause__ is error.__context__ is None
    return error


@pytest.mark.parametrize(
    ("values", "kind", "default", "wanted"),
    [
        pytest.param({"X": "5"}, int, 7, 5, id="set"),
        pytest.param({}, int, 7, 7, id="default"),
        pytest.param({}, int, None, None, id="default-none"),
        pytest.param({"X": ""}, str, "d", "d", id="empty-is-not-set"),
        pytest.param({"X": " \t\n"}, str, "d", "d", id="blank-is-not-set"),
        pytest.param({"X": " a "}, str, "d", " a ", id="blanks-kept"),
        pytest.param({"APPSETTING_X": "5"}, int, 7, 5, id="twin"),
    ],
)
def test_value_or_default(values: dict[str, str], kind: Any, default: Any, wanted: Any) -> None:
    """A default is returned unchanged if the setting is not set."""
    assert read_value(make(values), "X", kind, default) == wanted


def test_optional_kinds_need_no_default() -> None:
    """The default of an optional kind is None."""
    assert read_value(make({}), "X", int | None) is None


def test_missing() -> None:
    """The error names the setting and what was expected."""
    error = fail(lambda: read_value(make({"X": ""}), "X", timedelta))
    assert isinstance(error, ConfigError)
    assert error.findings[0].code == "missing"
    assert "The setting X is missing: expected a duration such as 30s" in str(error)
    assert "X is empty, which counts as not set" in str(error)
    advice = "to .env, or under `appsvc emulate` with --set X=VALUE."  # which reads no .env
    assert advice in str(fail(lambda: read_value(make({}), "X", timedelta)))


def test_missing_in_this_case_only() -> None:
    """If case counts, the error mentions the same name in another case."""
    settings = make({"Api_Key": MARKER})
    error = fail(lambda: read_value(settings, "API_KEY", str))
    assert "There is Api_Key: names are case-sensitive here." in str(error)
    assert read_value(make({"Api_Key": "x"}, ignore_case=True), "API_KEY", str) == "x"


BROKEN = "\udcff" + MARKER
MALFORMED = [
    pytest.param(kind, text, id=f"{kind}-{text[:9]!a}")
    for kind, text in [
        *((kind, MARKER) for kind in (int, float, bool, timedelta, Url, Json, dict, list[int])),
        *((str, text) for text in (BROKEN, f"{MARKER}\0")),
        *((Secret, text) for text in (BROKEN, f"{MARKER}\0")),
        *((Path, text) for text in (BROKEN, f"\0{MARKER}", f"~{MARKER}/x")),
        (Literal["a"], MARKER),
        (Url, f"http://[{MARKER}"),
        (Url, f"http://h:{MARKER}"),
        (Url, f"http://{MARKER}\u2100/"),
        (Json, f'{{"{MARKER}":' * 20_000),
        (Json, f'{{"{MARKER}": ' + "1" * 5000 + "}"),
        (int, "9" * 1_000_000),
        (float, "1" * 1_000_000 + MARKER),
        (timedelta, "1" * 1_000_000 + MARKER),
        (list[str], f'["{MARKER}", null]'),
        (set[Any], f'[["{MARKER}"]]'),
    ]
]


@pytest.mark.parametrize(("kind", "text"), MALFORMED)
@pytest.mark.parametrize("default", [(), (None,)], ids=["required", "default"])
def test_malformed(kind: Any, text: str, default: tuple[None, ...]) -> None:
    """The error names the setting and what was expected, even if there is a default."""
    error = fail(lambda: read_value(make({"APPSETTING_X": text}), "X", kind, *default))
    assert error.findings[0].code == "malformed"
    assert error.findings[0].where == "APPSETTING_X"
    assert "The setting APPSETTING_X cannot be read" in str(error)
    assert "expected" in str(error)
    assert len(str(error)) < 300
    assert ("(it is not UTF-8)" in str(error)) is (BROKEN in text)
    assert ("(it contains a NUL character)" in str(error)) is ("\0" in text)


def test_malformed_in_a_file() -> None:
    """The error names the file."""
    error = fail(lambda: read_value(make({}, {"X": MARKER}), "X", int))
    assert "The setting X in /app/.env cannot be read: expected a whole number." in str(error)


@pytest.mark.parametrize("kind", [str, Secret, int, Json, int | None], ids=str)
@pytest.mark.parametrize("default", [(), (None,)], ids=["required", "default"])
def test_unresolved_reference(kind: Any, default: tuple[None, ...]) -> None:
    """An unresolved reference is an error for every kind, even if there is a default."""
    error = fail(lambda: read_value(make({"X": REFERENCE}), "X", kind, *default))
    assert error.findings[0].code == "key-vault"
    assert "The setting X is still a Key Vault reference to secret 'db' in vault 'safe'" in (
        str(error)
    )
    for cause in ("managed identity", "disabled", "firewall"):
        assert cause in str(error)


class Mode(enum.Enum):
    """A choice."""

    FAST = "fast"
    SAFE = "safe"


@dataclass(frozen=True)
class Mail:
    """A section."""

    host: str
    port: int = 25
    password: Secret | None = None


@dataclass
class App:
    """Settings of an app."""

    api_key: Secret
    workers: int
    mode: Mode = Mode.SAFE
    hosts: list[str] = field(default_factory=list)
    timeout: timedelta | None = None
    where: str = field(default="x", metadata={"setting": "Logging:LogLevel.Default"})
    mail: Mail | None = None
    limits: dict[str, int] = field(default_factory=dict)
    made: int = field(default=3, init=False)
    shared: ClassVar[int] = 4


def test_a_dataclass_is_read() -> None:
    """Fields are read from names in any case and spelling; those not set keep their default."""
    settings = make(
        {"api_key": "k", "APPSETTING_WORKERS": "2", "Mode": "FAST", "TIMEOUT": "5s", "MADE": "x"},
        {"HOSTS": "a,b", "Mail:Host": "h", "MAIL__PASSWORD": "p", "Logging__LogLevel_Default": "y"},
    )
    app = read_dataclass(settings, App)
    assert app == App(
        Secret("k"), 2, Mode.FAST, ["a", "b"], timedelta(seconds=5), "y", Mail("h", 25, Secret("p"))
    )
    assert "'p'" not in repr(app)


def test_a_prefix() -> None:
    """A prefix applies to all names, in either spelling."""
    settings = make(
        {"SHOP__API_KEY": "k", "Shop:Workers": "2", "WORKERS": "3", "SHOP__MAIL__HOST": "h"}
    )
    for prefix in ("SHOP__", "Shop:"):
        app = read_dataclass(settings, App, prefix)
        assert (app.workers, app.mail) == (2, Mail("h"))


def test_all_mistakes_come_at_once() -> None:
    """Mistakes are listed in the order of the fields, each with what was expected."""
    settings = make(
        {"WORKERS": MARKER, "MODE": f"{MARKER}\0", "TIMEOUT": BROKEN, "MAIL__PORT": MARKER},
        {"LIMITS": f'{{"{MARKER}": "x"}}', "WHERE": "x", "HOSTS": REFERENCE},
    )
    error = fail(lambda: read_dataclass(settings, App))
    assert [(found.code, found.where) for found in error.findings] == [
        ("missing", "API_KEY"),
        ("malformed", "WORKERS"),
        ("malformed", "MODE"),
        ("key-vault", "HOSTS"),
        ("malformed", "TIMEOUT"),
        ("missing", "MAIL__HOST"),
        ("malformed", "MAIL__PORT"),
        ("malformed", "LIMITS"),
    ]
    lines = str(error).splitlines()
    assert lines[0] == "8 settings cannot be used:"
    assert len(lines) == 9
    assert all(line.startswith("  - The setting ") for line in lines[1:])
    assert "expected one of fast, safe" in lines[3]


def test_the_error_can_be_carried_to_another_process() -> None:
    """A pickled error keeps its findings."""
    error = fail(lambda: read_dataclass(make({}), App))
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is SettingsError
    assert (copied.findings, str(copied)) == (error.findings, str(error))


@dataclass
class Required:
    """A required section, an optional one, and one with a default."""

    mail: Mail
    other: Mail | None
    third: Mail = Mail("default")


def test_sections() -> None:
    """A required section is read, an optional one may be None, one with a default keeps it."""
    assert read_dataclass(make({"MAIL__HOST": "h", "OTHER__HOST": ""}), Required) == Required(
        Mail("h"), None
    )
    error = fail(lambda: read_dataclass(make({"OTHER__PORT": "1"}), Required))
    assert [found.where for found in error.findings] == ["MAIL__HOST", "OTHER__HOST"]


@dataclass
class Later:
    """A dataclass with an annotation that only type checkers know."""

    price: Decimal


@dataclass
class Unreadable:
    """A dataclass with a type that no setting can have."""

    raw: bytes


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        pytest.param(dict, "takes a dataclass", id="no-dataclass"),
        pytest.param(Mail("h"), "takes a dataclass", id="instance"),
        pytest.param(Later, "Later: name 'Decimal' is not defined; an annotation", id="name"),
        pytest.param(Unreadable, "Unreadable.raw: there is no way to read", id="kind"),
    ],
)
def test_what_cannot_be_read_at_all(cls: Any, words: str) -> None:
    """The developer's own mistakes are TypeErrors that say where."""
    with pytest.raises(TypeError, match=words):
        read_dataclass(make({"RAW": MARKER}), cls)


@dataclass
class Checked:
    """A dataclass that checks itself."""

    size: int

    def __post_init__(self) -> None:
        if self.size > 9:
            raise ValueError("too large")


def test_a_dataclass_may_check_itself() -> None:
    """Its error text becomes a finding, unless there are other mistakes already."""
    error = fail(lambda: read_dataclass(make({"SIZE": "10"}), Checked))
    assert "The settings of Checked do not pass its own check: too large" in str(error)
    assert fail(lambda: read_dataclass(make({}), Checked)).findings


@dataclass
class Hosts:
    """A list of dataclasses, which no setting can hold."""

    all: list[Mail]


@dataclass
class Wrapped:
    """A dataclass behind Annotated, and one under another setting's name."""

    mail: Annotated[Mail, 1]
    sender: str = field(default="", metadata={"setting": "Out:Sender"})


def test_dataclasses_within_other_kinds() -> None:
    """A list of dataclasses is refused; one inside Annotated is read."""
    with pytest.raises(TypeError, match=r"Hosts\.all"):
        read_dataclass(make({"ALL__HOST": "h"}), Hosts)
    found = read_dataclass(make({"X_MAIL__HOST": "h", "Out__Sender": "me"}), Wrapped, "X_")
    assert (found.mail.host, found.sender) == ("h", "me")


NAMES = st.sampled_from(["API_KEY", "WORKERS", "MODE", "HOSTS", "TIMEOUT", "LIMITS", "MAIL__PORT"])
TEXTS = st.text(max_size=10) | st.sampled_from(["1", "a,b", "{}", "5s", "@Microsoft.KeyVault("])


@given(st.dictionaries(NAMES, TEXTS.map(lambda text: text + MARKER) | TEXTS))
def test_a_dataclass_or_an_error_without_values(values: dict[str, str]) -> None:
    """Any settings give the dataclass or a SettingsError without values."""
    shown = ""
    try:
        read_dataclass(make(values), App)
    except AppServiceError as error:
        shown = "".join(traceback.format_exception(error))
    assert MARKER not in shown
