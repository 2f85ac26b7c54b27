"""No output, log line or error contains a password, however a string was miswritten."""

from __future__ import annotations

import string
import traceback
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appsvc_runtime import ConnectionString, Secret, SettingsError, load_settings
from appsvc_runtime.settings.connection_strings import parse_connection_string
from tests.support.processor_time import limit

MARKER = "S3CR3T"

# Strings with a place for a password, and the kinds that their settings' names may tell.
TEMPLATES: dict[str, tuple[str, tuple[str, ...]]] = {
    "adonet": ("Server=h;Database=d;User Id=u;Password={};Encrypt=true",
               ("sqlserver", "mysql", "postgresql", "")),
    "adonet, last": ("Host=h;Username=u;Pwd={}", ("postgresql", "mysql", "")),
    "adonet, first": ("Password={};Host=h;Database=d", ("postgresql", "mysql", "")),
    "adonet, quoted": ('Host=h;Password="{}";Database=d', ("postgresql", "mysql", "")),
    "adonet, single": ("Host=h;Password='{}';Database=d", ("postgresql", "mysql", "")),
    "adonet, braces": ("Host=h;Password={{{}}};Database=d", ("postgresql", "sqlserver", "")),
    "blanks for marks": ("Server=h Database=d User Id=u Password={}",
                         ("sqlserver", "mysql", "postgresql", "")),
    "commas for marks": ("Server=h,Database=d,User Id=u,Password={}",
                         ("sqlserver", "mysql", "postgresql", "")),
    "one mark missing": ("Server=h;Database=d;User Id=u Password={}",
                         ("sqlserver", "mysql", "postgresql", "")),
    "one mark wrong": ("Server=h;User Id=u;Database=d,Pwd={}", ("sqlserver", "mysql", "")),
    "odbc": ("Driver={{ODBC Driver 18 for SQL Server}};Server=h;Database=d;Uid=u;Pwd={}",
             ("sqlserver", "")),
    "odbc, braces": ("Driver={{MySQL ODBC 8.0 Driver}};Server=h;Pwd={{{}}};Uid=u", ("mysql", "")),
    "libpq": ("host=h dbname=d user=u password={} sslmode=require", ("postgresql", "")),
    "libpq, quoted": ("host=h dbname=d password='{}' sslmode=require", ("postgresql", "")),
    "postgresql url": ("postgresql://u:{}@h:5432/d?sslmode=require", ("postgresql", "")),
    "asyncpg url": ("postgresql+asyncpg://u:{}@h/d?ssl=require", ("postgresql",)),
    "mysql url": ("mysql+pymysql://u:{}@h/d?ssl_ca=/x", ("mysql", "")),
    "mssql url": ("mssql+pyodbc://u:{}@h/d?Encrypt=yes", ("sqlserver", "")),
    "odbc_connect": ("mssql+pyodbc:///?odbc_connect=Server%3Dh%3BPwd%3D{}", ("sqlserver",)),
    "password in query": ("postgresql://h/d?user=u&password={}", ("postgresql",)),
    "redis url": ("rediss://:{}@h:6380/0", ("redis", "")),
    "mongodb url": ("mongodb://u:{}@h:10255/?ssl=true&appName=@a@", ("cosmosdb", "")),
    "redis": ("h.redis.cache.windows.net:6380,password={},ssl=True,abortConnect=False",
              ("redis", "")),
    "redis, last": ("h:6380,ssl=True,password={}", ("redis", "")),
    "cosmos": ("AccountEndpoint=https://h:443/;AccountKey={};", ("cosmosdb", "")),
    "storage": ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey={};EndpointSuffix=x",
                ("storage", "")),
    "sas": ("BlobEndpoint=https://h/;SharedAccessSignature=sv=1&sig={}", ("storage", "")),
    "service bus": ("Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey={};EntityPath=e",
                    ("servicebus", "eventhub", "notificationhub", "")),
    "key, no =": ("Endpoint=sb://h/;SharedAccessKey {};EntityPath=e", ("servicebus", "eventhub")),
    "java": ("jdbc:sqlserver://h;user=u;password={}", ("sqlserver", "")),
}  # fmt: skip
CASES = {
    f"{name}, {kind or 'custom'}": (text, kind)
    for name, (text, kinds) in TEMPLATES.items()
    for kind in kinds
}
PASSWORDS = [
    MARKER,
    *(before + MARKER for before in ("a;", "a ", "a,", "a'", 'a"', "'", '"', "a@", "a/", "a?", "a#",
                                     "a:", "%", "a%4", "{", "}", "a}", "{a}", "a\\", "=", "a=",
                                     "a&", "a&b=", "[", "a]", "a;;", "\n", "a\t")),
    *(MARKER + after for after in (";a", "=b", ";a=b", '"', "'", "'b'", '"b"', "@", "@a/", "/@",
                                   "?", "#", "%", "%ff", "%zz", "%00", "}", "{", "\\", " a", ",a",
                                   ",a=b", "\0", "\udcff", "[", "&a", "x" * 100_001)),
    f"a;{MARKER}=b", f"a;{MARKER} ssl=b", f"a;ssl{MARKER}=b", f"a {MARKER}=b", f"a,{MARKER}=b",
    f"a;{MARKER}=b;{MARKER}", f"a,{MARKER}=b,{MARKER}", f'a";{MARKER}="b', f"a'{MARKER}='b",
    f"a&ssl{MARKER}=b", f"a;token={MARKER}", f"a;x=https://u:{MARKER}@h/", f"a\udc00{MARKER}",
]  # fmt: skip

# docs/security.md says how many are tried.
SUITE_CASES = {"test_no_password_is_shown": len(CASES) * len(PASSWORDS)}


def texts_of(error: BaseException) -> list[str]:
    """Return all visible texts of an error and of its cause, if it has one."""
    seen = ["".join(traceback.format_exception(error))]
    while error:
        seen += [str(error), repr(error), repr(error.args), repr(vars(error))]
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return seen


def everything_shown(text: str, kind: str) -> list[str]:
    """Return all output about a string and its results, including errors."""
    try:
        found = parse_connection_string(text, kind=kind, name="n", setting="S")
    except SettingsError as error:
        return texts_of(error)
    seen = [repr(found), str(found), f"{found}", repr([found]), repr(found.options)]
    seen += [repr(found.password), str(found.password), repr(found._parts)]
    for make in (
        found.sqlalchemy_url, found.django_database, found.libpq_dsn, found.odbc_string,
        found.redis_url, lambda: found.sqlalchemy_url("asyncpg"), lambda: found.redis_url(-1),
        lambda: found.sqlalchemy_url("mysqldb"), lambda: found.sqlalchemy_url("S3-none"),
    ):  # fmt: skip
        try:
            make()
        except SettingsError as error:
            seen += texts_of(error)
    return seen


@pytest.mark.parametrize(("template", "kind"), CASES.values(), ids=CASES)
def test_no_password_is_shown(template: str, kind: str) -> None:
    """No hostile password is shown, in any form, when it is not quoted."""
    for password in PASSWORDS:
        seen = everything_shown(template.format(password), kind)
        assert not [text for text in seen if MARKER in text], password


PIECES = st.sampled_from(
    [*"=;,{}'\"\\ \t:@/?#%[]&", "==", "}}", "''", '""', "%41", "a", "é", "ssl"]
)
NOISE = st.lists(PIECES | st.text(string.printable, max_size=2), max_size=6).map("".join)


@settings(max_examples=500)
@given(case=st.sampled_from(list(CASES.values())), before=NOISE, after=NOISE)
def test_nothing_around_a_password_gets_it_shown(
    case: tuple[str, str], before: str, after: str
) -> None:
    """No other text in the string makes its password visible."""
    template, kind = case
    seen = everything_shown(template.format(before + MARKER + after), kind)
    assert not [text for text in seen if MARKER in text]


MISWRITTEN = [
    ("postgresql", f"postgresql://u:{MARKER}h/d"),
    ("redis", f"h:6380,password {MARKER},ssl=True"),
    ("redis", f"password={MARKER},ssl=True,{MARKER}:6380"),
    ("cosmosdb", f"AccountEndpoint=https://u:{MARKER}@h/;AccountKey=k"),
    ("servicebus", f"Endpoint=sb://h/;SharedAccessKey {MARKER};EntityPath=e"),
    ("postgresql", f"user=u host=h password {MARKER}"),
    ("postgresql", f"HOST=h PASSWORD={MARKER}"),
    ("mysql", f"Server=h:Password={MARKER}"),
    ("sqlserver", f"Server=h,1433,Password={MARKER}"),
    ("sqlserver", f"sqlserver://h:1433;database=d;user=u;password={MARKER}"),
    ("sqlserver", f"sqlserver://h;password={MARKER}"),
    ("mysql", MARKER),
]


@pytest.mark.parametrize(("kind", "text"), MISWRITTEN, ids=[row[1] for row in MISWRITTEN])
def test_mistakes_elsewhere(kind: str, text: str) -> None:
    """Mistakes in other parts do not show the password either."""
    assert not [seen for seen in everything_shown(text, kind) if MARKER in seen]


@given(text=st.text(), kind=st.sampled_from(["sqlserver", "mysql", "postgresql", "redis", "sqlite",
                                             "storage", "cosmosdb", "custom", ""]))  # fmt: skip
def test_any_text_is_read_or_refused(text: str, kind: str) -> None:
    """Parsing and using any text raises no error except SettingsError."""
    everything_shown(text, kind)


LONG = ["driver=" * 14_000, "a" * 99_000 + "=b", "Host=h;x=" + "a" * 99_000, "a://" * 25_000,
        "Host=h;x=" + "shared" * 16_000, ";AccountName" * 8_000, "Server=" + "a:" * 49_000,
        "postgresql://" + "a@" * 49_000, "postgresql://h/?" + "a=b&" * 24_000,
        "Host=" + "a:1," * 24_000, "host=a " * 14_000, "Host=h;" + "é" * 90_000 + "=b"]  # fmt: skip


@pytest.mark.parametrize("kind", ["postgresql", "sqlserver", "mysql", "redis", ""])
def test_no_string_takes_the_square_of_its_length(kind: str) -> None:
    """The longest are read, shown and refused at once."""
    for text in LONG:
        with limit(text):
            everything_shown(text, kind)


def test_settings_show_none_of_their_strings() -> None:
    """Neither the settings nor the mapping of connection strings show a string."""
    loaded = load_settings({"SQLCONNSTR_x": f"Server=h;Password={MARKER}"})
    found = loaded.connection("x")
    for shown in (loaded, loaded.connection_strings, found, {"x": found}, found.parts):
        assert MARKER not in repr(shown)
        assert MARKER not in str(shown)
    assert repr(loaded.connection_strings) == "<Connections: x>"


def test_what_is_shown() -> None:
    """Host, port, database and user are shown, keys are not; options are counted."""
    text = f"Server=h,1433;Database=d;User Id=u;Password={MARKER};Encrypt=true;x=y"
    assert repr(parse_connection_string(text, kind="sqlserver", name="main")) == (
        "<ConnectionString 'main' kind='sqlserver', host='h', port='1433', database='d', user='u',"
        " password=Secret('********'), options=2>"
    )


SECRET_OPTIONS = [
    ("AccountKey", "k"),
    ("SharedAccessKey", "k"),
    ("Access Token", "k"),
    ("SSL Password", "k"),
    ("Client Secret", "k"),
    ("Endpoint URL", "https://u:k@h/"),
    ("Sas", "https://h/?sig=k"),
    ("Anything", "password=k"),
    ("Anything", "k" * 1001),
]


@pytest.mark.parametrize(("name", "value"), SECRET_OPTIONS, ids=[n for n, _ in SECRET_OPTIONS])
def test_secret_options(name: str, value: str) -> None:
    """Options are hidden by their name, by their look, or because they are too long to check."""
    found: Any = parse_connection_string(f"Foo=1;{name}={value}").options
    assert found[name] == Secret(value)
    assert found.text(name) == value
    assert found["Foo"] == "1"


def test_a_connection_string_has_no_dictionary() -> None:
    """Tools that print an object's attributes find none."""
    found = parse_connection_string("x", name="n")
    assert isinstance(found, ConnectionString)
    with pytest.raises(TypeError):
        vars(found)
