"""The pages: a greeting, and what the site knows of a request."""

from __future__ import annotations

import logging
import os
from urllib.parse import urlencode

from django import forms
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from appsvc_runtime import signed_in

logger = logging.getLogger(__name__)

NAME_LENGTH = 40
# What the middleware knows of a request, and the WSGI variable to show next to it.
FACTS = {
    "scheme": "wsgi.url_scheme",
    "host": "HTTP_HOST",
    "client_address": "REMOTE_ADDR",
    "client_port": "REMOTE_PORT",
    "arr_log_id": "HTTP_X_ARR_LOG_ID",
    "is_secure": "HTTP_X_FORWARDED_PROTO",
}


class NameForm(forms.Form):
    name = forms.CharField(
        max_length=NAME_LENGTH,
        error_messages={
            "required": "Please enter a name.",
            "max_length": "Please enter a name of at most %(limit_value)d characters.",
        },
    )


@require_safe
def index(request: WSGIRequest) -> HttpResponse:
    return render(request, "index.html", {"form": NameForm()})


@require_POST
def greet(request: WSGIRequest) -> HttpResponse:
    form = NameForm(request.POST)
    if not form.is_valid():
        return render(request, "index.html", {"form": form}, status=400)
    query = urlencode({"name": form.cleaned_data["name"]})
    return redirect(request.build_absolute_uri(reverse("hello")) + f"?{query}")


@require_safe
def hello(request: WSGIRequest) -> HttpResponse:
    name = request.GET.get("name") or "stranger"
    logger.info("Said hello to %s", name)
    return render(request, "hello.html", {"name": name})


@require_safe
@signed_in("aad")
def account(request: WSGIRequest) -> HttpResponse:
    return render(request, "account.html", {"who": request.environ["appsvc.request"].principal})


@require_safe
def visitor(request: WSGIRequest) -> HttpResponse:
    known = request.environ["appsvc.request"]
    came = {**request.environ, **request.environ["appsvc.original"]}
    rows = [(fact, getattr(known, fact), key, came.get(key)) for fact, key in FACTS.items()]
    return render(request, "visitor.html", {"rows": rows, "url": request.build_absolute_uri()})


@require_safe
def visitor_json(request: WSGIRequest) -> JsonResponse:
    known = request.environ["appsvc.request"]
    return JsonResponse(
        {
            **{fact: getattr(known, fact) for fact in FACTS},
            "url": request.build_absolute_uri(),
            "remote_addr": request.META["REMOTE_ADDR"],
            "pid": os.getpid(),
        }
    )
