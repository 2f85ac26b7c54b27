"""A small Flask site: a greeting, and what the site knows of a request."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from appsvc_runtime import AppServiceMiddleware, Health, configure_logging, signed_in

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

configure_logging()
app = Flask(__name__)
app.wsgi_app = AppServiceMiddleware(
    app.wsgi_app,
    # A real site checks its database or its queue here.
    health=Health(
        "/healthz", checks={"templates": lambda: app.jinja_env.get_template("base.html")}
    ),
)


@app.get("/")
def index() -> ResponseReturnValue:
    return render_template("index.html", length=NAME_LENGTH)


@app.post("/greet")
def greet() -> ResponseReturnValue:
    name = request.form.get("name", "").strip()
    if not name:
        error = "Please enter a name."
    elif len(name) > NAME_LENGTH:
        error = f"Please enter a name of at most {NAME_LENGTH} characters."
    else:
        return redirect(url_for("hello", name=name, _external=True))
    return render_template("index.html", length=NAME_LENGTH, name=name, error=error), 400


@app.get("/hello")
def hello() -> ResponseReturnValue:
    name = request.args.get("name") or "stranger"
    app.logger.info("Said hello to %s", name)
    return render_template("hello.html", name=name)


@app.get("/account")
@signed_in("aad")
def account() -> ResponseReturnValue:
    return render_template("account.html", who=request.environ["appsvc.request"].principal)


@app.get("/visitor")
def visitor() -> ResponseReturnValue:
    known = request.environ["appsvc.request"]
    came = {**request.environ, **request.environ["appsvc.original"]}
    rows = [(fact, getattr(known, fact), key, came.get(key)) for fact, key in FACTS.items()]
    return render_template("visitor.html", rows=rows, url=request.url)


@app.get("/visitor.json")
def visitor_json() -> dict[str, Any]:
    known = request.environ["appsvc.request"]
    return {
        **{fact: getattr(known, fact) for fact in FACTS},
        "url": request.url,
        "remote_addr": request.remote_addr,
        "pid": os.getpid(),
    }
