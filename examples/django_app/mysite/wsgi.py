"""The WSGI application, for every server that runs this site."""

import os

from django.core.wsgi import get_wsgi_application

from appsvc_runtime import AppServiceMiddleware, Health


def templates_are_there() -> None:
    """Check what the site needs; a real site checks its database or its queue."""
    from django.template.loader import get_template

    get_template("base.html")


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = AppServiceMiddleware(
    get_wsgi_application(), health=Health("/healthz", checks={"templates": templates_are_there})
)
