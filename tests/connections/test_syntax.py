"""Connection strings are parsed as by their own clients, and written so that clients read them."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from psycopg.conninfo import conninfo_to_dict

from appsvc_runtime.connections.syntax import Form, Pairs, parse, write
from appsvc_runtime.connections.url import parse_url, split_places

FORMS: tuple[Form, ...] = get_args(Form)


def case(identifier: str, *values: Any) -> Any:
    """Return one row of a table, with its name."""
    return pytest.param(*values, id=identifier)


ADONET = [
    case("empty", "", []),
    case("only marks", " ; ;; ", []),
    case("plain", "Server=a;Port=1", [("Server", "a"), ("Port", "1")]),
    case("mark at the end", "Server=a;", [("Server", "a")]),
    case("blanks around", " Server =\ta b \r\n; Port= 1 ", [("Server", "a b"), ("Port", "1")]),
    case("double quotes", 'Password="a;b"', [("Password", "a;b")]),
    case("single quotes", "Password='a;b'", [("Password", "a;b")]),
    case("double in single", "Password='x\"y'", [("Password", 'x"y')]),
    case("single in double", 'Password="it\'s"', [("Password", "it's")]),
    case("doubled double", 'Password="a""b";X=1', [("Password", 'a"b'), ("X", "1")]),
    case("doubled single", "Password='a''b'", [("Password", "a'b")]),
    case("only doubled", 'Password=""""', [("Password", '"')]),
    case("doubled at the end", "Password='a''' ;X=1", [("Password", "a'"), ("X", "1")]),
    case("outer blanks quoted", 'Password=" a "  ;X=1', [("Password", " a "), ("X", "1")]),
    case("quote inside", "Password=a'b\"c", [("Password", "a'b\"c")]),
    case("backslash means nothing", r'Password="a\";X=1', [("Password", "a\\"), ("X", "1")]),
    case("equals in value", "Key=abc==;X=1=2", [("Key", "abc=="), ("X", "1=2")]),
    case("equals in name", "a==b=1", [("a=b", "1")]),
    case("equals ends the name", "a===b", [("a=", "b")]),
    case("equals begins the name", "==a=1", [("=a", "1")]),
    case("braces", "Password={a;b}", [("Password", "a;b")]),
    case("brace in the middle", "Password={a}x};X=1", [("Password", "{a}x}"), ("X", "1")]),
    case("doubled braces", "Password={a}};b}}c};X=1", [("Password", "a};b}c"), ("X", "1")]),
    case("quote in braces", "Password={a\"'b}", [("Password", "a\"'b")]),
    case("brace in quotes", 'Password="{a}"', [("Password", "{a}")]),
    case("brace that is not closed", "Password={a;X=1", [("Password", "{a"), ("X", "1")]),
    case("brace that goes on", "Password={a}b;X=1", [("Password", "{a}b"), ("X", "1")]),
    case("brace closed later", "A={a;B={b}", [("A", "a;B={b")]),
    case("last counts", "Server=a;server=b;SERVER=c", [("SERVER", "c")]),
    case("empty takes out", "Server=a;Port=1;server=", [("Port", "1")]),
    case("empty in quotes takes out", 'Server=a;Port=1;server=""', [("Port", "1")]),
    case("line ends", "Server=a;\r\nPort=1;\n", [("Server", "a"), ("Port", "1")]),
    case("other scripts", "Sërver=ü;名=名", [("Sërver", "ü"), ("名", "名")]),
]
ODBC = [
    case("braces", "Driver={a b};Pwd={a;b}", [("Driver", "a b"), ("Pwd", "a;b")]),
    case("doubled braces", "Pwd={a}};b}}c}", [("Pwd", "a};b}c")]),
    case("opening brace inside", "Pwd={a{b};X=1", [("Pwd", "a{b"), ("X", "1")]),
    case("brace inside", "Pwd=a{b}c", [("Pwd", "a{b}c")]),
    case("empty braces", "Pwd={};X=1", [("Pwd", ""), ("X", "1")]),
    case("quotes mean nothing", "Pwd=\"a;X='1", [("Pwd", '"a'), ("X", "'1")]),
    case("equals in value", "Pwd==a=", [("Pwd", "=a=")]),
    case("first counts", "Pwd=a;PWD=b;pwd=c", [("Pwd", "a")]),
    case("first counts, empty too", "Pwd=;PWD=b", [("Pwd", "")]),
    case("blanks around", " Pwd = { a } ; X = 1 ", [("Pwd", " a "), ("X", "1")]),
]
LIBPQ = [
    case("empty", " \n", []),
    case("plain", "host=a port=1", [("host", "a"), ("port", "1")]),
    case("blanks around equals", "host = a\tport\n=\n1", [("host", "a"), ("port", "1")]),
    case("quotes", "password='a b' port=1", [("password", "a b"), ("port", "1")]),
    case("escaped quote", r"password='it\'s'", [("password", "it's")]),
    case("escaped backslash", r"password='a\\b'", [("password", "a\\b")]),
    case("backslash without quotes", r"password=a\ b\'c", [("password", "a b'c")]),
    case("backslash before others", r"password='\a'", [("password", "a")]),
    case("backslash at the end", "password=a\\", [("password", "a")]),
    case("quote inside", "password=it's", [("password", "it's")]),
    case("double quotes mean nothing", 'password="a" port=1', [("password", '"a"'), ("port", "1")]),
    case("marks of others", "password=a;b=c,{d}", [("password", "a;b=c,{d}")]),
    case("empty value", "password='' port=1", [("password", ""), ("port", "1")]),
    case("no value takes the next", "password= host=a", [("password", "host=a")]),
    case("last counts", "host=a port=1 host=b", [("port", "1"), ("host", "b")]),
]
PAIRS = [
    case("key", "AccountName=a;AccountKey=k+/==;", [("AccountName", "a"), ("AccountKey", "k+/==")]),
    case("nothing quotes", "A=\"a;B='b;C={c", [("A", '"a'), ("B", "'b"), ("C", "{c")]),
    case("blanks around", " A = a b ;\n B=b", [("A", "a b"), ("B", "b")]),
    case("empty value", "A=;B=b", [("A", ""), ("B", "b")]),
    case("last counts", "A=1;B=2;a=3", [("B", "2"), ("a", "3")]),
]
REDIS = [
    case("one", "h:6380,password=p=,ssl=True",
         [("endpoint", "h:6380"), ("password", "p="), ("ssl", "True")]),
    case("several", "a:1, b:2 ,ssl=no,c", [*(("endpoint", e) for e in ("a:1", "b:2", "c")),
                                           ("ssl", "no")]),
    case("semicolon in password", "h,password=a;b", [("endpoint", "h"), ("password", "a;b")]),
    case("last counts", "h,ssl=no,SSL=yes", [("endpoint", "h"), ("SSL", "yes")]),
    case("empty parts", ",h,,ssl=no,", [("endpoint", "h"), ("ssl", "no")]),
]  # fmt: skip


def rows_of(form: Form, table: list[Any]) -> list[Any]:
    """Return a table's rows with their form."""
    return [pytest.param(form, *row.values, id=f"{form}: {row.id}") for row in table]


ALL = [
    *rows_of("adonet", ADONET), *rows_of("odbc", ODBC), *rows_of("libpq", LIBPQ),
    *rows_of("pairs", PAIRS), *rows_of("redis", REDIS),
]  # fmt: skip


@pytest.mark.parametrize(("form", "text", "pairs"), ALL)
def test_reads(form: Form, text: str, pairs: Pairs) -> None:
    """Each form has its own quoting rules."""
    assert parse(form, text) == pairs


@pytest.mark.parametrize(("form", "text", "pairs"), ALL)
def test_writes_what_it_has_read(form: Form, text: str, pairs: Pairs) -> None:
    """The written text may differ, but means the same."""
    assert parse(form, write(form, pairs)) == pairs


@pytest.mark.parametrize(("text", "pairs"), LIBPQ)
def test_libpq_agrees(text: str, pairs: Pairs) -> None:
    """libpq parses the strings of the table in the same way."""
    assert conninfo_to_dict(text) == dict(pairs)


WRONG = [
    ("adonet", "Server=a;abc;Port=1", "character 10 has no '='"),
    ("adonet", "abc", "character 1 has no '='"),
    ("adonet", "Password==a;X=1", "character 1 has no '='"),
    ("adonet", "Server=a; =b", "no name before the '=' at character 11"),
    ("adonet", "Server=a;=", "no name before the '=' at character 10"),
    ("adonet", 'Password="a;X=1', "character 10 is not closed"),
    ("adonet", "Password= 'a;X=1", "character 11 is not closed"),
    ("adonet", 'Password="a"b";X=1', "character 10 is not closed, or text follows"),
    ("adonet", "Password='a''", "character 10 is not closed"),
    # The brace closes before the semicolon, as in ODBC; what follows is no pair.
    ("adonet", "Password={a};b}}c}", "character 14 has no '='"),
    ("odbc", "Pwd={a};b}}c}", "character 9 has no '='"),
    ("odbc", "Pwd={a;X=1", "character 5 is not closed"),
    ("odbc", "Pwd={a}b;X=1", "character 5 is not closed, or text follows"),
    ("odbc", "Pwd={a}}", "character 5 is not closed"),
    ("odbc", "Driver", "character 1 has no '='"),
    ("libpq", "host", "character 1 has no name and '='"),
    ("libpq", "host=a port", "character 8 has no name and '='"),
    ("libpq", "=a", "character 1 has no name and '='"),
    ("libpq", "password='a", "character 10 is not closed"),
    ("libpq", "password='it's' x=1", "text follows the quote that ends at character 13"),
    ("libpq", "password='a\\'", "character 10 is not closed"),
    ("pairs", "A=1;abc", "character 5 has no name and '='"),
    ("pairs", "A=1;=b", "character 5 has no name and '='"),
    ("redis", "h:1,=b", "character 5 has no name and '='"),
    *((form, "a=\0b", "a NUL at character 3") for form in FORMS),
    *((form, "a=" + "b" * 100_000, "longer than 100000 characters") for form in FORMS),
]


@pytest.mark.parametrize(
    ("form", "text", "message"), WRONG, ids=[f"{form}: {text[:20]!r}" for form, text, _ in WRONG]
)
def test_says_what_is_wrong_and_where(form: Form, text: str, message: str) -> None:
    """A ValueError names the fault and the position of its character."""
    with pytest.raises(ValueError, match=message.replace("'", ".")):
        parse(form, text)


@pytest.mark.parametrize("form", FORMS)
def test_the_longest_is_read(form: Form) -> None:
    """A string of exactly a hundred thousand characters is parsed."""
    text = "a=" + "b" * 99_998
    assert len(parse(form, text)[0][1]) == 99_998


UNWRITABLE = [
    *((form, "a", "b\0") for form in FORMS),
    *((form, "", "a") for form in FORMS),
    ("adonet", "a;b", "c"), ("adonet", " a", "c"),
    ("odbc", "a=b", "c"), ("odbc", "a;b", "c"),
    ("libpq", "a b", "c"), ("libpq", "a=b", "c"),
    ("pairs", "a", "b;c"), ("pairs", "a", " b"), ("pairs", "a=b", "c"), ("pairs", "a", "b\u2003"),
    ("redis", "a", "b,c"), ("redis", "a", "b "), ("redis", "a=b", "c"),
    ("redis", "endpoint", "a=b"), ("redis", "endpoint", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "name", "value"), UNWRITABLE, ids=[f"{f}: {n!r}={v!r}" for f, n, v in UNWRITABLE]
)
def test_does_not_write_what_would_be_read_otherwise(form: Form, name: str, value: str) -> None:
    """A value that would be read differently is a ValueError that does not contain it."""
    with pytest.raises(ValueError, match="cannot be written"):
        write(form, [(name, value)])


PLACES = [
    ("", "", ""),
    ("h", "h", ""),
    ("h:1", "h", "1"),
    ("h:", "h", ""),
    (":1", "", "1"),
    ("[::1]:1", "::1", "1"),
    ("[::1]", "::1", ""),
    ("::1", "::1", ""),
    ("fe80::1%eth0", "fe80::1%eth0", ""),
    ("/var/run/x:y", "/var/run/x:y", ""),
    ("@abstract:x", "@abstract:x", ""),
    ("h1:1, h2 ,[::1]:3", "h1,h2,::1", "1,5432,3"),
    ("h1,h2", "h1,h2", ""),
]


@pytest.mark.parametrize(("text", "hosts", "ports"), PLACES, ids=[row[0] for row in PLACES])
def test_hosts_and_ports(text: str, hosts: str, ports: str) -> None:
    """There are as many ports as hosts, or none; the default fills the gaps."""
    assert split_places(text, "5432") == (hosts, ports)


@pytest.mark.parametrize(
    "text", ["a:b", "a:1:2", "1:2:3:4", "[::1", "::1]:5", "a:-1", "a:1x", "a:\u0661"]
)
def test_what_is_no_host_and_port(text: str) -> None:
    """The error does not repeat the text, which may be a part of a password."""
    with pytest.raises(ValueError, match="cannot be told apart") as caught:
        split_places(text)
    assert text not in str(caught.value)


def test_urls() -> None:
    """The pieces of a URL are decoded; a missing password is None."""
    url = parse_url("x://u:p%40:q@h:1,[::1]:2/d%20b?a=1&a=2&b=&c=%2B+")
    query = [("a", "1"), ("a", "2"), ("b", ""), ("c", "+ ")]
    assert url == ("u", "p@:q", "h:1,[::1]:2", "d b", query)
    assert parse_url("x://u@h").password is None
    assert parse_url("x://:@h").password == ""
    assert parse_url("x://u:a@b@h").password == "a@b"
    assert parse_url("x://u:100%@h").password == "100%"


BAD_URLS = [
    ("x://u:a/b@h/d", "percent-encoded"),
    ("x://u:a?b@h/d", "percent-encoded"),
    ("x://u:a#b@h/d", "percent-encoded"),
    ("x://u:a@b/c@h/d", "percent-encoded"),
    ("x://u:a@b?c@h/d", "percent-encoded"),
    ("x://u:%ff@h", "not UTF-8"),
    ("x://u:p@h/d?a=%c3", "not UTF-8"),
    ("x://u:%00@h", "NUL"),
    ("x://u:\0@h", "NUL"),
]


@pytest.mark.parametrize(("text", "message"), BAD_URLS, ids=[row[0] for row in BAD_URLS])
def test_what_is_no_url(text: str, message: str) -> None:
    """Unencoded characters of a password are not taken for another part of the URL."""
    with pytest.raises(ValueError, match=message) as caught:
        parse_url(text)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("value", ["à", "x\u2005y", "ąć", "\U00020000", "\x85"])
def test_libpq_values_outside_ascii_are_quoted(value: str) -> None:
    """On Windows libpq takes single bytes of their UTF-8 for blanks, by the code page."""
    assert write("libpq", [("password", value)]) == f"password='{value}'"
