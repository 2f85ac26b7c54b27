"""Its dependencies are in a pyproject.toml of Poetry."""


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"poetry"]
