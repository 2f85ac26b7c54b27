"""Masking: which parts of a setting may be shown, and which never are."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appsvc_runtime.redaction.masking import is_secret_name, mask_command, mask_value
from appsvc_runtime.redaction.secret import MASK, Secret, Url, mask_url
from tests.support.processor_time import LONG, limit

MARKER = "S3cr3tMarker"

SECRET_NAMES = """
DB_PASSWORD DBPASSWORD DBPASSWORD2 DbPassword dbPassword DB_PASSWORD_OLD PASSWORDdb SMTP_PASS
DBPASS db_pwd DbPwd PWD Pwd ROOT_PW passwd PGPASSWORD MYSQL_PASSWORDS sslpassword PASSPHRASE
apiKey API_KEY APIKEY APIKEY_2 apikey1 ApiKeys STRIPE-API-KEY X-Functions-Key OPENAI_API_KEY
SECRET_KEY SECRET AZURE_CLIENT_SECRET ClientSecret CLIENT_SECRETS MSI_SECRET IDENTITY_HEADER
GITHUB_TOKEN githubToken AUTHTOKEN AUTHTOKENS_OLD refresh_token WEBSITE_AUTH_ENCRYPTION_KEY
WEBSITE_AUTH_SIGNING_KEY APPINSIGHTS_INSTRUMENTATIONKEY APPLICATIONINSIGHTS_CONNECTION_STRING
WEBSITE_CONTENTAZUREFILECONNECTIONSTRING BLOB_SAS SAS_URL SasToken sig Signature AccountKey
SharedAccessKey SharedAccessSignature PrivateKey SSH_PRIVATE_KEY_FILE GOOGLE_CREDENTIALS
SENTRY_DSN SLACK_WEBHOOK_URL SESSION_COOKIE PASSWORD_SALT HTTP_AUTHORIZATION BASIC_AUTH
Auth:ClientSecret Auth__ClientSecret spring.datasource.password KEY_VAULT_SECRET DB_CONNSTR
APPSETTING_DB_PASSWORD MyApiKeyForMaps 2FA_KEY sessionid PHPSESSIONID AppServiceAuthSession
Cookie Set-Cookie X-Api-Key Proxy-Authorization x-ms-token-aad-access-token
""".split()
PLAIN_NAMES = """
WEBSITE_SITE_NAME WEBSITE_INSTANCE_ID WEBSITE_HOSTNAME WEBSITE_AUTH_ENABLED WEBSITE_SKU PATH PORT
HOME LANG PYTHONPATH PYTHONUNBUFFERED AZURE_CLIENT_ID AZURE_TENANT_ID IDENTITY_ENDPOINT
MSI_ENDPOINT WEBSITE_KEYVAULT_REFERENCES KEY_VAULT_URL AZURE_KEY_VAULT_ENDPOINT keyVaultName
KEYVAULT_NAME SSH_AUTH_SOCK DJANGO_SETTINGS_MODULE ALLOWED_HOSTS CACHE_SECONDS PATTERN DESIGN
COMPASS_URL BYPASS_CACHE KEYBOARD MONKEY_PATCH sslcert sslkey Passwordless GUNICORN_CMD_ARGS
Server Database Encrypt TrustServerCertificate Authentication channel_binding require_auth passfile
""".split()


def test_secrets_are_known_by_their_names() -> None:
    """However words are joined; nothing at all of the value is shown."""
    assert [name for name in SECRET_NAMES if not is_secret_name(name)] == []
    for value in (MARKER, f"https://h/{MARKER}"):
        assert [name for name in SECRET_NAMES if mask_value(name, value) != MASK] == []


def test_other_names_show_their_values() -> None:
    """A list that hides everything helps nobody."""
    assert [name for name in PLAIN_NAMES if is_secret_name(name)] == []
    assert [name for name in PLAIN_NAMES if mask_value(name, "some value") != "some value"] == []


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx." + MARKER
SHAPES = {
    "url-password": "postgresql://me:{}@db.example/app",
    "url-password-only": "redis://:{}@h:6379/0",
    "url-at-in-password": "mysql://me:p@{}@h/db",
    "url-slash-in-password": "mysql://me:p/{}@h/db",
    "url-question-mark-in-password": "mysql://me:p?{}@h/db",
    "url-hash-in-password": "mysql://me:p#{}@h/db",
    "url-token-as-user": "https://{}@github.com/me/x",
    "url-token-before-colon": "https://{}:x-oauth-basic@github.com/me/x",
    "url-query": "https://x.blob.core.windows.net/c?sv=2022&sig={}&se=1",
    "url-query-without-name": "https://h/p?{}",
    "url-query-after-name": "https://h/p?a=1&{}",
    "url-fragment": "https://h/cb#access_token={}",
    "url-parameter": "https://h/p;key={}",
    "url-two-logins": "amqp://a:x{0}@h1,amqp://b:{0}@h2",
    "url-in-a-list": "https://a.example,https://me:{}@b.example",
    "url-in-a-text": "see postgres://me:{}@h/x for more",
    "url-with-a-blank": "postgres://me:my {}@h/x",
    "mongodb": "mongodb://u:{}@h1:1,h2:2/db?replicaSet=r",
    "jdbc": "jdbc:sqlserver://h:1433;user=me;password={}",
    "jdbc-query": "jdbc:mysql://h/db?user=me&password={}",
    "sqlserver-url": "sqlserver://h:1433;password={}",
    "no-scheme": "me:{}@db.example:5432/app",
    "ado": "Server=tcp:x,1433;User ID=me;Password={};Encrypt=True",
    "odbc": "Driver={{ODBC Driver 18}};UID=me;PWD={{{}}}",
    "libpq": "host=h user=me password={}",
    "libpq-spaced": "host = h password = '{}'",
    "redis-azure": "x.redis.cache.windows.net:6380,password={},ssl=True",
    "storage": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={}==",
    "service-bus": "Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey={}=",
    "storage-sas": "BlobEndpoint=https://a.blob.core.windows.net;SharedAccessSignature=sv=1&sig={}",
    "bare-sas": "sv=2022-11-02&ss=b&sig={}",
    "cosmos": "AccountEndpoint=https://x/;AccountKey={};",
    "app-insights": "InstrumentationKey={};IngestionEndpoint=https://x/",
    "json": '{{"user": "me", "password": "{}"}}',
    "json-camel": '{{"clientSecret":"{}"}}',
    "json-nested": '{{"a": {{"private_key": "{}"}}}}',
    "python": "{{'api_key': '{}'}}",
    "flag": "run --user me --password {}",
    "flag-equals": "run --api-key={}",
    "header": "Authorization: Bearer {}",
    "bearer": "Bearer {}",
    "pem": "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_secrets_are_known_by_what_they_look_like(shape: str) -> None:
    """Under a name that says nothing: alone, between blanks, after a text."""
    for around in ("{}", " {}\n", "x {}"):
        value = around.format(shape.format(MARKER))
        assert MARKER not in mask_value("VALUE", value), value


@pytest.mark.parametrize("around", ["{}", "token {}", '"{}"', "a={};"], ids=str)
def test_json_web_tokens_are_known(around: str) -> None:
    """JSON web tokens are recognised by their first letters."""
    assert mask_value("VALUE", around.format(JWT)) == MASK


SHOWN = [
    pytest.param("VALUE", "", id="empty"),
    pytest.param("VALUE", "  ", id="blank"),
    pytest.param("DB_PASSWORD", "", id="secret-not-set"),
    pytest.param("PWD", "/home/site/wwwroot", id="working-folder"),
    pytest.param("OLDPWD", "D:\\home", id="working-folder-windows"),
    pytest.param("PATH", "/usr/bin:/bin", id="path"),
    pytest.param("Path", "C:\\Windows;C:\\Python", id="path-windows"),
    pytest.param("ORIGINS", "https://a.example, https://b.example:8443", id="origins"),
    pytest.param("ENDPOINT", "https://x.vault.azure.net/", id="endpoint"),
    pytest.param("HOSTS", "mongodb://h1:27017,h2:27017/db", id="hosts-without-login"),
    pytest.param("DB", "postgresql://me@h/db", id="user-without-password"),
    pytest.param("DB", "Host=h;Port=5432;Database=app;Username=me", id="pairs"),
    pytest.param("MAIL_FROM", "Shop <shop@example.com>", id="mail"),
    pytest.param("REPOSITORY", "git@github.com:me/x.git", id="ssh-repository"),
    pytest.param("ARGS", "--timeout 600 --bind=0.0.0.0:8000 --keyfile=/x", id="arguments"),
    pytest.param("FORMAT", '{"a": [1, 2], "b": "c: d"}', id="json"),
    pytest.param("TIME", "00:30:00", id="time"),
    pytest.param("SCOPE", "https://graph.microsoft.com/.default", id="scope"),
]


@pytest.mark.parametrize(("name", "value"), SHOWN)
def test_harmless_values_are_shown(name: str, value: str) -> None:
    """Harmless values are shown unchanged."""
    assert mask_value(name, value) == value


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:x@h:5432/db?sslmode=require", f"postgresql://me:{MASK}@h:5432/db?sslmode={MASK}"),
        ("redis://:x@h/0", f"redis://:{MASK}@h/0"),
        ("https://h/p?a=1&b", f"https://h/p?a={MASK}&{MASK}"),
        ("https://h/p#/route", f"https://h/p#{MASK}"),
        ("https://me:x@h/", f"https://{MASK}:{MASK}@h/"),
        ("https://h.example/@scope/x", "https://h.example/@scope/x"),
        ("https://h/?", "https://h/?"),
        ("no url", MASK),
        ("", ""),
    ],
)  # fmt: skip
def test_urls_show_where_they_lead(url: str, shown: str) -> None:
    """Scheme, host, port, path and query names are shown; users too, except in web URLs."""
    assert mask_url(url) == shown


NOISE = st.text(st.characters(exclude_characters="SM"), max_size=20)
# What an unquoted password may be, whatever stands beside the marker.
PASSWORDS = st.text(st.sampled_from("ab1@/?#:;=&%$ '\"\\,+"), max_size=8)


@example("", "", "")
@given(PASSWORDS, PASSWORDS, st.sampled_from(["", "?x=1", "/db", ":80/a?b=c#d", "/x@y"]))
def test_no_password_of_a_url_is_shown(before: str, after: str, tail: str) -> None:
    """A URL's password is hidden, whatever its characters, encoded or not."""
    url = f"mysql://me:{before}{MARKER}{after}@h{tail}"
    assert MARKER not in mask_url(url)
    assert MARKER not in mask_value("VALUE", url)
    assert MARKER not in mask_value("VALUE", f"first {url} last")


@given(NOISE, st.sampled_from(["Password", "AccountKey", "sig", "api_key", "token"]), NOISE)
def test_no_value_of_a_pair_is_shown(before: str, name: str, after: str) -> None:
    """A pair whose name marks a secret is hidden, whatever surrounds it."""
    shown = mask_value("VALUE", f"{before};{name}={MARKER};{after}")
    assert MARKER not in shown


@given(st.text(), st.text())
def test_any_value_is_masked_or_shown(name: str, value: str) -> None:
    """No text makes masking fail, and a secret's name hides every value."""
    assert isinstance(mask_value(name, value), str)
    if value.strip():
        assert mask_value("DB_PASSWORD", value) == MASK


REPEATED = ("a", "a:", "a=", "-eyJ", "://a:", "@", "--a ", "a ", "http://", "é", '"a":')


def test_no_value_takes_the_square_of_its_length() -> None:
    """No pattern goes over it again and again."""
    for part in REPEATED:
        value = part * (LONG // len(part))
        with limit(part):
            assert len(mask_value("VALUE", value)) <= len(value)


@pytest.mark.parametrize(
    "show", [repr, str, "{}".format, "%s".__mod__, "%r".__mod__], ids=["r", "s", "f", "%s", "%r"]
)
def test_secret_is_hidden(show: Any) -> None:
    """Every conversion to text hides the secret."""
    assert MARKER not in show(Secret(MARKER))
    assert MASK in show(Secret(MARKER))


def test_secret_is_a_value() -> None:
    """Secrets compare and hash by their text, even if it is not UTF-8, and equal no plain text."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a"), Secret("\udcff")}) == 2
    assert Secret("\udcff") == Secret("\udcff")
    assert Secret("a") != "a"
    assert bool(Secret("a"))
    assert not Secret("")
    assert Secret("a").reveal() == "a"


def test_url_is_a_text_whose_repr_hides() -> None:
    """A Url is the unchanged text for programs; only its `repr` hides parts."""
    url = Url(f"https://me:{MARKER}@h.example/p?sig={MARKER}#t={MARKER}")
    assert f"{url}" == str(url) == url + ""
    assert MARKER in url
    assert MARKER not in repr(url)
    assert "h.example/p" in repr(url)
    assert MARKER not in repr(Url(MARKER))
    assert pickle.loads(pickle.dumps(url)) == url


HIDDEN = f"""
DB_PASSWORD={MARKER} gunicorn app:app
export DB_PASSWORD={MARKER}; gunicorn app:app
export DB_PASSWORD='{MARKER} {MARKER}' && gunicorn app:app
DB_PASSWORD="a \\"{MARKER}" gunicorn app:app
DB_PASSWORD=a'b {MARKER}' gunicorn app:app
DB_PASSWORD=a\\ {MARKER} gunicorn app:app
DB_PASSWORD="{MARKER} gunicorn app:app
gunicorn --raw-env DB_PASSWORD={MARKER} app:app
gunicorn -e DB_PASSWORD={MARKER} app:app
gunicorn --env=DB_PASSWORD={MARKER} app:app
server --api-key {MARKER} --port 80
server --api-key={MARKER}
server --api-key  "{MARKER} {MARKER}" x
server --api-key -{MARKER}
server -password {MARKER}
server --token: {MARKER}
curl -H 'X-Api-Key: {MARKER}' https://x.example
curl -H "Authorization: Bearer {MARKER}" https://x.example
pip install --index-url https://me:{MARKER}@pypi.example/simple x
sh -c "DB_PASSWORD={MARKER} exec gunicorn app:app"
sh -c 'server --api-key {MARKER}'
GUNICORN_CMD_ARGS="--raw-env=DB_PASSWORD={MARKER}" gunicorn app:app
GUNICORN_CMD_ARGS="--raw-env 'DB_PASSWORD={MARKER}'" gunicorn app:app
server --dsn=redis://:{MARKER}@cache.example:6379
server redis://:{MARKER}@cache.example:6379
server me:{MARKER}@cache.example
server Server=h;Password={MARKER};Database=d
""".strip().split("\n")
SHOWN = """
gunicorn app:app
gunicorn --bind=0.0.0.0:8000 --timeout 600 -k uvicorn_worker.UvicornWorker main:app
GUNICORN_CMD_ARGS="--timeout 600 --access-logfile '-' --bind=0.0.0.0:80 --chdir=/x" gunicorn a:b
python manage.py migrate && gunicorn mysite.wsgi --log-level debug
exec appsvc serve app:create_app()
cd /home/site/wwwroot; PYTHONPATH="a b" exec sh start.sh
uvicorn main:app --host 0.0.0.0 --port $PORT --ssl-keyfile
a 'unclosed
\t
""".strip("\n").split("\n")


@pytest.mark.parametrize("command", HIDDEN)
def test_no_secret_of_a_command_is_shown(command: str) -> None:
    """Secrets are found by name and shape, in any quotes; the program stays readable."""
    masked = mask_command(command)
    assert MARKER not in masked
    assert MASK in masked
    assert masked.split()[0].partition("=")[0] == command.split()[0].partition("=")[0]


@pytest.mark.parametrize("command", SHOWN)
def test_a_command_without_secrets_is_shown_as_it_is(command: str) -> None:
    """A command without secrets is unchanged, including blanks and quotes."""
    assert mask_command(command) == command


@given(st.text(alphabet="ab =-:'\"\\\n", max_size=60))
def test_masking_a_command_keeps_what_is_no_secret(command: str) -> None:
    """Other words stay, whatever the quotes."""
    assert mask_command(command) == command
