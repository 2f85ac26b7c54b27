"""A module without `app`: its app has another name."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"never reached"]
