"""A module without `app`: it calls it otherwise."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"never reached"]
