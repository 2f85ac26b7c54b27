"""Sites as people write them: sound ones get no error and one warning at most, faults are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from appsvc_runtime.doctor.given import GivenSettings
from appsvc_runtime.doctor.site import Site
from appsvc_runtime.doctor.table import all_checks, run_checks

_CHECKS = [check for check in all_checks() if "run" not in check.looks_at]
_PLATFORM = {"SCM_DO_BUILD_DURING_DEPLOYMENT": "true", "SECRET_KEY": "x"}
_FLASK = (
    "import os\nfrom flask import Flask\napp = Flask(__name__)\n"
    "app.secret_key = os.environ['SECRET_KEY']\n"
    "if __name__ == '__main__':\n    print(os.environ['LOCAL'])\n    app.run(debug=True)\n"
)
_RANDOM = "import os\nfrom flask import Flask\n"
_SETTINGS = (
    "import os\nDEBUG = True\nSECRET_KEY = 'django-insecure'\nALLOWED_HOSTS = []\n"
    "INSTALLED_APPS = ['django.contrib.staticfiles']\nSTATIC_ROOT = 's'\n"
    "MIDDLEWARE = ['whitenoise.middleware.WhiteNoiseMiddleware']\n"
    "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'db.sqlite3'}}\n"
)
_SERVER = "{'default': {'ENGINE': 'django.db.backends.postgresql'}}"
_PRODUCTION = (
    "DEBUG = False\nSECRET_KEY = os.environ['SECRET_KEY']\n"
    f"ALLOWED_HOSTS = [os.environ['WEBSITE_HOSTNAME']]\nDATABASES = {_SERVER}\n"
)
_FACTORY = (
    "def create_app():\n    app = Flask(__name__)\n    {}\n    return app\napp = create_app()\n"
)
_SCHEDULER = (
    "from flask import Flask\nfrom apscheduler.schedulers.background import BackgroundScheduler\n"
    "def create_app():\n    jobs = BackgroundScheduler()\n    jobs.start()\n"
    "    return Flask(__name__)\n"
)


def _site(app: str = _FLASK, **more: str) -> dict[str, str]:
    files = {name.replace("__", ".").replace("_in_", "/"): text for name, text in more.items()}
    return {"app.py": app, "requirements.txt": "flask==3.1.0\n", **files}


def _script(*lines: str) -> dict[str, str]:
    return _site(startup__sh="\n".join(["#!/bin/bash", "set -e", *lines, "", "# end", ""]))


def _django(**settings: str) -> dict[str, str]:
    return {
        "manage.py": "", "shop/wsgi.py": "application = 1  # shop.settings production\n",
        "requirements.txt": "django==5.2\nwhitenoise==6.9\n",
        **{f"shop/{name.replace('_in_', '/')}.py": text for name, text in settings.items()},
    }  # fmt: skip


_INDENTED = _PRODUCTION.strip().replace("\n", "\n    ")
_BRANCH = f"if 'WEBSITE_HOSTNAME' in os.environ:\n    {_INDENTED}\n"

SOUND: dict[str, tuple[dict[str, str], str | None]] = {
    "flask": (_site(), None),
    "a default in a shell": (_site(), "exec gunicorn -b 0.0.0.0:${PORT:-8000} --threads 4 app:app"),
    "another variable": (_site(), "exec gunicorn -b 0.0.0.0:$OWN_PORT --threads 4 app:app"),
    "a script": (_script("exec gunicorn --bind=0.0.0.0:8000 \\", "  --threads 4 app:app"), None),
    "a comment names us": (_site(f"# see appsvc_runtime.wsgi\n{_FLASK}"), None),
    "a script of one's own": (
        {**_site(), "scripts/seed.py": "import os\nt = os.environ['ADMIN_TOKEN']\n"},
        None,
    ),
    "an environment of uv": ({**_site(), ".venv/pyvenv.cfg": "", ".venv/.gitignore": "*\n"}, None),
    "a user's key": (_site(f"{_FLASK}def f(user):\n    user.secret_key = os.urandom(9)\n"), None),
    "Django, one file": (_django(settings=_SETTINGS + _BRANCH), None),
    "Django, two branches": (
        _django(
            settings=_SETTINGS + f"if os.environ.get('A'):\n    ALLOWED_HOSTS = ['localhost']\n"
            f"else:\n    ALLOWED_HOSTS = ['.azurewebsites.net']\n{_BRANCH}"
        ),
        None,
    ),
    "Django, split": (
        _django(
            settings_in_base=_SETTINGS,
            settings_in_local="INSTALLED_APPS += ['x']\n" + _SETTINGS,
            settings_in_production=f"import os\nfrom .base import *\n{_PRODUCTION}",
        ),
        None,
    ),
}

FAULTY: dict[str, tuple[str, dict[str, str], str | None]] = {
    "no exec": ("START-05", _script("gunicorn app:app"), None),
    "loopback": ("START-06", _script("exec gunicorn -b 127.0.0.1:8000 app:app"), "startup.sh"),
    "by a shell": ("START-06", _script("exec uvicorn app:app"), "bash startup.sh"),
    "another port": ("START-07", _script("exec gunicorn \\", "  -b :5000 app:app"), None),
    "not installed": ("BLD-14", _script("exec waitress-serve --port 8000 app:app"), None),
    "our command": ("BLD-13", _script("exec appsvc serve app:app"), None),
    "our middleware": (
        "BLD-13",
        _site(f"from appsvc_runtime import AppServiceMiddleware\n{_FLASK}"),
        None,
    ),
    "a key in a mapping": (
        "GUN-06",
        _site(f"{_RANDOM}app = Flask('a')\napp.config.update(SECRET_KEY=os.urandom(9))\n"),
        None,
    ),
    "a key of a class": (
        "GUN-06",
        _site(config__py="import os\nclass Config:\n    SECRET_KEY = os.urandom(9)\n"),
        None,
    ),
    "a key in a factory": (
        "GUN-06",
        _site(_RANDOM + _FACTORY.format("app.secret_key = os.urandom(9)")),
        None,
    ),
    "a scheduler in a factory": (
        "GUN-04",
        _site(_SCHEDULER),
        "exec gunicorn -w 4 --threads 2 'app:create_app()'",
    ),
    "debugging everywhere": (
        "DJ-01",
        _django(settings_in_base=_SETTINGS, settings_in_production="DEBUG = True\n"),
        None,
    ),
    "hosts of this machine": (
        "DJ-02",
        _django(settings_in_base=_SETTINGS, settings_in_production="X = 1\n"),
        None,
    ),
    "SQLite": ("DB-04", _django(settings=_SETTINGS), None),
}


def _look(files: dict[str, str], command: str | None, given: bool, folder: Path) -> list[str]:
    """Return severity and id of each finding, places that do not exist raise AssertionError."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())  # without Windows' line ends
    site = Site(folder, GivenSettings(_PLATFORM, "s.json") if given else None, command)
    results = run_checks(site, _CHECKS, site.hosts)
    for found in (one for result in results for one in result.found):
        assert not found.file or (folder / found.file).exists(), found
    return [f"{one.check.severity} {one.check.id}" for one in results for _ in one.found]


@pytest.mark.parametrize("given", [False, True], ids=["alone", "with settings"])
@pytest.mark.parametrize("name", SOUND)
def test_sound(name: str, given: bool, tmp_path: Path) -> None:
    """No error, and one warning at most."""
    seen = _look(*SOUND[name], given, tmp_path)
    assert not [one for one in seen if one.startswith("error")]
    assert len([one for one in seen if one.startswith("warning")]) <= 1


@pytest.mark.parametrize("name", FAULTY)
def test_faulty(name: str, tmp_path: Path) -> None:
    """The fault is found by its id."""
    id_, files, command = FAULTY[name]
    assert id_ in {one.split()[1] for one in _look(files, command, True, tmp_path)}
