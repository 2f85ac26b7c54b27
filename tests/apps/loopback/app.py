"""Bound to loopback by its startup command, where the platform does not reach it."""


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"loopback"]
