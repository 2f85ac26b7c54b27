"""Listens on a port of its own, not on the one in PORT."""


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"wrong port"]
