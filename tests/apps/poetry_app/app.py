"""Its packages are named by a pyproject.toml of Poetry's."""


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"poetry"]
