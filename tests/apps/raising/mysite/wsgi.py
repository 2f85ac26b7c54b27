"""Raises an exception when it is imported, as settings that lack a variable do."""

import os

SECRET = os.environ["SECRET_THAT_IS_NOT_SET"]


def application(environ, start_response):
    start_response("200 OK", [])
    return [SECRET.encode()]
