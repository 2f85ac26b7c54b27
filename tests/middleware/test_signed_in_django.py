"""`signed_in` in Django and Django REST framework: functions and classes, under WSGI and ASGI."""

from __future__ import annotations

import json
from pathlib import Path

from tests.middleware.test_principal import SIGN_IN, headers
from tests.middleware.test_signed_in import GOOGLE
from tests.support.servers import run

SITE = """
import io, json, sys

import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY="for-tests", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], USE_TZ=True,
    INSTALLED_APPS=["rest_framework"], MIDDLEWARE=[],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [], "DEFAULT_PERMISSION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.utils.decorators import method_decorator
from django.views import View
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework.views import APIView

from appsvc_runtime import AppServiceASGIMiddleware, AppServiceMiddleware, signed_in
from tests.support.asgi import call_asgi
from tests.support.wsgi import make_environ
from tests.middleware.test_asgi import make_scope

ran = []


def page(*_):
    ran.append(1)
    return HttpResponse("in")


async def late_page(*_):
    return page()


class Plain(View):
    def get(self, request):
        return page()


class Late(View):
    async def get(self, request):
        return page()


class PlainMethod(View):
    @method_decorator(signed_in("aad"))
    def get(self, request):
        return page()


class LateMethod(View):
    @method_decorator(signed_in("aad"))
    async def get(self, request):
        return page()


class Direct(View):
    @signed_in("aad")
    def get(self, request):
        return page()


class DirectDispatch(View):
    @signed_in("aad")
    def dispatch(self, request, *arguments, **named):
        return super().dispatch(request, *arguments, **named)

    async def get(self, request):
        return page()


class Api(APIView):
    def get(self, request):
        ran.append(1)
        return Response({"x": "in"})


class ApiMethod(APIView):
    @signed_in("aad")
    def get(self, request):
        ran.append(1)
        return Response({"x": "in"})


@api_view(["GET"])
@signed_in("aad")
def api(request):
    ran.append(1)
    return Response({"x": "in"})


on_dispatch = method_decorator(signed_in("aad"), name="dispatch")
views = {
    "plain": signed_in("aad")(page),
    "late": signed_in("aad")(late_page),
    "class": on_dispatch(Plain).as_view(),
    "late-class": on_dispatch(Late).as_view(),
    "method": PlainMethod.as_view(),
    "direct": Direct.as_view(),
    "direct-dispatch": DirectDispatch.as_view(),
    "api": on_dispatch(Api).as_view(),
    "api-method": ApiMethod.as_view(),
    "api-function": api,
}


class Fresh(View):
    get = page


class LateFresh(View):
    async def get(self, request):
        return page()


if django.VERSION >= (5, 2):  # before, method_decorator makes plain methods of async ones
    views["late-method"] = LateMethod.as_view()
views["as-view"] = signed_in("aad")(Fresh.as_view())
views["late-as-view"] = signed_in("aad")(LateFresh.as_view())
urlpatterns = [path(name, view) for name, view in views.items()]
wsgi = AppServiceMiddleware(get_wsgi_application())
asgi = AppServiceASGIMiddleware(get_asgi_application())


def by_wsgi(name, sent):
    told = []
    body = wsgi(make_environ(sent, PATH_INFO="/" + name), lambda *head: told.extend(head))
    b"".join(body)
    body.close()
    return int(told[0][:3]), dict(told[1]).get("Location")


def by_asgi(name, sent):
    head = call_asgi(asgi, make_scope(sent, path="/" + name))[0]
    found = {name.decode().lower(): value.decode() for name, value in head["headers"]}
    return head["status"], found.get("location")


told = {}
for name in views:
    for way in (by_wsgi, by_asgi):
        for sent in json.loads(sys.argv[1]):
            ran.clear()
            status, location = way(name, sent)
            told.setdefault(f"{way.__name__} {name}", []).append([status, location, len(ran)])
print(json.dumps(told))
"""


def test_views_of_every_kind(tmp_path: Path) -> None:
    """Others are redirected to the sign-in, a user passes, another provider's user gets 403."""
    (tmp_path / "site_with_views.py").write_text(SITE)
    asked = json.dumps([{}, headers(), GOOGLE])
    result = run("-Wdefault", "site_with_views.py", asked, cwd=tmp_path, timeout=60, **SIGN_IN)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert len(told) >= 24
    for name, found in told.items():
        login = f"/.auth/login/aad?post_login_redirect_uri=%2F{name.split()[1]}"
        assert found == [[302, login, 0], [200, None, 1], [403, None, 0]], name
