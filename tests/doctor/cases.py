"""Sites with and without each fault: for each check at least one of both."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["CASES", "Case"]

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
DJANGO = (
    "INSTALLED_APPS = ['django.contrib.staticfiles']\n"
    "STATIC_ROOT = 'staticfiles'\nMIDDLEWARE = ['whitenoise.middleware.WhiteNoiseMiddleware']\n"
)
_WSGI = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"


@dataclass(frozen=True)
class Case:
    """A site: the check, whether it finds something, files, and what is said of the deployment."""

    id: str
    finds: bool
    files: dict[str, str | bytes] = field(default_factory=dict)
    settings: dict[str, str] | None = None
    command: str | None = None
    python: tuple[int, int] | None = None
    sticky: frozenset[str] | None = None


def _flask(text: str = FLASK, **more: str | bytes) -> dict[str, str | bytes]:
    """Return a Flask site; names of `more` have `__` for a dot."""
    files: dict[str, str | bytes] = {"app.py": text, "requirements.txt": "flask==3.1.0\n"}
    return {**files, **{name.replace("__", "."): value for name, value in more.items()}}


def _django(settings: str) -> dict[str, str | bytes]:
    needs = "django==5.2\nwhitenoise==6.6\n"
    files: dict[str, str | bytes] = {"shop/wsgi.py": _WSGI, "shop/settings.py": settings}
    return {**files, "manage.py": "", "requirements.txt": needs}


def _pair(
    id_: str, bad: dict[str, object], good: dict[str, object], *more_bad: dict[str, object]
) -> list[Case]:
    return [
        *(Case(id_, True, **one) for one in (bad, *more_bad)),  # type: ignore[arg-type]
        Case(id_, False, **good),  # type: ignore[arg-type]
    ]


def _command(text: str, files: dict[str, str | bytes] | None = None) -> dict[str, object]:
    return {"files": files or _flask(), "command": text}


def _settings(**values: str) -> dict[str, object]:
    return {"files": _flask(), "settings": values}


def _sources(text: str, **more: object) -> dict[str, object]:
    return {"files": _flask(text), "command": "exec appsvc serve", **more}


def _job(settings: str | None = None, **files: str | bytes) -> dict[str, object]:
    folder = "App_Data/jobs/continuous/mail/"
    found: dict[str, str | bytes] = {
        folder + name.replace("__", "."): text for name, text in files.items()
    }
    if settings is not None:
        found[folder + "settings.job"] = settings
    return {"files": {**found, "requirements.txt": "redis==5.0.0\n"}}


def _config(inner: str, **files: str) -> dict[str, object]:
    text = f"<configuration><system.webServer>{inner}</system.webServer></configuration>"
    return {"files": {"web.config": text, **{k.replace("__", "."): v for k, v in files.items()}}}


_PLATFORM = (
    '<handlers><add name="Python" path="*" verb="*" modules="httpPlatformHandler"/></handlers>'
)
_FCGI = (
    '<handlers><add name="Python" path="*" verb="*" modules="FastCgiModule" '
    'scriptProcessor="C:\\Python\\python.exe|C:\\Python\\wfastcgi.py"/></handlers>'
)
_KEY = "from flask import Flask\nimport os\napp = Flask(__name__)\napp.secret_key = {}\n"
_AUTH = (
    "from flask import Flask, request\napp = Flask(__name__)\n"
    "@app.get('/')\ndef me():\n    return request.headers['X-MS-CLIENT-PRINCIPAL-NAME']\n"
)
_DATABASE = "DATABASES = {{'default': {{'ENGINE': 'django.db.backends.{}'}}}}\n"
_MONITOR = "from azure.monitor.opentelemetry import configure_azure_monitor\n"

CASES: list[Case] = [
    *_pair("START-01", {"files": {"shop.py": FLASK}}, {"files": _flask()}, {"files": {"a.txt": ""}},
           {"files": {"web/app.py": FLASK}}),
    *_pair("START-02", {"files": _flask(application__py=FLASK)}, {"files": _flask()},
           {"files": {"a/wsgi.py": _WSGI, "b/wsgi.py": _WSGI}}),
    *_pair("START-03", {"files": _flask("from flask import Flask\nserver = Flask(__name__)\n")},
           {"files": _flask()}, {"files": _flask("def create_app(): ...\n")}),
    *_pair("START-04", {"files": _flask(FASTAPI)}, _command("exec uvicorn app:app",
           _flask(FASTAPI)),
           _command("gunicorn app:app", _flask(FASTAPI))),
    *_pair("START-05", _command("gunicorn app:app"), _command("exec gunicorn app:app"),
           _command("cd web && appsvc serve")),
    *_pair("START-06", _command("exec uvicorn app:app"),
           _command("exec uvicorn app:app --host 0.0.0.0"),
           _command("exec gunicorn -b 127.0.0.1:8000 app:app"), _command("exec granian app:app"),
           _command("exec flask run --port 8000")),
    *_pair("START-07", _command("exec gunicorn --bind=0.0.0.0:5000 app:app"),
           _command("exec gunicorn --bind 0.0.0.0:$PORT app:app"),
           _command("exec waitress-serve app:app"), _settings(WEBSITES_PORT="8000")),
    *_pair("START-08", _command("start.sh",
           _flask(start__sh=b"#!/bin/sh\r\nexec appsvc serve\r\n")),
           _command("start.sh", _flask(start__sh="#!/bin/sh\nexec appsvc serve\n")),
           _command("startup.txt", _flask(startup__txt="# my command\nexec appsvc serve\n")),
           _command("app.py"), _command("other.sh")),
    *_pair("START-09", _command("exec uvicorn app:app --reload"), _command("exec appsvc serve"),
           _command("flask --app app run"), _command("python manage.py runserver"),
           _command("python app.py", _flask(FLASK + "if 1:\n    app.run(debug=True)\n"))),
    *_pair("START-10", _command("pip install -r requirements.txt && exec gunicorn app:app"),
           _command("exec gunicorn app:app"),
           _command("start.sh",
           _flask(start__sh="#!/bin/sh\napt-get install -y x\nexec appsvc serve\n"))),
    *_pair("START-11",
           {"files": {"app.py": FLASK, "uv.lock": "", "pyproject.toml": ""},
           "command": "exec uvicorn app:app"},
           {"files": {"app.py": FLASK, "uv.lock": "", "pyproject.toml": ""},
            "command": "exec python -m uvicorn app:app"}),
    *_pair("START-13", {"files": _flask("def broken(:\n")}, {"files": _flask()}),
    *_pair("START-14", {"files": _flask(FLASK + "app.run()\n")},
           {"files": _flask(FLASK + "if __name__ == '__main__':\n    app.run()\n")},
           {"files": _flask(FLASK + "import uvicorn\nuvicorn.run(app)\n")}),
    *_pair("GUN-01", {"files": _flask(gunicorn__conf__py="workers = 2\n")},
           {"files": _flask()}),
    *_pair("GUN-02", _command("exec gunicorn -t 600 app:app"),
           _command("exec gunicorn -t 120 app:app"),
           _settings(GUNICORN_CMD_ARGS="--timeout 0")),
    *_pair("GUN-04", _sources(FLASK + "s = BackgroundScheduler()\ns.start()\n"),
           _sources(FLASK + "s = BackgroundScheduler()\ns.start()\n",
           settings={"APPSVC_WORKERS": "1"}),
           _sources(FLASK + "s = APScheduler()\ndef create_app():\n    s.init_app(app)\n")),
    *_pair("GUN-05", _command("exec gunicorn -w 4 app:app"),
           _command("exec gunicorn --threads 8 app:app")),
    *_pair("GUN-06", _sources(_KEY.format("os.urandom(24)")),
           _sources(_KEY.format("os.environ['K']")),
           _sources(FLASK + "import secrets\napp.config['SECRET_KEY'] = secrets.token_hex()\n")),
    *_pair("GUN-07", _sources(FLASK + "app.config['CACHE_TYPE'] = 'SimpleCache'\n"),
           _sources(FLASK + "app.config['CACHE_TYPE'] = 'RedisCache'\n"),
           _sources(FLASK + "limits = Limiter(app, storage_uri='memory://')\n")),
    *_pair("GUN-08",
           {"files": {"app.py": FLASK + "io = SocketIO(app)\n",
           "requirements.txt": "flask-socketio\n"}},
           {"files": {"app.py": FLASK + "io = SocketIO(app)\n",
           "requirements.txt": "flask-socketio\n"},
            "command": "exec appsvc serve --workers 1"}),
    *_pair("BLD-01", {"files": {"app.py": FLASK}}, {"files": _flask()},
           {"files": {"app.py": FLASK, "web/requirements.txt": ""}},
           {"files": {"app.py": FLASK, "Requirements.txt": ""}},
           _settings(CUSTOM_REQUIREMENTSTXT_PATH="web/needs.txt")),
    *_pair("BLD-02", {"files": _flask(uv__lock="")}, {"files": _flask()}),
    *_pair("BLD-03", {"files": {"app.py": FLASK, "requirements.txt": "flask\n".encode("utf-16")}},
           {"files": _flask()},
           {"files": {"app.py": FLASK, "requirements.txt": "shop @ file:///home/me/shop\n"}},
           {"files": {"app.py": FLASK, "requirements.txt": "C:\\wheels\\shop.whl\n"}},
           {"files": {"app.py": FLASK, "requirements.txt": "-e ../shared\n"}}),
    *_pair("BLD-05", {"files": _flask(**{"venv/pyvenv__cfg": ""})},
           {"files": _flask(**{"venv/pyvenv__cfg": "", "__gitignore": "venv\n"})},
           {"files": _flask(**{"antenv/pyvenv__cfg": "", "__gitignore": "antenv\n"})}),
    *_pair("BLD-06", _settings(A="1"), _settings(SCM_DO_BUILD_DURING_DEPLOYMENT="true")),
    *_pair("BLD-07", _settings(SCM_DO_BUILD_DURING_DEPLOYMENT="1", WEBSITE_RUN_FROM_PACKAGE="1"),
           _settings(WEBSITE_RUN_FROM_PACKAGE="0", SCM_DO_BUILD_DURING_DEPLOYMENT="1")),
    *_pair("BLD-08",
           {"files": _flask(**{"lib/x__cpython-39-x86_64-linux-gnu__so": b""}), "python": (3, 13)},
           {"files": _flask(**{"lib/x__cpython-313-x86_64-linux-gnu__so": b""}), "python": (3, 13)},
           {"files": _flask(**{"lib/x__cp311-win_amd64__pyd": b""})}),
    *_pair("BLD-09",
           {"files": _flask(**{"oryx-manifest__toml": 'CompressDestinationDir="true"\n'})},
           {"files": _flask(**{"oryx-manifest__toml": 'CompressDestinationDir="true"\n',
                               "output__tar__zst": b""})}),
    *_pair("BLD-10", {"files": {"app.py": FLASK, "requirements.txt": "flask>=3\n"}},
           {"files": _flask()}),
    *_pair("BLD-11", {"files": {"app.py": FLASK, "requirements.txt": "opencv_python==4.10\n"}},
           {"files": {"app.py": FLASK, "requirements.txt": "opencv-python-headless==4.10\n"}}),
    *_pair("BLD-12", {"files": _django("INSTALLED_APPS = ['django.contrib.staticfiles']\n")},
           {"files": _django(DJANGO)}),
    *_pair("BLD-13", _command("exec appsvc serve"),
           _command("exec appsvc serve", {"app.py": FLASK, "requirements.txt": "appsvc-runtime\n"}),
           {"files": _flask("from appsvc_runtime import AppServiceMiddleware\n" + FLASK)}),
    *_pair("BLD-14", _command("exec gunicorn -k uvicorn_worker.UvicornWorker app:app"),
           _command("exec gunicorn app:app"), _command("exec hypercorn app:app")),
    *_pair("PY-01", {"files": _flask(), "python": (3, 9)}, {"files": _flask(), "python": (3, 14)},
           {"files": _flask(runtime__txt="python-3.8"), "python": None}),
    *_pair("PY-02", {"files": _flask(**{"__python-version": "3.11\n"}), "python": (3, 13)},
           {"files": _flask(**{"__python-version": "3.13\n"}), "python": (3, 13)}),
    *_pair("PY-03", {"files": _flask(start__sh="apt-get install -y libpq5\n"), "python": (3, 14)},
           {"files": _flask(start__sh="apt-get install -y libpq5\n"), "python": (3, 13)}),
    *_pair("OTEL-01",
           {"files": {"app.py": FASTAPI, "requirements.txt": "fastapi\n"},
           "command": "exec uvicorn app:app",
            "settings": {"ApplicationInsightsAgent_EXTENSION_VERSION": "~3"}},
           {"files": {"app.py": FASTAPI, "requirements.txt": "fastapi\n"},
           "command": "exec appsvc serve",
            "settings": {"ApplicationInsightsAgent_EXTENSION_VERSION": "~3"}}),
    *_pair("OTEL-02", {"files": {"app.py": FLASK,
           "requirements.txt": "opencensus-ext-azure==1.1\n"}},
           {"files": _flask()}),
    *_pair("OTEL-03",
           {"files": _flask(_MONITOR + "configure_azure_monitor()\n" + FLASK,
                            log__py=_MONITOR + "configure_azure_monitor()\n")},
           {"files": _flask(_MONITOR + "configure_azure_monitor()\n" + FLASK)}),
    *_pair("OTEL-04", _settings(APPLICATIONINSIGHTS_CONNECTION_STRING="InstrumentationKey=1"),
           _settings()),
    *_pair("SET-01",
           _settings(K="@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k"),
           _settings(K="@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k)"),
           _settings(K="@Microsoft.KeyVault(https://v.vault.azure.net/secrets/k)")),
    *_pair("SET-02", _sources("import os\n" + FLASK + "key = os.environ['MAIL_KEY']\n",
           settings={}),
           _sources("import os\n" + FLASK + "key = os.environ['MAIL_KEY']\n",
           settings={"MAIL_KEY": "1"})),
    *_pair("SET-03", _settings(Mail="1", MAIL="2"), _settings(MAIL="1", Mail="1")),
    *_pair("SET-04", {"files": _flask(), "settings": {"Mail:Host": "x"}}, _settings(Mail__Host="x"),
           {"files": _flask(), "settings": {"mail-host": "x"}}),
    *_pair("SET-06", _settings(STORAGE="UseDevelopmentStorage=true"),
           _settings(STORAGE="https://a.example/"),
           _settings(DATABASE_URL="postgresql://u@localhost/db"),
           _settings(REDIS="redis://127.0.0.1:6379")),
    *_pair("SET-07", _settings(WEBSITE_TIME_ZONE="W. Europe Standard Time"),
           _settings(WEBSITE_TIME_ZONE="Europe/Berlin")),
    *_pair("SET-08", _settings(PYTHON_ENABLE_GUNICORN_MULTIWORKERS="yes"),
           _settings(PYTHON_ENABLE_GUNICORN_MULTIWORKERS="true"),
           _settings(PYTHON_FAST_BUILD_ENABLED="1")),
    *_pair("DB-01", _settings(AZURE_POSTGRESQL_CONNECTIONSTRING="host=a user=b dbname=c"),
           _settings(AZURE_POSTGRESQL_CONNECTIONSTRING="host=a user=b password=c")),
    *_pair("DB-02", _sources(FLASK + "token = credential.get_token('x')\n"),
           _sources(FLASK + "def token():\n    return credential.get_token('x')\n")),
    *_pair("DB-03", _settings(POSTGRESQLCONNSTR_DB="host=a sslmode=disable"),
           _settings(POSTGRESQLCONNSTR_DB="host=a sslmode=require"),
           _settings(D="host=shop.postgres.database.azure.com user=me@shop")),
    *_pair("DB-04",
           {"files": _django(DJANGO + _DATABASE.format("sqlite3"))},
           {"files": _django(DJANGO + _DATABASE.format("postgresql"))},
           {"files": _flask(FLASK + "import sqlite3\ndb = sqlite3.connect('/home/shop.db')\n")}),
    *_pair("DB-05", _settings(REDIS="rediss://a.redis.cache.windows.net:6380"),
           _settings(REDIS="rediss://a.westeurope.redis.azure.net:10000")),
    *_pair("DB-06", _settings(POSTGRESQLCONNSTR_DB="host=a password={your_password}"),
           _settings(POSTGRESQLCONNSTR_DB="host=a password=b")),
    *_pair("DB-07", _settings(SQLAZURECONNSTR_DB="no pairs at all"),
           _settings(SQLAZURECONNSTR_DB="Server=a.database.windows.net;User ID=c;Password=d")),
    *_pair("DJ-01", {"files": _django(DJANGO + "DEBUG = True\n")},
           {"files": _django(DJANGO + "import os\nDEBUG = False\nSECRET_KEY = os.environ['K']\n")},
           {"files": _django(DJANGO + "SECRET_KEY = 'django-insecure-1'\n")}),
    *_pair("DJ-02", {"files": _django(DJANGO + "ALLOWED_HOSTS = []\n")},
           {"files": _django(DJANGO + "ALLOWED_HOSTS = ['shop.azurewebsites.net']\n")},
           {"files": _django(DJANGO + "ALLOWED_HOSTS = ['localhost']\n")}),
    *_pair("DJ-03", {"files": _django(DJANGO + "CSRF_TRUSTED_ORIGINS = ['shop.example']\n")},
           {"files": _django(DJANGO + "CSRF_TRUSTED_ORIGINS = ['https://shop.example']\n")}),
    *_pair("DJ-04", {"files": _django(DJANGO + "SECURE_SSL_REDIRECT = True\n")},
           {"files": _django(DJANGO + "SECURE_SSL_REDIRECT = True\n"),
           "command": "exec appsvc serve"}),
    *_pair("DJ-06", {"files": {**_django(DJANGO.split("MIDDLEWARE")[0]),
           "requirements.txt": "django\n"}},
           {"files": _django(DJANGO)}),
    *_pair("DJ-07", {"files": _django(DJANGO + "SESSION_COOKIE_SECURE = False\n")},
           {"files": _django(DJANGO + "SESSION_COOKIE_SECURE = True\n")},
           {"files": _django(DJANGO + "ALLOWED_HOSTS = ['*']\nUSE_X_FORWARDED_HOST = True\n")}),
    *_pair("HTTP-03", {"files": _flask(FLASK + "app = ProxyFix(app, x_for=3)\n")},
           {"files": _flask(FLASK + "app = ProxyFix(app, x_for=1)\n")},
           {"files": _flask(FLASK + "ip = h.get('X-Forwarded-For').split(',')[0]\n")},
           _sources(FLASK + "app = ProxyFix(app)\n")),
    *_pair("HTTP-04", _sources(FLASK + "def slow():\n    time.sleep(300)\n"),
           _sources(FLASK + "def slow():\n    time.sleep(3)\n")),
    *_pair("AUTH-01", {"files": _flask(_AUTH), "settings": {}},
           {"files": _flask(_AUTH), "settings": {"WEBSITE_AUTH_ENABLED": "True"}}),
    *_pair("AUTH-02", _settings(WEBSITE_AUTH_ENABLED="True",
           WEBSITE_HEALTHCHECK_MAXPINGFAILURES="5"),
           _settings(WEBSITE_HEALTHCHECK_MAXPINGFAILURES="5")),
    *_pair("AUTH-03", {"files": _flask(**{"__github/workflows/a__yml": "publish-profile: x\n"})},
           {"files": _flask(**{"__github/workflows/a__yml": "uses: azure/login@v2\n"})}),
    *_pair("JOB-01", _job(run__cmd="x"), _job(run__sh="#!/bin/bash\n"),
           _job(run__sh=b"#!/bin/bash\r\n"),
           _job(run__sh="echo\n"), _job(readme__md="")),
    *_pair("JOB-02", _job(run__py="import redis\n"), _job(run__py="import json\n")),
    *_pair("JOB-03", _job('{"is_singleton": "yes"}', run__sh="#!/bin/sh\n"),
           _job('{"is_singleton": true}', run__sh="#!/bin/sh\n"),
           _job('{"schedule": "*/5 * * * *"}', run__sh="#!/bin/sh\n")),
    *_pair("JOB-04", _job(run__sh="#!/bin/sh\n"), _job('{"is_singleton": false}',
           run__sh="#!/bin/sh\n")),
    *_pair("OPS-01", _settings(APPSVC_GRACEFUL_TIMEOUT="8"), _settings(APPSVC_GRACEFUL_TIMEOUT="1"),
           _settings(WEBSITES_CONTAINER_STOP_TIME_LIMIT="600")),
    *_pair("OPS-02", _settings(WEBSITES_CONTAINER_START_TIME_LIMIT="3600"),
           _settings(WEBSITES_CONTAINER_START_TIME_LIMIT="600")),
    *_pair("OPS-04", _settings(FLASK_DEBUG="1"), _settings(FLASK_DEBUG="0")),
    *_pair("SLOT-01", {"files": _flask(), "settings": {"APP_ENV": "x", "A": "1"},
           "sticky": frozenset({"A"})},
           {"files": _flask(), "settings": {"APP_ENV": "x"}, "sticky": frozenset({"APP_ENV"})}),
    *_pair("IIS-01", _config(_PLATFORM),
           _config(_PLATFORM + '<httpPlatform processPath="C:\\Python\\python.exe" '
                   'arguments="-m appsvc_runtime.runserver --port %HTTP_PLATFORM_PORT%"/>')),
    *_pair("IIS-02", _config(_FCGI), _config(_PLATFORM)),
    *_pair("IIS-03", {"files": {"web.config": '<add key="WSGI_HANDLER" value="app.app"/>',
           "app.py": FASTAPI}},
           {"files": {"web.config": '<add key="WSGI_HANDLER" value="app.app"/>', "app.py": FLASK}}),
    *_pair("IIS-04", _config('<httpPlatform processPath="python.exe" arguments="run.py"/>',
           run__py="run(5555)"),
           _config('<httpPlatform processPath="python.exe" arguments="run.py"/>',
                   run__py="port = os.environ['HTTP_PLATFORM_PORT']")),
    *_pair("IIS-05",
           _config('<httpPlatform><environmentVariables><environmentVariable name="API_KEY" '
                             'value="abc"/></environmentVariables></httpPlatform>'),
           _config('<httpPlatform><environmentVariables><environmentVariable name="API_KEY" '
                   'value="%API_KEY%"/></environmentVariables></httpPlatform>')),
    *_pair("CLI-01", {"files": _flask(deploy__sh="az webapp up -n shop\n")},
           {"files": _flask(deploy__sh="az webapp deploy -n shop\n")}),
    *_pair("COMP-01",
           {"files": _flask(deploy__sh="az webapp create --multicontainer-config-type COMPOSE\n")},
           {"files": _flask(deploy__sh="az webapp create\n")}),
    *_pair("CS-01", {"files": {"ServiceDefinition.csdef": ""}}, {"files": _flask()}),
]  # fmt: skip
