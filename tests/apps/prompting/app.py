"""Has a manage.py that reads from standard input."""


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"prompting"]
