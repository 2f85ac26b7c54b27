"""Django's RemoteUserMiddleware, as the example's README has it: who signs in is its user."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.servers import run
from tests.test_identity import SIGN_IN, headers

SITE = """
import json, os, sys

import django
from django.conf import settings
from django.core.management import call_command
from django.http import JsonResponse
from django.urls import path


def who(request):
    user = request.user
    return JsonResponse({"user": user.get_username(), "known": user.is_authenticated})


urlpatterns = [path("", who)]
settings.configure(
    SECRET_KEY="for-tests", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "users.sqlite3"}},
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.RemoteUserMiddleware",
    ],
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.RemoteUserBackend"],
)
django.setup()
call_command("migrate", verbosity=0)

from django.core.wsgi import get_wsgi_application
from webtest import TestApp

from appsvc_runtime import AppServiceMiddleware

client = TestApp(AppServiceMiddleware(get_wsgi_application()), lint=True)
told = []
for headers, peer in json.loads(sys.argv[1]):
    client.reset()
    answer = client.get("/", headers=headers, extra_environ={"REMOTE_ADDR": peer})
    told.append(answer.json)
print(json.dumps(told))
"""


def test_visitors_are_djangos_users(tmp_path: Path) -> None:
    """By what the front end says, and never by what a visitor says."""
    (tmp_path / "site_with_users.py").write_text(SITE)
    asked = [
        (headers(), "169.254.130.1"),
        ({}, "169.254.130.1"),
        (headers(), "198.51.100.1"),
        (headers(X_MS_CLIENT_PRINCIPAL="!!!!e30="), "169.254.130.1"),
    ]
    result = run("site_with_users.py", json.dumps(asked), cwd=tmp_path, timeout=60, **SIGN_IN)
    assert result.returncode == 0, result.stderr
    nobody = {"user": "", "known": False}
    assert json.loads(result.stdout) == [
        {"user": "aad.1234", "known": True},
        nobody,
        nobody,
        nobody,
    ]
