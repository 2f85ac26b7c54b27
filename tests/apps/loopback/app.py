"""The startup command binds it to loopback, where the platform cannot reach it."""


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"loopback"]
