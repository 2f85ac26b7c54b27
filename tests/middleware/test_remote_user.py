"""Django's RemoteUserMiddleware, as in the example's README: its user is the signed-in user."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.middleware.test_principal import NAMEID, SIGN_IN, headers, principal
from tests.support.servers import run

pytestmark = pytest.mark.integration

SITE = """
import json, os, sys

import django
from django.conf import settings
from django.core.management import call_command
from django.http import JsonResponse
from django.urls import path


def who(request):
    user = request.user
    if user.is_authenticated:
        user.set_unusable_password()
        user.full_clean()  # what its admin site checks before it saves a user
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


NOBODY = {"user": "", "known": False}


def users(folder: Path, *asked: tuple[dict[str, str], str], **variables: str) -> list[object]:
    """Return Django's user of each request."""
    (folder / "site_with_users.py").write_text(SITE)
    result = run(
        "site_with_users.py", json.dumps(asked), cwd=folder, timeout=60, **SIGN_IN, **variables
    )
    assert result.returncode == 0, result.stderr
    told: list[object] = json.loads(result.stdout)
    return told


def by_github(identity: str) -> dict[str, str]:
    """Return the headers of a user of another provider with the same name as Entra ID's user."""
    whole = principal([{"typ": NAMEID, "val": identity}], auth_typ="github")
    return headers(
        X_MS_CLIENT_PRINCIPAL=whole,
        X_MS_CLIENT_PRINCIPAL_ID=identity,
        X_MS_CLIENT_PRINCIPAL_IDP="github",
    )


def test_signed_in_users_are_djangos_users(tmp_path: Path) -> None:
    """The front end's headers count, and never a client's; two providers give two users."""
    told = users(
        tmp_path,
        (headers(), "169.254.130.1"),
        ({}, "169.254.130.1"),
        (headers(), "198.51.100.1"),
        (headers(X_MS_CLIENT_PRINCIPAL="!!!!e30="), "169.254.130.1"),
        (by_github("1234"), "169.254.130.1"),
        (by_github("auth0|" + "x" * 200), "169.254.130.1"),
        (headers(X_MS_CLIENT_PRINCIPAL_NAME="another name"), "169.254.130.1"),
    )
    assert told[:4] == [{"user": "aad.1234", "known": True}, NOBODY, NOBODY, NOBODY]
    assert told[4] == {"user": "github.1234", "known": True}
    assert str(told[5]).startswith("{'user': 'github.++")
    assert told[6] == told[0]


def test_users_by_name(tmp_path: Path) -> None:
    """This is for sites that want names, as for users that exist already."""
    told = users(tmp_path, (headers(), "169.254.130.1"), APPSVC_REMOTE_USER="name")
    assert told == [{"user": "ann@example.com", "known": True}]
