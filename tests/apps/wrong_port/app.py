"""Listens on a fixed port, and not on the one in PORT."""


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"wrong port"]
